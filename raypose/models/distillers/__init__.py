"""Models that train a student by a teacher; importing this package registers them."""

from raypose.models.distillers.dwpose_distiller import DWPoseDistiller

__all__ = ["DWPoseDistiller"]
