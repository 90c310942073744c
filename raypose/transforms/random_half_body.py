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
        if sample.keypoints_visible is None:
            raise _lacking(sample)
        if sample.bbox_center is None or sample.bbox_scale is None:
            raise DataError(f"sample {sample.id}: GetBBoxCenterScale goes before RandomHalfBody")
        center, scale = sample.bbox_center.copy(), sample.bbox_scale.copy()
        for instance in range(len(sample.keypoints_visible)):
            cut = sample.rng.random() <= self.prob
            prefer_upper = sample.rng.random() < self.upper_prioritized_prob
            halves = self._halves(sample, instance)
            if cut and halves:
                half = halves[0 if prefer_upper else -1]
                box = self._box(sample, instance, half)
                if box is not None:
                    center[instance], scale[instance] = box
        sample.bbox_center, sample.bbox_scale = center, scale
        return sample

    def half_boxes(self, sample: PoseSample, instance: int) -> list[tuple[np.ndarray, np.ndarray]]:
        """Return center and scale of each half that an instance may be cropped to.

        Raises:
            DataError: if there are no keypoints, or the halves are not known.
        """
        boxes = [self._box(sample, instance, half) for half in self._halves(sample, instance)]
        return [box for box in boxes if box is not None]

    def _halves(self, sample: PoseSample, instance: int) -> list[list[int]]:
        """Keypoints of each half that can be had, the upper one first."""
        if (
            sample.keypoints_visible is None
            or sample.upper_body_ids is None
            or sample.lower_body_ids is None
        ):
            raise _lacking(sample)
        visible = sample.keypoints_visible[instance]
        if visible.sum() < self.min_total_keypoints:
            return []
        sides = (
            (sample.upper_body_ids, self.min_upper_keypoints),
            (sample.lower_body_ids, self.min_lower_keypoints),
        )
        shown = [([i for i in ids if visible[i] > 0], least) for ids, least in sides]
        return [half for half, least in shown if len(half) >= least]

    def _box(
        self, sample: PoseSample, instance: int, half: Sequence[int]
    ) -> tuple[np.ndarray, np.ndarray] | None:
        """Center and scale of the box round some keypoints; None if it would have no extent."""
        if sample.keypoints is None:
            raise _lacking(sample)
        if not half:
            return None
        points = sample.keypoints[instance, half, :2]
        extent = points.max(axis=0) - points.min(axis=0)
        return (points.mean(axis=0), extent * self.padding) if extent.any() else None


def _lacking(sample: PoseSample) -> DataError:
    return DataError(
        f"sample {sample.id}: RandomHalfBody needs keypoints, their visibility, "
        "'upper_body_ids' and 'lower_body_ids'"
    )
