"""`YOLOXMixUp`: two images on top of each other (YOLOX, "Exceeding YOLO Series in 2021")."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import cv2
import numpy as np

from raypose.errors import ConfigError
from raypose.registry import TRANSFORMS
from raypose.structures import PoseSample
from raypose.transforms.compose import Transforms
from raypose.transforms.instances import join_instances
from raypose.transforms.mix_images import Image, MixImages, current_image, fit, paste
from raypose.transforms.random_flip import RandomFlip
from raypose.transforms.warping import move_annotations


@TRANSFORMS.register_module()
class YOLOXMixUp(MixImages):
    """Blend half of another image of the epoch into an image that is the network's input.

    The other one is put to the top left of a canvas, scaled, perhaps mirrored, and cut at random
    to the size of the image. One without instances is not mixed in.

    Args:
        img_scale: (w, h) of the canvas, which the other image fits into.
        ratio_range: smallest and largest scale of the canvas.
        flip_ratio: probability of mirroring it.
        pad_val: grey value where there is no image.
        pre_transform: transforms of the other image, beginning with `LoadImage`.
        prob: probability of mixing.

    Raises:
        ConfigError: for sizes that are none.

    Example:
        type: YOLOXMixUp
        img_scale: [640, 640]
        ratio_range: [0.8, 1.6]
        pre_transform: [{type: LoadImage}]
    """

    num_others: ClassVar[int] = 1

    def __init__(
        self,
        img_scale: tuple[int, int] = (640, 640),
        ratio_range: tuple[float, float] = (0.5, 1.5),
        flip_ratio: float = 0.5,
        pad_val: float = 114.0,
        *,
        pre_transform: Transforms,
        prob: float = 1.0,
    ) -> None:
        super().__init__(pre_transform, prob)
        low, high = ratio_range
        problems = []
        if len(img_scale) != 2 or min(img_scale) < 1:
            problems.append(f"img_scale is width and height in pixels, got {img_scale}")
        if not 0 < low <= high:
            problems.append(f"ratio_range is a smaller and a larger scale, got {ratio_range}")
        if problems:
            raise ConfigError(problems)
        self.img_scale = (int(img_scale[0]), int(img_scale[1]))
        self.ratio_range = (low, high)
        self.pad_val = pad_val
        self.flip = RandomFlip(flip_ratio)

    def mix(self, sample: PoseSample, others: Sequence[PoseSample]) -> PoseSample:
        """Blend the images and add the instances of the other one.

        Raises:
            DataError: if an image is not loaded.
        """
        other = others[0]
        if other.keypoints is None or not len(other.keypoints):
            return sample
        image = current_image(sample)
        height, width = image.shape[:2]
        self._scale(other, sample.rng.uniform(*self.ratio_range))
        self.flip(other)
        layer = current_image(other)
        reach = np.maximum(np.subtract(layer.shape[:2], (height, width)), 0)
        y, x = (int(shift) for shift in sample.rng.integers(reach + 1))
        canvas = self._canvas((width, height))
        paste(canvas, layer, -x, -y)
        move_annotations(
            other,
            np.array([[1.0, 0, -x], [0, 1.0, -y]]),
            (width, height),
            keep_corners=sample.bboxes is not None and sample.bboxes.ndim == 3,
            clip=True,
        )
        if sample.transformed_keypoints is None:
            other.transformed_keypoints = None
        join_instances((sample, other))
        sample.image = cv2.addWeighted(image, 0.5, canvas, 0.5, 0)  # type: ignore[assignment]
        sample.pending = None
        return sample

    def _scale(self, other: PoseSample, factor: float) -> None:
        """Put the image on its canvas and scale both; they then are all that there is of it."""
        image, ratio = fit(current_image(other), self.img_scale)
        canvas = self._canvas(self.img_scale)
        paste(canvas, image, 0, 0)
        width, height = (max(1, int(side * factor)) for side in self.img_scale)
        other.image = cv2.resize(canvas, (width, height))  # type: ignore[assignment]
        other.img_shape = (height, width)
        other.transform = other.pending = None
        ratio *= factor
        move_annotations(
            other, np.array([[ratio, 0, 0], [0, ratio, 0]]), (width, height), clip=True
        )

    def _canvas(self, size: tuple[int, int]) -> Image:
        return np.full((size[1], size[0], 3), self.pad_val, np.uint8)
