"""`BottomupRandomChoiceResize`: a whole image to one of several sizes."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import torch
from torch.nn import functional as F

from raypose.errors import ConfigError, did_you_mean
from raypose.registry import TRANSFORMS
from raypose.structures import PoseSample
from raypose.transforms.mix_images import Image, current_image
from raypose.transforms.warping import move_annotations, record_transform

_BACKENDS = ("cv2", "pillow")


@TRANSFORMS.register_module()
class BottomupRandomChoiceResize:
    """Resize an image with its annotations to a size drawn from several.

    Args:
        scales: sizes (w, h) to draw from.
        keep_ratio: keep the aspect ratio: the longer side is at most the longer one of a size and
            the shorter side at most the shorter one, whichever is which.
        clip_object_border: clip boxes to the image, and make keypoints outside of it invisible.
        backend: `cv2`; or `pillow`, which averages where it makes an image smaller, as Pillow
            does.

    Raises:
        ConfigError: if there is no size or the backend is unknown.

    Example:
        type: BottomupRandomChoiceResize
        scales: [[480, 1333], [800, 1333]]
        keep_ratio: true
    """

    def __init__(
        self,
        scales: Sequence[Sequence[int]],
        keep_ratio: bool = False,
        clip_object_border: bool = True,
        backend: str = "cv2",
    ) -> None:
        problems = [
            f"scales.{i}: width and height in pixels expected, got {size}"
            for i, size in enumerate(scales)
            if len(size) != 2 or min(size) < 1
        ]
        if not scales:
            problems.append("scales needs a size")
        if backend not in _BACKENDS:
            problems.append(
                f"backend is one of {', '.join(_BACKENDS)}, got {backend!r}."
                + did_you_mean(str(backend), _BACKENDS)
            )
        if problems:
            raise ConfigError(problems)
        self.scales = [(int(size[0]), int(size[1])) for size in scales]
        self.keep_ratio = keep_ratio
        self.clip_object_border = clip_object_border
        self.backend = backend

    def __call__(self, sample: PoseSample) -> PoseSample:
        """Replace `image`, move the annotations, fill `transform`.

        Raises:
            DataError: if the image is not loaded.
        """
        image = current_image(sample)
        height, width = image.shape[:2]
        size = self._size(self.scales[int(sample.rng.integers(len(self.scales)))], width, height)
        matrix = np.diag([size[0] / width, size[1] / height, 1.0])[:2]
        sample.image = _resize(image, size, smooth=self.backend == "pillow")
        record_transform(
            sample, matrix, np.array([width, height]) / 2, (width, height), size, upright=True
        )
        move_annotations(sample, matrix, size, clip=self.clip_object_border)
        return sample

    def _size(self, scale: tuple[int, int], width: int, height: int) -> tuple[int, int]:
        if not self.keep_ratio:
            return scale
        ratio = min(max(scale) / max(width, height), min(scale) / min(width, height))
        return max(1, int(width * ratio + 0.5)), max(1, int(height * ratio + 0.5))


def _resize(image: Image, size: tuple[int, int], smooth: bool) -> Image:
    if not smooth:
        return cv2.resize(image, size)  # type: ignore[return-value]
    pixels = torch.from_numpy(np.ascontiguousarray(image)).permute(2, 0, 1)[None]
    resized = F.interpolate(pixels, size[::-1], mode="bilinear", antialias=True)
    return resized[0].permute(1, 2, 0).contiguous().numpy()
