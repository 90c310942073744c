"""Errors of 3D poses over a data set: `MPJPE` and `SimpleMPJPE`.

The numbers are in the unit of the poses, times `scale`. T target frames, K keypoints.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePath

import numpy as np

from raypose.errors import ConfigError, DataError
from raypose.evaluation.base import SampleMetric, SkeletonLike
from raypose.ops.mpjpe import keypoint_mpjpe
from raypose.registry import METRICS
from raypose.structures import Poses, PoseSample

_ALIGNMENTS = {"mpjpe": "none", "p-mpjpe": "procrustes", "n-mpjpe": "scale"}


@dataclass(frozen=True, slots=True, kw_only=True)
class LiftedPoses:
    """Predicted and annotated 3D poses of one sample.

    Attributes:
        pred: (T, K, 3).
        gt: (T, K, 3).
        mask: (T, K) bool, annotated keypoints.
        action: what is done, where the sample says so.
    """

    pred: np.ndarray
    gt: np.ndarray
    mask: np.ndarray
    action: str | None


@METRICS.register_module()
class SimpleMPJPE(SampleMetric):
    """Mean per-joint position error over all poses, as `MPJPE`, `P-MPJPE` or `N-MPJPE`.

    Args:
        mode: `mpjpe`; `p-mpjpe`, after the best similarity; or `n-mpjpe`, after the best scale.
        scale: put on every error; 1000 gives millimetres for poses in metres.
        prefix: put before the names of the numbers.
        skip_list: samples to leave out, by the file name of their target without its extension,
            such as `S9_Walking`.
        skeleton: not needed.

    Raises:
        ConfigError: if `mode` is unknown.

    Example:
        type: SimpleMPJPE
        mode: p-mpjpe
    """

    def __init__(
        self,
        mode: str = "mpjpe",
        scale: float = 1.0,
        prefix: str | None = None,
        skip_list: Sequence[str] = (),
        skeleton: SkeletonLike | None = None,
    ) -> None:
        super().__init__(prefix, skeleton)
        if mode not in _ALIGNMENTS:
            raise ConfigError(f"mode is one of {', '.join(_ALIGNMENTS)}, got {mode!r}")
        self.mode = mode
        self.scale = scale
        self.skip_list = set(skip_list)

    def process(self, sample: PoseSample, poses: Poses) -> LiftedPoses | None:
        """Return the poses of one sample, or None if it is to be skipped."""
        name = _target_name(sample)
        if name is not None and name.split(".")[0] in self.skip_list:
            return None
        if "lifting_target" not in sample.meta:
            raise DataError(f"{type(self).__name__}: sample {sample.id} has no lifting_target")
        gt = np.asarray(sample.meta["lifting_target"])
        # A lifter's keypoints are in space, a top-down model has those beside its others.
        found = poses.keypoints if poses.keypoints_3d is None else poses.keypoints_3d
        pred = found.reshape(-1, *found.shape[-2:])
        if pred.shape != gt.shape:
            raise DataError(
                f"{type(self).__name__}: sample {sample.id} has a lifting_target {gt.shape}, "
                f"predicted are {found.shape}"
            )
        visible = sample.meta.get("lifting_target_visible")
        mask = np.ones(gt.shape[:2], bool) if visible is None else np.asarray(visible) > 0
        return LiftedPoses(
            pred=pred, gt=gt, mask=mask.reshape(gt.shape[:2]), action=_action(name, sample)
        )

    def compute_metrics(self, records: Sequence[LiftedPoses]) -> dict[str, float]:
        """Return the error over all poses."""
        return {self.mode.upper(): self._error(records)}

    def _error(self, records: Sequence[LiftedPoses]) -> float:
        error = keypoint_mpjpe(
            np.concatenate([record.pred for record in records]),
            np.concatenate([record.gt for record in records]),
            np.concatenate([record.mask for record in records]),
            _ALIGNMENTS[self.mode],
        )
        return self.scale * error


@METRICS.register_module()
class MPJPE(SimpleMPJPE):
    """Mean per-joint position error over all poses and for each action.

    The names are `MPJPE` and `MPJPE_Walking` (or `P-MPJPE...`, `N-MPJPE...`). The action is the
    sample's `action`, or follows from the file name of its target: `S9_Walking_1.jpg`.

    Args:
        mode: `mpjpe`; `p-mpjpe`, after the best similarity; or `n-mpjpe`, after the best scale.
        scale: put on every error; 1000 gives millimetres for poses in metres.
        prefix: put before the names of the numbers.
        skip_list: samples to leave out, by the file name of their target without its extension,
            such as `S9_Walking`.
        skeleton: not needed.

    Raises:
        ConfigError: if `mode` is unknown.

    Example:
        type: MPJPE
        mode: mpjpe
    """

    def compute_metrics(self, records: Sequence[LiftedPoses]) -> dict[str, float]:
        """Return the error over all poses and those of each action."""
        by_action: dict[str, list[LiftedPoses]] = {}
        for record in records:
            if record.action is not None:
                by_action.setdefault(record.action, []).append(record)
        name = self.mode.upper()
        return {
            name: self._error(records),
            **{f"{name}_{action}": self._error(part) for action, part in by_action.items()},
        }


def _target_name(sample: PoseSample) -> str | None:
    """File name of the first target frame."""
    path = sample.meta.get("target_img_path")
    if path is None or len(path) == 0:
        return None
    return PurePath(path if isinstance(path, str) else str(path[0])).name


def _action(name: str | None, sample: PoseSample) -> str | None:
    """Action of a sample; in a file name it is between the subject and the camera or take."""
    if "action" in sample.meta:
        return str(sample.meta["action"])
    if name is None or "_" not in name:
        return None
    return name.split("_", 1)[1].split(".", 1)[0].split("_")[0]
