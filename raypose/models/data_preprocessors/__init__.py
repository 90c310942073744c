"""Raw images to network inputs."""

from raypose.models.data_preprocessors.pose_data_preprocessor import PoseDataPreprocessor

__all__ = ["PoseDataPreprocessor"]
