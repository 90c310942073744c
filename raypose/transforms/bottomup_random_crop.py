"""`BottomupRandomCrop`: a random part of a whole image."""

from __future__ import annotations

import numpy as np

from raypose.errors import ConfigError, did_you_mean
from raypose.registry import TRANSFORMS
from raypose.structures import PoseSample
from raypose.transforms.instances import keep_instances
from raypose.transforms.mix_images import current_image
from raypose.transforms.warping import move_annotations, record_transform

_CROP_TYPES = ("relative_range", "relative", "absolute", "absolute_range")


@TRANSFORMS.register_module()
class BottomupRandomCrop:
    """Cut a random part out of an image; instances whose box is outside are left out.

    Boxes are clipped to the part, keypoints outside of it are not visible.

    Args:
        crop_size: what `crop_type` says.
        crop_type: `absolute`, (w, h) in pixels; `absolute_range`, each side is drawn from between
            the two numbers; `relative`, (w, h) as shares of the image; or `relative_range`, shares
            of height and width are drawn from between these numbers and 1. No part is larger than
            the image.
        allow_negative_crop: a part without instances goes on; otherwise the sample is dropped.

    Raises:
        ConfigError: if the size does not fit the type.

    Example:
        type: BottomupRandomCrop
        crop_type: absolute_range
        crop_size: [384, 600]
        allow_negative_crop: true
    """

    def __init__(
        self,
        crop_size: tuple[float, float],
        crop_type: str = "absolute",
        allow_negative_crop: bool = False,
    ) -> None:
        problems = []
        if crop_type not in _CROP_TYPES:
            problems.append(
                f"crop_type is one of {', '.join(_CROP_TYPES)}, got {crop_type!r}."
                + did_you_mean(str(crop_type), _CROP_TYPES)
            )
        elif len(crop_size) != 2 or min(crop_size) <= 0:
            problems.append(f"crop_size is two numbers above 0, got {crop_size}")
        elif crop_type.startswith("relative") and max(crop_size) > 1:
            problems.append(f"crop_size of '{crop_type}' is at most 1, got {crop_size}")
        elif crop_type == "absolute_range" and crop_size[0] > crop_size[1]:
            problems.append(f"crop_size is the least and the largest side, got {crop_size}")
        if problems:
            raise ConfigError(problems)
        self.crop_size = crop_size
        self.crop_type = crop_type
        self.allow_negative_crop = allow_negative_crop

    def __call__(self, sample: PoseSample) -> PoseSample | None:
        """Replace `image`, move the annotations, fill `transform`; None drops the sample.

        Raises:
            DataError: if the image is not loaded.
        """
        image = current_image(sample)
        height, width = image.shape[:2]
        w, h = self._size(sample.rng, width, height)
        x, y = (int(offset) for offset in sample.rng.integers((width - w + 1, height - h + 1)))
        sample.image = image[y : y + h, x : x + w]
        matrix = np.array([[1.0, 0, -x], [0, 1.0, -y]])
        record_transform(sample, matrix, (x + w / 2, y + h / 2), (w, h), (w, h), upright=True)
        move_annotations(sample, matrix, (w, h), clip=True)
        if sample.bboxes is not None:
            x1, y1, x2, y2 = sample.bboxes.T
            inside = (x1 < w) & (y1 < h) & (x2 > 0) & (y2 > 0)
            if not inside.any() and not self.allow_negative_crop:
                return None
            keep_instances(sample, inside)
        return sample

    def _size(self, rng: np.random.Generator, width: int, height: int) -> tuple[int, int]:
        """(w, h) of the part in pixels."""
        first, second = self.crop_size
        if self.crop_type == "absolute":
            return min(int(first), width), min(int(second), height)
        if self.crop_type == "absolute_range":
            w, h = (
                int(rng.integers(min(side, int(first)), min(side, int(second)) + 1))
                for side in (width, height)
            )
            return w, h
        if self.crop_type == "relative_range":
            second, first = np.add(self.crop_size, rng.random(2) * np.subtract(1, self.crop_size))
        return max(1, int(width * first + 0.5)), max(1, int(height * second + 0.5))
