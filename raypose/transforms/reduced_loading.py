"""`ReducedLoading`: decode a JPEG no larger than its crop needs it.

A JPEG decoder can leave out what a half, a quarter or an eighth of the size does not show, in a
fraction of the time. That needs the box, so the image is loaded where it is cut.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from raypose.errors import ConfigError
from raypose.structures import PoseSample
from raypose.transforms.bbox_center_scale import GetBBoxCenterScale
from raypose.transforms.filter_annotations import FilterAnnotations
from raypose.transforms.hand_random_flip import HandRandomFlip
from raypose.transforms.keypoint_converter import KeypointConverter
from raypose.transforms.load_image import LoadImage
from raypose.transforms.random_bbox_transform import RandomBBoxTransform
from raypose.transforms.random_flip import RandomFlip
from raypose.transforms.random_half_body import RandomHalfBody
from raypose.transforms.single_hand_converter import SingleHandConverter
from raypose.transforms.topdown_affine import TopdownAffine

REDUCTIONS = (8, 4, 2)
# They look at annotations alone.
_WITHOUT_PIXELS = (
    GetBBoxCenterScale, RandomFlip, HandRandomFlip, RandomHalfBody, RandomBBoxTransform,
    FilterAnnotations, KeypointConverter, SingleHandConverter,
)  # fmt: skip


class ReducedLoading:
    """`LoadImage` right before `TopdownAffine`, at the least size that has all that the crop shows.

    Args:
        load: how images are read.
        affine: what cuts the crop.

    Attributes:
        load: how images are read.
    """

    def __init__(self, load: LoadImage, affine: TopdownAffine) -> None:
        self.load = load
        self._affine = affine

    def __call__(self, sample: PoseSample) -> PoseSample | None:
        """Fill `image` and say in `pixels` what of the image its pixels are."""
        if sample.img_shape is None or sample.bbox_scale is None:
            return self.load(sample)
        # How many pixels of the image fall on one of the input, where they are the fewest.
        dense = float((sample.bbox_scale[0] / self._affine.input_size).max())
        reduction = next((n for n in REDUCTIONS if n <= dense), 1)
        return self.load.reduced(sample, reduction)


def with_reduced_loading(transforms: Sequence[Callable[..., Any]]) -> list[Callable[..., Any]]:
    """Return a pipeline of crops in which images are decoded no larger than they are needed.

    Args:
        transforms: with `LoadImage` and, some time after it, `TopdownAffine`.

    Raises:
        ConfigError: if there are no such two, or something between them needs pixels.
    """
    kinds = [type(step) for step in transforms]
    if LoadImage not in kinds or TopdownAffine not in kinds[kinds.index(LoadImage) :]:
        raise ConfigError(
            "data.reduced_decode is for pipelines with LoadImage and TopdownAffine, one person a "
            f"sample; this one has {', '.join(kind.__name__ for kind in kinds)}"
        )
    first, last = kinds.index(LoadImage), kinds.index(TopdownAffine)
    between = transforms[first + 1 : last]
    for step in between:
        if not isinstance(step, _WITHOUT_PIXELS):
            raise ConfigError(
                f"data.reduced_decode: {type(step).__name__} stands between LoadImage and "
                "TopdownAffine and may look at pixels; put it after TopdownAffine"
            )
    load, affine = transforms[first], transforms[last]
    assert isinstance(load, LoadImage)
    assert isinstance(affine, TopdownAffine)
    reduced = ReducedLoading(load, affine)
    return [*transforms[:first], *between, reduced, *transforms[last:]]
