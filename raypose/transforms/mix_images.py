"""`MixImages`: what transforms that put several images together have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar

import cv2
import numpy as np
import numpy.typing as npt

from raypose.errors import ConfigError, DataError
from raypose.ops.warps import warp_image
from raypose.structures import PoseSample
from raypose.transforms.compose import Transforms, build_transforms, call_in_turn

Image = npt.NDArray[np.uint8]
# Samples that `pre_transform` may drop one after the other.
_TRIES = 20


class MixImages(ABC):
    """Parent of transforms that need further samples of the epoch.

    A subclass says how many in `num_others` and puts them together in `mix`. Which ones follows
    from the random numbers of the sample, and each has random numbers of its own.

    Args:
        pre_transform: transforms of the further samples, beginning with `LoadImage`.
        prob: probability of mixing; otherwise the sample stays as it is.

    Raises:
        ConfigError: for a `prob` that is none.
    """

    num_others: ClassVar[int]

    def __init__(self, pre_transform: Transforms, prob: float = 1.0) -> None:
        if not 0 <= prob <= 1:
            raise ConfigError(f"prob is from 0 to 1, got {prob}")
        self.pre_transform = build_transforms(pre_transform)
        self.prob = prob

    @abstractmethod
    def mix(self, sample: PoseSample, others: Sequence[PoseSample]) -> PoseSample:
        """Put others into the sample and return it."""

    def __call__(self, sample: PoseSample) -> PoseSample:
        """Draw the further samples and mix them in.

        Raises:
            DataError: outside of training, where there are no other samples, or if
                `pre_transform` drops one sample after the other.
        """
        if sample.rng.random() >= self.prob:
            return sample
        return self.mix(sample, [self._draw(sample) for _ in range(self.num_others)])

    def _draw(self, sample: PoseSample) -> PoseSample:
        """Return another sample, or by chance the same one again, after `pre_transform`."""
        name = type(self).__name__
        if sample.others is None:
            raise DataError(
                f"sample {sample.id}: {name} mixes samples of an epoch of training; it does not "
                "belong into data.val"
            )
        for _ in range(_TRIES):
            drawn = sample.others[int(sample.rng.integers(len(sample.others)))]
            drawn.others = sample.others
            drawn.rng = sample.rng.spawn(1)[0]
            other = call_in_turn(self.pre_transform, drawn)
            if other is not None:
                return other
        raise DataError(
            f"sample {sample.id}: pre_transform of {name} dropped {_TRIES} samples one after the "
            "other; look at its thresholds and at the annotations"
        )


def current_image(sample: PoseSample) -> Image:
    """Return the image in the space that the annotations are in, pending flips done.

    The sample stays as it is.

    Raises:
        DataError: if the image is not loaded, or is a top-down crop.
    """
    if sample.image is None or sample.image.ndim != 3:
        raise DataError(f"sample {sample.id}: its image is not loaded; LoadImage comes first")
    if sample.bbox_center is not None:
        raise DataError(f"sample {sample.id}: images are mixed as a whole, not crops of instances")
    if sample.pending is None:
        return sample.image
    height, width = sample.image.shape[:2]
    return warp_image(sample.image, sample.pending[:2], (width, height))


def fit(image: Image, size: tuple[int, int]) -> tuple[Image, float]:
    """Resize an image to the largest that fits into `size` (w, h), and say by how much."""
    height, width = image.shape[:2]
    ratio = min(size[0] / width, size[1] / height)
    resized = cv2.resize(image, (max(1, int(width * ratio)), max(1, int(height * ratio))))
    return resized, ratio  # type: ignore[return-value]


def paste(canvas: Image, image: Image, x: int, y: int) -> None:
    """Write an image into a canvas, its top left at (x, y); what lies outside is cut off."""
    left, top = max(x, 0), max(y, 0)
    right = min(x + image.shape[1], canvas.shape[1])
    bottom = min(y + image.shape[0], canvas.shape[0])
    if left < right and top < bottom:
        canvas[top:bottom, left:right] = image[top - y : bottom - y, left - x : right - x]
