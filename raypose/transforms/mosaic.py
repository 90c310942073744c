"""`Mosaic`: four images round a point (YOLOv4, "Optimal Speed and Accuracy", 2020)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np

from raypose.errors import ConfigError
from raypose.registry import TRANSFORMS
from raypose.structures import PoseSample
from raypose.transforms.compose import Transforms
from raypose.transforms.instances import join_instances
from raypose.transforms.mix_images import MixImages, current_image, fit, paste
from raypose.transforms.warping import move_annotations


@TRANSFORMS.register_module()
class Mosaic(MixImages):
    """Put an image and three more of the epoch on a canvas of twice `img_scale`.

    The image is to the top left of a random point, the others are round it; each is resized to
    fit into `img_scale`. The canvas then is what image space was before. Outlines of people
    without annotations (`invalid_segs`) do not go with it.

    Args:
        img_scale: (w, h) that each image fits into.
        center_range: smallest and largest coordinates of the point, as shares of `img_scale`.
        pad_val: grey value of the rest of the canvas.
        pre_transform: transforms of the other images, beginning with `LoadImage`.
        prob: probability of mixing.

    Raises:
        ConfigError: for sizes that are none.

    Example:
        type: Mosaic
        img_scale: [640, 640]
        pre_transform: [{type: LoadImage}]
    """

    num_others: ClassVar[int] = 3

    def __init__(
        self,
        img_scale: tuple[int, int] = (640, 640),
        center_range: tuple[float, float] = (0.5, 1.5),
        pad_val: float = 114.0,
        *,
        pre_transform: Transforms,
        prob: float = 1.0,
    ) -> None:
        super().__init__(pre_transform, prob)
        low, high = center_range
        problems = []
        if len(img_scale) != 2 or min(img_scale) < 1:
            problems.append(f"img_scale is width and height in pixels, got {img_scale}")
        if not 0 <= low <= high <= 2:
            problems.append(f"center_range is within 0 and 2, got {center_range}")
        if problems:
            raise ConfigError(problems)
        self.img_scale = (int(img_scale[0]), int(img_scale[1]))
        self.center_range = (low, high)
        self.pad_val = pad_val

    def mix(self, sample: PoseSample, others: Sequence[PoseSample]) -> PoseSample:
        """Replace the image and add the instances of the others.

        Raises:
            DataError: if an image is not loaded.
        """
        size = (2 * self.img_scale[0], 2 * self.img_scale[1])
        canvas = np.full((size[1], size[0], 3), self.pad_val, np.uint8)
        center = sample.rng.uniform(*self.center_range, 2) * self.img_scale
        parts = (sample, *others)
        for quarter, part in enumerate(parts):
            image, ratio = fit(current_image(part), self.img_scale)
            height, width = image.shape[:2]
            x = int(center[0]) - (0 if quarter % 2 else width)
            y = int(center[1]) - (0 if quarter // 2 else height)
            paste(canvas, image, x, y)
            move_annotations(part, np.array([[ratio, 0, x], [0, ratio, y]]), size, clip=True)
        join_instances(parts)
        sample.image = canvas
        sample.img_shape = (size[1], size[0])
        sample.transform = sample.transformed_keypoints = sample.pending = None
        sample.meta.pop("invalid_segs", None)
        return sample
