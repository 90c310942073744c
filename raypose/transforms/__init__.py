"""Transforms: what happens to a sample between its annotation and the batch (NumPy and OpenCV)."""

from raypose.transforms.albumentation import Albumentation
from raypose.transforms.bbox_center_scale import GetBBoxCenterScale
from raypose.transforms.bottomup_heatmap_mask import BottomupGetHeatmapMask
from raypose.transforms.bottomup_random_affine import BottomupRandomAffine
from raypose.transforms.bottomup_resize import BottomupResize
from raypose.transforms.color import PhotometricDistortion, YOLOXHSVRandomAug
from raypose.transforms.compose import Compose
from raypose.transforms.filter_annotations import FilterAnnotations
from raypose.transforms.keypoint_converter import KeypointConverter
from raypose.transforms.load_image import LoadImage
from raypose.transforms.random_bbox_transform import RandomBBoxTransform
from raypose.transforms.random_flip import RandomFlip
from raypose.transforms.random_flip_around_root import RandomFlipAroundRoot
from raypose.transforms.random_half_body import RandomHalfBody
from raypose.transforms.topdown_affine import TopdownAffine

__all__ = [
    "Albumentation",
    "BottomupGetHeatmapMask",
    "BottomupRandomAffine",
    "BottomupResize",
    "Compose",
    "FilterAnnotations",
    "GetBBoxCenterScale",
    "KeypointConverter",
    "LoadImage",
    "PhotometricDistortion",
    "RandomBBoxTransform",
    "RandomFlip",
    "RandomFlipAroundRoot",
    "RandomHalfBody",
    "TopdownAffine",
    "YOLOXHSVRandomAug",
]
