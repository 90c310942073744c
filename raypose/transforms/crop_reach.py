"""`crop_reach`: how much of an image the crops of a sample may show, whatever is drawn.

A picture can be cut to this before training without a change to any crop.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from raypose.errors import ConfigError
from raypose.ops.warps import fix_aspect_ratio
from raypose.structures import PoseSample
from raypose.transforms.bbox_center_scale import GetBBoxCenterScale
from raypose.transforms.color import PhotometricDistortion, YOLOXHSVRandomAug
from raypose.transforms.compose import Compose, Transform
from raypose.transforms.filter_annotations import FilterAnnotations
from raypose.transforms.for_datasets import ForDatasets
from raypose.transforms.hand_random_flip import HandRandomFlip
from raypose.transforms.keypoint_converter import KeypointConverter
from raypose.transforms.load_image import LoadImage
from raypose.transforms.random_bbox_transform import RandomBBoxTransform
from raypose.transforms.random_flip import RandomFlip
from raypose.transforms.random_half_body import RandomHalfBody
from raypose.transforms.reduced_loading import ReducedLoading
from raypose.transforms.single_hand_converter import SingleHandConverter
from raypose.transforms.topdown_affine import TopdownAffine
from raypose.transforms.whole_image_bbox import WholeImageBBox

Bounds = tuple[float, float, float, float]
"""x1, y1, x2, y2 in pixels of the image."""

# What linear interpolation looks at beyond a point, and the rounding of cv2.
_MARGIN = 2.0
# They leave boxes where they are, or mirror them with the pixels.
_KEEP_CROPS = (
    RandomFlip, HandRandomFlip, FilterAnnotations, PhotometricDistortion, YOLOXHSVRandomAug,
)  # fmt: skip
# They draw no random numbers.
_CERTAIN = (LoadImage, WholeImageBBox, KeypointConverter, SingleHandConverter)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Crops:
    """Crops of one box.

    Attributes:
        center: (2,) of the box.
        extent: (2,) of it, with padding.
        shift: how far the center moves, as a share of the extent.
        scale: largest factor on the extent.
        rotation: largest angle either way, degrees.
    """

    center: npt.NDArray[np.float64]
    extent: npt.NDArray[np.float64]
    shift: float = 0.0
    scale: float = 1.0
    rotation: float = 0.0

    def bounds(self, affine: TopdownAffine) -> Bounds:
        """Return what all of them may show."""
        w, h = affine.input_size
        # UDP's warp spans one pixel of the input less than the input has.
        size = np.array([w, h]) / np.maximum(np.array([w, h]) - 1, 1)
        extent = fix_aspect_ratio(self.extent * self.scale, w / h) * size
        reach = _turned(extent / 2, min(self.rotation, 90.0)) + self.shift * self.extent + _MARGIN
        (x1, y1), (x2, y2) = (self.center - reach).tolist(), (self.center + reach).tolist()
        return x1, y1, x2, y2


def crop_reach(transforms: Sequence[Transform], sample: PoseSample) -> Bounds:
    """Return what part of its image the crops of a sample may show.

    Args:
        transforms: of training, one person a sample.
        sample: as the dataset makes it; a `LoadImage` among the transforms loads its image.

    Raises:
        ConfigError: if there is a transform before `TopdownAffine` of which it is not known what
            it does to crops, or no `TopdownAffine`.
    """
    found = _follow(list(transforms), sample, [])
    if isinstance(found, list):
        raise ConfigError("crops are known of pipelines with TopdownAffine, one person a sample")
    return found


def _follow(
    transforms: list[Any], sample: PoseSample, crops: list[_Crops]
) -> Bounds | list[_Crops]:
    """Return the bounds once the crops are cut, before that what crops there may be."""
    for step in transforms:
        if isinstance(step, TopdownAffine):
            bounds = np.array([each.bounds(step) for each in crops])
            (x1, y1), (x2, y2) = bounds[:, :2].min(axis=0), bounds[:, 2:].max(axis=0)
            return float(x1), float(y1), float(x2), float(y2)
        if isinstance(step, (Compose, ForDatasets)):
            if isinstance(step, ForDatasets) and sample.meta.get("dataset") not in step.positions:
                continue
            inner = _follow(list(step.transforms), sample, crops)
            if not isinstance(inner, list):
                return inner
            crops = inner
        elif isinstance(step, GetBBoxCenterScale):
            step(sample)
            assert sample.bbox_center is not None
            assert sample.bbox_scale is not None
            crops = [_Crops(center=sample.bbox_center[0] * 1.0, extent=sample.bbox_scale[0] * 1.0)]
        elif isinstance(step, RandomHalfBody):
            halves = [box for box in step.half_boxes(sample, 0) if step.prob > 0]
            crops = crops + [_Crops(center=center, extent=extent) for center, extent in halves]
        elif isinstance(step, RandomBBoxTransform):
            crops = [_widened(each, step) for each in crops]
        elif isinstance(step, ReducedLoading):
            step.load(sample)
        elif isinstance(step, _CERTAIN):
            step(sample)
        elif not isinstance(step, _KEEP_CROPS):
            raise ConfigError(
                f"{type(step).__name__} stands before TopdownAffine, and it is not known what "
                "parts of an image it makes use of; put it after, or train from the images"
            )
    return crops


def _widened(crops: _Crops, step: RandomBBoxTransform) -> _Crops:
    factor = max(step.scale_max, 1.0 if step.scale_prob < 1 else 0.0)
    return replace(
        crops,
        shift=crops.shift + abs(step.shift_factor) * (step.shift_prob > 0),
        scale=crops.scale * (factor if step.scale_prob > 0 else 1.0),
        rotation=crops.rotation + abs(step.rotate_factor) * (step.rotate_prob > 0),
    )


def _turned(half: npt.NDArray[np.float64], degrees: float) -> npt.NDArray[np.float64]:
    """Return half the extent of the upright box round a box that is turned by up to an angle."""
    limit = np.deg2rad(degrees)
    reach = np.empty(2)
    for axis, (along, across) in enumerate((half, half[::-1])):
        # along cos a + across sin a is largest where tan a = across / along.
        angle = min(limit, float(np.arctan2(across, along)))
        reach[axis] = along * np.cos(angle) + across * np.sin(angle)
    return reach
