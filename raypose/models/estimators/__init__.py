"""Whole models, one for each paradigm; importing this package registers them."""

from raypose.models.estimators.base import BasePoseEstimator
from raypose.models.estimators.bottomup import BottomupPoseEstimator
from raypose.models.estimators.pose_lifter import PoseLifter
from raypose.models.estimators.topdown import TopdownPoseEstimator
from raypose.models.estimators.topdown_3d import TopdownPoseEstimator3D

__all__ = [
    "BasePoseEstimator",
    "BottomupPoseEstimator",
    "PoseLifter",
    "TopdownPoseEstimator",
    "TopdownPoseEstimator3D",
]
