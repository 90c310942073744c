"""Raw images to network inputs."""

from raypose.models.data_preprocessors.batch_augmentation import BatchSyncRandomResize
from raypose.models.data_preprocessors.pose_data_preprocessor import PoseDataPreprocessor

__all__ = ["BatchSyncRandomResize", "PoseDataPreprocessor"]
