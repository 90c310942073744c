"""`Albumentation`: the pixel augmentations that MMPose's configs take from albumentations.

Written here, so that nothing has to be installed: `Blur`, `MedianBlur`, `CoarseDropout`,
`GridDropout`, with the names, arguments and defaults of albumentations 1.3.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import cv2
import numpy as np
import numpy.typing as npt

from raypose.errors import ConfigError, DataError, did_you_mean
from raypose.registry import TRANSFORMS, argument_problems
from raypose.structures import PoseSample

Image = npt.NDArray[np.uint8]
Fill = float | Sequence[float]


class _PixelTransform(Protocol):
    """Something that happens to the pixels of an image with the probability `p`."""

    p: float

    def apply(self, image: Image, rng: np.random.Generator) -> Image:
        """Return the changed image, a new array."""
        ...


@TRANSFORMS.register_module()
class Albumentation:
    """Call pixel augmentations one after the other, each with its probability.

    Args:
        transforms: mappings with `type` (`Blur`, `MedianBlur`, `CoarseDropout` or `GridDropout`),
            a probability `p` (0.5) and the arguments of that class.

    Raises:
        ConfigError: for another type or arguments that do not fit.

    Example:
        type: Albumentation
        transforms:
          - {type: Blur, p: 0.1}
          - {type: MedianBlur, p: 0.1}
          - {type: CoarseDropout, max_holes: 1, max_height: 0.4, max_width: 0.4, p: 0.5}
    """

    def __init__(self, transforms: Sequence[Mapping[str, Any]]) -> None:
        problems: list[str] = []
        self.transforms: list[_PixelTransform] = []
        for i, step in enumerate(transforms):
            arguments = dict(step)
            name = arguments.pop("type", None)
            entry = _PIXEL_TRANSFORMS.get(str(name))
            if entry is None:
                problems.append(
                    f"transforms.{i}: '{name}' is not one of {', '.join(_PIXEL_TRANSFORMS)}."
                    + did_you_mean(str(name), _PIXEL_TRANSFORMS)
                    + " Others of albumentations go into a transform of your own."
                )
                continue
            wrong = argument_problems(entry, arguments)
            problems += [f"transforms.{i}: {message}" for _, message in wrong]
            if not wrong:
                self.transforms.append(entry(**arguments))
        if problems:
            raise ConfigError(problems)

    def __call__(self, sample: PoseSample) -> PoseSample:
        """Change the pixels of `image`.

        Raises:
            DataError: if the image is not loaded.
        """
        image = sample.image
        if image is None or image.ndim != 3:
            raise DataError(f"sample {sample.id}: its image is not loaded; LoadImage comes first")
        for transform in self.transforms:
            if sample.rng.random() < transform.p:
                image = transform.apply(image, sample.rng)
        sample.image = image
        return sample


class Blur:
    """Mean over a square of random odd size from 3 to `blur_limit` (or of a range)."""

    def __init__(self, blur_limit: int | Sequence[int] = 7, p: float = 0.5) -> None:
        self.sizes = _odd_sizes(blur_limit)
        self.p = p

    def apply(self, image: Image, rng: np.random.Generator) -> Image:
        """Return the blurred image."""
        size = int(rng.choice(self.sizes))
        return cv2.blur(image, (size, size))  # type: ignore[return-value]


class MedianBlur:
    """Median over a square of random odd size from 3 to `blur_limit` (or of a range)."""

    def __init__(self, blur_limit: int | Sequence[int] = 7, p: float = 0.5) -> None:
        self.sizes = _odd_sizes(blur_limit)
        self.p = p

    def apply(self, image: Image, rng: np.random.Generator) -> Image:
        """Return the blurred image."""
        return cv2.medianBlur(image, int(rng.choice(self.sizes)))  # type: ignore[return-value]


class CoarseDropout:
    """Fill some rectangles (DeVries and Taylor, "Improved Regularization ... with Cutout").

    Heights and widths are pixels as integers and shares of the image as fractions.
    """

    def __init__(
        self,
        max_holes: int = 8,
        max_height: float = 8,
        max_width: float = 8,
        min_holes: int | None = None,
        min_height: float | None = None,
        min_width: float | None = None,
        fill_value: Fill = 0,
        p: float = 0.5,
    ) -> None:
        self.holes = (max_holes if min_holes is None else min_holes, max_holes)
        self.heights = (max_height if min_height is None else min_height, max_height)
        self.widths = (max_width if min_width is None else min_width, max_width)
        self.fill_value = fill_value
        self.p = p
        ranges = {"holes": self.holes, "height": self.heights, "width": self.widths}
        problems = []
        for name, (low, high) in ranges.items():
            if not 0 < low <= high:
                problems.append(f"0 < min_{name} <= max_{name} expected, got {low} and {high}")
            elif isinstance(low, float) != isinstance(high, float) or (
                isinstance(high, float) and high > 1
            ):
                problems.append(
                    f"min_{name} and max_{name} are both pixels (integers) or both shares of the "
                    f"image (fractions up to 1), got {low} and {high}"
                )
        if problems:
            raise ConfigError(problems)

    def apply(self, image: Image, rng: np.random.Generator) -> Image:
        """Return the image with holes."""
        image = image.copy()
        H, W = image.shape[:2]
        for _ in range(rng.integers(self.holes[0], self.holes[1] + 1)):
            height, width = _side(rng, self.heights, H), _side(rng, self.widths, W)
            top, left = rng.integers(H - height + 1), rng.integers(W - width + 1)
            image[top : top + height, left : left + width] = self.fill_value
        return image


class GridDropout:
    """Fill rectangles in a grid (Chen et al., "GridMask Data Augmentation").

    The unit of the grid is a random square if `unit_size_min` and `unit_size_max` are given; else
    the image is cut into `holes_number_x` by `holes_number_y` units, by default a tenth of its
    width. `ratio` is the share of a unit's sides that is filled.
    """

    def __init__(
        self,
        ratio: float = 0.5,
        unit_size_min: int | None = None,
        unit_size_max: int | None = None,
        holes_number_x: int | None = None,
        holes_number_y: int | None = None,
        shift_x: int = 0,
        shift_y: int = 0,
        random_offset: bool = False,
        fill_value: Fill = 0,
        p: float = 0.5,
    ) -> None:
        problems = []
        if not 0 < ratio <= 1:
            problems.append(f"ratio is above 0 and at most 1, got {ratio}")
        if (unit_size_min is None) != (unit_size_max is None):
            problems.append("unit_size_min and unit_size_max come together")
        elif unit_size_min is not None and not 2 <= unit_size_min <= (unit_size_max or 0):
            problems.append(
                f"2 <= unit_size_min <= unit_size_max expected, got {unit_size_min} and "
                f"{unit_size_max}"
            )
        if problems:
            raise ConfigError(problems)
        self.ratio = ratio
        self.unit_sizes = None if unit_size_max is None else (unit_size_min, unit_size_max)
        self.holes_number_x = holes_number_x
        self.holes_number_y = holes_number_y
        self.shifts = (shift_x, shift_y)
        self.random_offset = random_offset
        self.fill_value = fill_value
        self.p = p

    def apply(self, image: Image, rng: np.random.Generator) -> Image:
        """Return the image with holes."""
        H, W = image.shape[:2]
        units = self._units(rng, W, H)
        dropped = []
        for unit, side, shift in zip(units, (W, H), self.shifts, strict=True):
            hole = min(max(int(unit * self.ratio), 1), unit - 1)
            if self.random_offset:
                start = int(rng.integers(unit - hole + 1))
            else:
                start = min(max(0, shift), unit - hole)
            place = np.arange(side) - start
            dropped.append((place >= 0) & (place % unit < hole))
        image = image.copy()
        image[np.ix_(dropped[1], dropped[0])] = self.fill_value
        return image

    def _units(self, rng: np.random.Generator, W: int, H: int) -> tuple[int, int]:
        """Width and height of a unit of the grid."""
        if self.unit_sizes is not None:
            low, high = (min(size or 2, W, H) for size in self.unit_sizes)
            unit = int(rng.integers(low, high + 1))
            return unit, unit
        width = max(2, W // (self.holes_number_x or 10))
        if self.holes_number_y is not None:
            return width, max(2, H // self.holes_number_y)
        return width, max(2, min(width, H))


_PIXEL_TRANSFORMS: dict[str, Any] = {
    entry.__name__: entry for entry in (Blur, MedianBlur, CoarseDropout, GridDropout)
}


def _odd_sizes(blur_limit: int | Sequence[int]) -> list[int]:
    low, high = (3, blur_limit) if isinstance(blur_limit, int) else blur_limit
    if low < 3 or low % 2 == 0 or high < low:
        raise ConfigError(
            f"blur_limit is a size of at least 3 or an odd smallest and a largest size, "
            f"got {blur_limit}"
        )
    return list(range(low, high + 1, 2))


def _side(rng: np.random.Generator, limits: tuple[float, float], side: int) -> int:
    """Draw the side of a hole in an image side of so many pixels."""
    low, high = limits
    if isinstance(high, float):
        return int(side * rng.uniform(low, high))
    return min(int(rng.integers(int(low), int(high) + 1)), side)
