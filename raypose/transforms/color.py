"""Colour augmentation: `PhotometricDistortion` and `YOLOXHSVRandomAug`.

Every change of a channel that depends on its value alone is a table of 256 entries, so an image is
passed over once for all of them instead of once for each in floating point.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

from raypose.errors import DataError
from raypose.registry import TRANSFORMS
from raypose.structures import PoseSample

Image = npt.NDArray[np.uint8]
_LEVELS = np.arange(256)
_HUES = 180  # OpenCV's H of 8-bit images


@TRANSFORMS.register_module()
class PhotometricDistortion:
    """Change brightness, contrast, saturation, hue and the order of channels.

    Each happens with probability 0.5. Contrast comes before or after saturation and hue, with
    equal probability.

    Args:
        brightness_delta: largest change of brightness, in levels of 0..255.
        contrast_range: smallest and largest factor of contrast.
        saturation_range: smallest and largest factor of saturation.
        hue_delta: largest change of hue, in OpenCV's 0..179.

    Example:
        type: PhotometricDistortion
    """

    def __init__(
        self,
        brightness_delta: int = 32,
        contrast_range: Sequence[float] = (0.5, 1.5),
        saturation_range: Sequence[float] = (0.5, 1.5),
        hue_delta: int = 18,
    ) -> None:
        self.brightness_delta = brightness_delta
        self.contrast_lower, self.contrast_upper = contrast_range
        self.saturation_lower, self.saturation_upper = saturation_range
        self.hue_delta = hue_delta

    def __call__(self, sample: PoseSample) -> PoseSample:
        """Change the colours of `image`.

        Raises:
            DataError: if the image is not loaded.
        """
        rng = sample.rng
        brighten, contrast, contrast_last, swap = rng.integers(2, size=4).astype(bool)
        # Neither, saturation, hue, or both.
        colors = int(rng.integers(4))
        beta = rng.uniform(-self.brightness_delta, self.brightness_delta)
        alpha = rng.uniform(self.contrast_lower, self.contrast_upper)
        gain = rng.uniform(self.saturation_lower, self.saturation_upper)
        turn = int(rng.integers(-self.hue_delta, self.hue_delta)) if self.hue_delta else 0
        order = rng.permutation(3)

        image = _pixels(sample)
        levels = _LEVELS.astype(np.uint8)
        if brighten:
            levels = _to_levels(levels + beta)
        if contrast and not contrast_last:
            levels = _to_levels(levels * alpha)
        if brighten or contrast:
            image = _look_up(image, levels)
        if colors:
            hue = (_LEVELS + (turn if colors in (2, 3) else 0)) % _HUES
            saturation = _to_levels(_LEVELS * (gain if colors in (1, 3) else 1.0))
            image = _map_hsv(image, hue, saturation, _LEVELS)
        if contrast and contrast_last:
            image = _look_up(image, _to_levels(_LEVELS * alpha))
        if swap:
            image = np.ascontiguousarray(image[..., order])
        sample.image = image
        return sample


@TRANSFORMS.register_module()
class YOLOXHSVRandomAug:
    """Add a random amount to hue, saturation and value, each with probability 0.5.

    From YOLOX (Ge et al., "YOLOX: Exceeding YOLO Series in 2021").

    Args:
        hue_delta: largest change of hue, in OpenCV's 0..179.
        saturation_delta: largest change of saturation.
        value_delta: largest change of value.

    Example:
        type: YOLOXHSVRandomAug
    """

    def __init__(
        self, hue_delta: int = 5, saturation_delta: int = 30, value_delta: int = 30
    ) -> None:
        self.deltas = np.array([hue_delta, saturation_delta, value_delta])

    def __call__(self, sample: PoseSample) -> PoseSample:
        """Change the colours of `image`.

        Raises:
            DataError: if the image is not loaded.
        """
        rng = sample.rng
        amounts = rng.uniform(-1, 1, 3) * self.deltas * rng.integers(2, size=3)
        hue, saturation, value = amounts.astype(int).tolist()
        image = _pixels(sample)
        if hue or saturation or value:
            sample.image = _shift_hsv(image, hue, saturation, value)
        return sample


def _pixels(sample: PoseSample) -> Image:
    if sample.image is None or sample.image.ndim != 3:
        raise DataError(f"sample {sample.id}: its image is not loaded; LoadImage comes first")
    return sample.image


def _to_levels(values: np.ndarray) -> Image:
    return np.clip(values, 0, 255).astype(np.uint8)


def _look_up(image: Image, table: Image) -> Image:
    return cv2.LUT(image, table)  # type: ignore[return-value]


def _map_hsv(image: Image, hue: np.ndarray, saturation: np.ndarray, value: np.ndarray) -> Image:
    """Look the channels up in three tables of 256 entries."""
    table = np.stack([_to_levels(channel) for channel in (hue, saturation, value)], axis=-1)
    hsv = cv2.cvtColor(image, cv2.COLOR_BGR2HSV)
    return cv2.cvtColor(cv2.LUT(hsv, table[None]), cv2.COLOR_HSV2BGR)  # type: ignore[return-value]


def _shift_hsv(image: Image, hue: int, saturation: int, value: int) -> Image:
    """Add to the channels; three times as fast as their tables."""
    hsv = cv2.cvtColor(image, cv2.COLOR_BGR2HSV)
    if hue:
        turned = cv2.LUT(cv2.extractChannel(hsv, 0), _to_levels((_LEVELS + hue) % _HUES))
        cv2.insertChannel(turned, hsv, 0)
    # OpenCV adds what is not negative in 8 bits, cut off at both ends.
    for change, sign in ((cv2.add, 1), (cv2.subtract, -1)):
        amounts = (0, max(sign * saturation, 0), max(sign * value, 0), 0)
        if any(amounts):
            change(hsv, amounts, dst=hsv)  # type: ignore[call-overload]
    return cv2.cvtColor(hsv, cv2.COLOR_HSV2BGR)  # type: ignore[return-value]
