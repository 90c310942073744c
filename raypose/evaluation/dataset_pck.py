"""PCK as two data sets report it, joint by joint: `MpiiPCKAccuracy` and `JhmdbPCKAccuracy`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from raypose.errors import ConfigError
from raypose.evaluation.base import SkeletonLike
from raypose.evaluation.keypoint_accuracy import PCKAccuracy
from raypose.evaluation.paired import PairedPoses, join
from raypose.registry import METRICS

# Reported name -> the keypoints it is the mean of.
_MPII_JOINTS = {
    "Head": (9,),
    "Shoulder": (12, 13),
    "Elbow": (11, 14),
    "Wrist": (10, 15),
    "Hip": (2, 3),
    "Knee": (1, 4),
    "Ankle": (0, 5),
}
# Pelvis and thorax are not part of the benchmark.
_MPII_LEFT_OUT = (6, 7)
_JHMDB_JOINTS = {
    "Head": (2,),
    "Sho": (3, 4),
    "Elb": (7, 8),
    "Wri": (11, 12),
    "Hip": (5, 6),
    "Knee": (9, 10),
    "Ank": (13, 14),
}


@METRICS.register_module()
class MpiiPCKAccuracy(PCKAccuracy):
    """PCKh of MPII in percent: of pairs of joints, `PCK` over all and `PCK@0.1`.

    The means over joints are weighted by how often each is annotated; pelvis and thorax are left
    out. MPII counts pixels from 1, so predictions are moved by one.

    Args:
        thr: share of the head's size.
        norm_item: `head`, the only one.
        prefix: put before the names of the numbers.
        skeleton: not needed.

    Raises:
        ConfigError: if `norm_item` is another one.

    Example:
        type: MpiiPCKAccuracy
    """

    def __init__(
        self,
        thr: float = 0.5,
        norm_item: str | Sequence[str] = "head",
        prefix: str | None = None,
        skeleton: SkeletonLike | None = None,
    ) -> None:
        super().__init__(thr, norm_item, prefix, skeleton)
        if self.norm_item != ["head"]:
            raise ConfigError(f"MpiiPCKAccuracy measures by 'head' only, got {self.norm_item}")

    def compute_metrics(self, records: Sequence[PairedPoses]) -> dict[str, float]:
        """Return percentages of joints, of all and of all at a tenth of the head's size."""
        poses = join(records)
        poses = replace(poses, pred=poses.pred + 1.0)
        counts = poses.mask.sum(axis=0).astype(np.float64)
        counts[list(_MPII_LEFT_OUT)] = 0
        share = counts / counts.sum()
        accuracy = 100 * self.accuracy(poses, "head", self.thr)[0]
        strict = 100 * self.accuracy(poses, "head", 0.1)[0]
        return {
            **{f"{name} PCK": accuracy[list(ids)].mean() for name, ids in _MPII_JOINTS.items()},
            "PCK": float(accuracy @ share),
            "PCK@0.1": float(strict @ share),
        }


@METRICS.register_module()
class JhmdbPCKAccuracy(PCKAccuracy):
    """PCK of JHMDB for pairs of joints and over all, by the box (`PCK`) and the torso (`tPCK`).

    Args:
        thr: share of the size.
        norm_item: `bbox`, `torso` or both.
        prefix: put before the names of the numbers.
        skeleton: not needed.

    Raises:
        ConfigError: if `norm_item` is `head`.

    Example:
        type: JhmdbPCKAccuracy
        thr: 0.2
        norm_item: [bbox, torso]
    """

    def __init__(
        self,
        thr: float = 0.05,
        norm_item: str | Sequence[str] = "bbox",
        prefix: str | None = None,
        skeleton: SkeletonLike | None = None,
    ) -> None:
        super().__init__(thr, norm_item, prefix, skeleton)
        if "head" in self.norm_item:
            raise ConfigError("JhmdbPCKAccuracy measures by 'bbox' or 'torso', got 'head'")

    def compute_metrics(self, records: Sequence[PairedPoses]) -> dict[str, float]:
        """Return accuracies of joints and over all for each way to measure."""
        poses = join(records)
        numbers: dict[str, float] = {}
        for item in self.norm_item:
            kind = "PCK" if item == "bbox" else "tPCK"
            accuracy, mean, _ = self.accuracy(poses, item, self.thr)
            for name, ids in _JHMDB_JOINTS.items():
                numbers[f"{name} {kind}"] = accuracy[list(ids)].mean()
            numbers[kind] = mean
        return numbers
