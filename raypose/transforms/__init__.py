"""Transforms: what happens to a sample between its annotation and the batch (NumPy and OpenCV)."""

from raypose.transforms.albumentation import Albumentation
from raypose.transforms.bbox_center_scale import GetBBoxCenterScale
from raypose.transforms.bottomup_heatmap_mask import BottomupGetHeatmapMask
from raypose.transforms.bottomup_random_affine import BottomupRandomAffine
from raypose.transforms.bottomup_random_choice_resize import BottomupRandomChoiceResize
from raypose.transforms.bottomup_random_crop import BottomupRandomCrop
from raypose.transforms.bottomup_resize import BottomupResize
from raypose.transforms.color import PhotometricDistortion, YOLOXHSVRandomAug
from raypose.transforms.compose import Compose
from raypose.transforms.filter_annotations import FilterAnnotations
from raypose.transforms.for_datasets import ForDatasets
from raypose.transforms.hand_random_flip import HandRandomFlip
from raypose.transforms.keypoint_converter import KeypointConverter
from raypose.transforms.load_image import LoadImage
from raypose.transforms.mix_images import MixImages
from raypose.transforms.mosaic import Mosaic
from raypose.transforms.random_bbox_transform import RandomBBoxTransform
from raypose.transforms.random_choice import RandomChoice
from raypose.transforms.random_flip import RandomFlip
from raypose.transforms.random_flip_around_root import RandomFlipAroundRoot
from raypose.transforms.random_half_body import RandomHalfBody
from raypose.transforms.random_playback_speed import RandomPlaybackSpeed
from raypose.transforms.random_viewpoint import RandomViewpoint
from raypose.transforms.single_hand_converter import SingleHandConverter
from raypose.transforms.topdown_affine import TopdownAffine
from raypose.transforms.whole_image_bbox import WholeImageBBox
from raypose.transforms.yolox_mix_up import YOLOXMixUp

__all__ = [
    "Albumentation",
    "BottomupGetHeatmapMask",
    "BottomupRandomAffine",
    "BottomupRandomChoiceResize",
    "BottomupRandomCrop",
    "BottomupResize",
    "Compose",
    "FilterAnnotations",
    "ForDatasets",
    "GetBBoxCenterScale",
    "HandRandomFlip",
    "KeypointConverter",
    "LoadImage",
    "MixImages",
    "Mosaic",
    "PhotometricDistortion",
    "RandomBBoxTransform",
    "RandomChoice",
    "RandomFlip",
    "RandomFlipAroundRoot",
    "RandomHalfBody",
    "RandomPlaybackSpeed",
    "RandomViewpoint",
    "SingleHandConverter",
    "TopdownAffine",
    "WholeImageBBox",
    "YOLOXHSVRandomAug",
    "YOLOXMixUp",
]
