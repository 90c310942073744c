"""`RandomBBoxTransform`: shift, scale and rotate the boxes that crops are made from."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from raypose.errors import DataError
from raypose.registry import TRANSFORMS
from raypose.structures import PoseSample
from raypose.transforms.truncated_normal import truncated_normal


@TRANSFORMS.register_module()
class RandomBBoxTransform:
    """Move boxes by normally distributed amounts, cut off at one standard deviation.

    Args:
        shift_factor: largest shift, as a share of the scale.
        shift_prob: probability of a shift.
        scale_factor: smallest and largest factor on the scale.
        scale_prob: probability of scaling.
        rotate_factor: largest rotation, degrees.
        rotate_prob: probability of a rotation.

    Example:
        type: RandomBBoxTransform
        scale_factor: [0.6, 1.4]
        rotate_factor: 80
    """

    def __init__(
        self,
        shift_factor: float = 0.16,
        shift_prob: float = 0.3,
        scale_factor: Sequence[float] = (0.5, 1.5),
        scale_prob: float = 1.0,
        rotate_factor: float = 80.0,
        rotate_prob: float = 0.6,
    ) -> None:
        self.shift_factor = shift_factor
        self.shift_prob = shift_prob
        self.scale_min, self.scale_max = scale_factor
        self.scale_prob = scale_prob
        self.rotate_factor = rotate_factor
        self.rotate_prob = rotate_prob

    def __call__(self, sample: PoseSample) -> PoseSample:
        """Change `bbox_center` and `bbox_scale` and set `bbox_rotation`.

        Raises:
            DataError: if there are no centers and scales yet.
        """
        center, extent = sample.bbox_center, sample.bbox_scale
        if center is None or extent is None:
            raise DataError(
                f"sample {sample.id}: GetBBoxCenterScale goes before RandomBBoxTransform"
            )
        rng, count = sample.rng, len(center)
        amount = truncated_normal(rng, count, 4)
        happens = rng.random((count, 3)) < (self.shift_prob, self.scale_prob, self.rotate_prob)
        shift = np.where(happens[:, :1], amount[:, :2] * self.shift_factor, 0)
        middle, spread = (
            (self.scale_max + self.scale_min) / 2,
            (self.scale_max - self.scale_min) / 2,
        )
        scale = np.where(happens[:, 1:2], amount[:, 2:3] * spread + middle, 1)
        rotation = np.where(happens[:, 2], amount[:, 3] * self.rotate_factor, 0)
        sample.bbox_center = (center + shift * extent).astype(np.float32)
        sample.bbox_scale = (extent * scale).astype(np.float32)
        sample.bbox_rotation = rotation.astype(np.float32)
        return sample
