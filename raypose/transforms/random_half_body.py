"""`RandomHalfBody`: crop to the upper or the lower half of a body."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from raypose.errors import DataError
from raypose.registry import TRANSFORMS
from raypose.structures import PoseSample


@TRANSFORMS.register_module()
class RandomHalfBody:
    """Replace a box by one round the visible keypoints of half the body, with some probability.

    Its center is the mean of these keypoints (as in Sun et al., "Deep High-Resolution
    Representation Learning for Human Pose Estimation", CVPR 2019).

    Args:
        min_total_keypoints: least number of visible keypoints of a body to be cut.
        min_upper_keypoints: least number of visible keypoints of an upper half.
        min_lower_keypoints: least number of visible keypoints of a lower half.
        padding: factor on the extent of the keypoints.
        prob: probability, where there are keypoints enough.
        upper_prioritized_prob: probability of the upper half where both can be had.

    Example:
        type: RandomHalfBody
        prob: 0.3
    """

    def __init__(
        self,
        min_total_keypoints: int = 9,
        min_upper_keypoints: int = 2,
        min_lower_keypoints: int = 3,
        padding: float = 1.5,
        prob: float = 0.3,
        upper_prioritized_prob: float = 0.7,
    ) -> None:
        self.min_total_keypoints = min_total_keypoints
        self.min_upper_keypoints = min_upper_keypoints
        self.min_lower_keypoints = min_lower_keypoints
        self.padding = padding
        self.prob = prob
        self.upper_prioritized_prob = upper_prioritized_prob

    def __call__(self, sample: PoseSample) -> PoseSample:
        """Replace `bbox_center` and `bbox_scale` of some instances.

        Raises:
            DataError: if there are no keypoints or centers, or the halves are not known.
        """
        keypoints, visible = sample.keypoints, sample.keypoints_visible
        upper, lower = sample.upper_body_ids, sample.lower_body_ids
        if keypoints is None or visible is None or upper is None or lower is None:
            raise DataError(
                f"sample {sample.id}: RandomHalfBody needs keypoints, their visibility, "
                "'upper_body_ids' and 'lower_body_ids'"
            )
        if sample.bbox_center is None or sample.bbox_scale is None:
            raise DataError(f"sample {sample.id}: GetBBoxCenterScale goes before RandomHalfBody")
        center, scale = sample.bbox_center.copy(), sample.bbox_scale.copy()
        for instance, shown in enumerate(visible):
            half = self._choose(sample.rng, shown, upper, lower)
            if not half:
                continue
            points = keypoints[instance, half, :2]
            extent = points.max(axis=0) - points.min(axis=0)
            if extent.any():
                center[instance] = points.mean(axis=0)
                scale[instance] = extent * self.padding
        sample.bbox_center, sample.bbox_scale = center, scale
        return sample

    def _choose(
        self,
        rng: np.random.Generator,
        visible: np.ndarray,
        upper: Sequence[int],
        lower: Sequence[int],
    ) -> list[int]:
        """Keypoints of the half to crop to; empty to leave the box as it is."""
        cut = rng.random() <= self.prob
        prefer_upper = rng.random() < self.upper_prioritized_prob
        if not cut or visible.sum() < self.min_total_keypoints:
            return []
        upper_shown = [i for i in upper if visible[i] > 0]
        lower_shown = [i for i in lower if visible[i] > 0]
        has_upper = len(upper_shown) >= self.min_upper_keypoints
        has_lower = len(lower_shown) >= self.min_lower_keypoints
        if has_upper and has_lower:
            return upper_shown if prefer_upper else lower_shown
        return upper_shown if has_upper else lower_shown if has_lower else []
