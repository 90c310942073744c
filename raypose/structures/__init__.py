"""The records that pass between stages, and the skeleton that describes them."""

from raypose.structures.crop_transform import CropTransform
from raypose.structures.pose_batch import PoseBatch
from raypose.structures.pose_sample import PoseSample
from raypose.structures.poses import Poses
from raypose.structures.skeleton import Skeleton
from raypose.structures.skeleton_conversion import SkeletonConversion
from raypose.structures.skeleton_text import skeleton_text
from raypose.structures.skeleton_yaml import SkeletonError

__all__ = [
    "CropTransform",
    "PoseBatch",
    "PoseSample",
    "Poses",
    "Skeleton",
    "SkeletonConversion",
    "SkeletonError",
    "skeleton_text",
]
