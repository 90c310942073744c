"""From MMPose's Python configs to YAML."""

from raypose.config.mmpose_import.reader import read_mmpose_config

__all__ = ["read_mmpose_config"]
