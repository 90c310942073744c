"""What metrics share that compare poses one by one: PCK, AUC, EPE and NME.

N instances, K keypoints, D dimensions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from raypose.errors import DataError
from raypose.evaluation.base import SampleMetric
from raypose.structures import Poses, PoseSample


@dataclass(frozen=True, slots=True, kw_only=True)
class PairedPoses:
    """Predicted and annotated poses that belong together.

    Attributes:
        pred: (N, K, D).
        gt: (N, K, D).
        mask: (N, K) bool, annotated keypoints.
        sizes: lengths (N,) by name that distances can be measured in.
    """

    pred: np.ndarray
    gt: np.ndarray
    mask: np.ndarray
    sizes: dict[str, np.ndarray] = field(default_factory=dict)


class PairedMetric(SampleMetric):
    """Base class of metrics that compare the i-th predicted with the i-th annotated instance."""

    def process(self, sample: PoseSample, poses: Poses) -> PairedPoses:
        """Return the poses of one sample with the lengths that `compute_metrics` needs."""
        if sample.keypoints is None or sample.keypoints_visible is None:
            raise DataError(f"{type(self).__name__}: sample {sample.id} has no annotated keypoints")
        if poses.keypoints.shape != sample.keypoints.shape:
            raise DataError(
                f"{type(self).__name__} compares instance by instance: sample {sample.id} has "
                f"keypoints {sample.keypoints.shape}, predicted are {poses.keypoints.shape}"
            )
        visible = sample.keypoints_visible
        return PairedPoses(
            pred=poses.keypoints,
            gt=sample.keypoints,
            mask=(visible if visible.ndim == 2 else visible[..., 0]) > 0,
            sizes=self.sizes(sample),
        )

    def sizes(self, sample: PoseSample) -> dict[str, np.ndarray]:
        """Return lengths (N,) by name to measure distances in; none by default."""
        return {}


def join(records: Sequence[PairedPoses]) -> PairedPoses:
    """Return the instances of all samples as one."""
    return PairedPoses(
        pred=np.concatenate([record.pred for record in records]),
        gt=np.concatenate([record.gt for record in records]),
        mask=np.concatenate([record.mask for record in records]),
        sizes={
            name: np.concatenate([record.sizes[name] for record in records])
            for name in records[0].sizes
        },
    )


def bbox_size(sample: PoseSample) -> np.ndarray:
    """Return the longer side (N,) of each box.

    Raises:
        DataError: if the sample has no boxes.
    """
    if sample.bboxes is None:
        raise DataError(f"sample {sample.id} has no boxes to measure keypoints by")
    return (sample.bboxes[:, 2:4] - sample.bboxes[:, :2]).max(axis=1)


def annotated_size(sample: PoseSample, name: str) -> np.ndarray:
    """Return a length (N,) that the annotation gives, such as `head_size`.

    Raises:
        DataError: if the sample has none of that name.
    """
    if name not in sample.meta:
        known = ", ".join(sorted(sample.meta)) or "nothing"
        raise DataError(f"sample {sample.id} has no '{name}' to measure keypoints by, only {known}")
    return np.asarray(sample.meta[name], np.float64).reshape(-1)


def per_axis(size: np.ndarray, dimensions: int) -> np.ndarray:
    """Return lengths (N,) as a norm factor (N, D)."""
    return np.repeat(size[:, None], dimensions, axis=1)
