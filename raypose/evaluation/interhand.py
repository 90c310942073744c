"""`InterHandMetric`: errors of two interacting hands in 3D.

K = 42 keypoints: 21 of the right hand with its wrist last (20), then 21 of the left (41).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from raypose.errors import ConfigError, DataError
from raypose.evaluation.base import SampleMetric, SkeletonLike
from raypose.ops.cameras import unproject
from raypose.ops.pck import keypoint_epe
from raypose.registry import METRICS
from raypose.structures import Poses, PoseSample

_MODES = ("MPJPE", "MRRPE", "HandednessAcc")
_RIGHT_ROOT, _LEFT_ROOT = 20, 41


@dataclass(frozen=True, slots=True, kw_only=True)
class HandPair:
    """What is kept of one sample; shapes have a leading axis of one.

    Attributes:
        pred: (1, 42, 3) keypoints in camera space relative to the root of their hand.
        gt: (1, 42, 3) the same of the annotation.
        mask: (1, 42) bool, annotated keypoints.
        interacting: whether both hands are there.
        root_pred: (1, 1, 3) left root relative to the right one.
        root_gt: (1, 1, 3) the same of the annotation.
        has_roots: whether both roots are annotated.
        right_type: whether the predicted hands are the annotated ones, None if not annotated.
    """

    pred: np.ndarray
    gt: np.ndarray
    mask: np.ndarray
    interacting: bool
    root_pred: np.ndarray
    root_gt: np.ndarray
    has_roots: bool
    right_type: bool | None


@METRICS.register_module()
class InterHandMetric(SampleMetric):
    """Errors of InterHand2.6M (Moon et al., ECCV 2020).

    `MPJPE_all`, `MPJPE_single` and `MPJPE_interacting` are mean distances relative to the wrist of
    each hand; `MRRPE` is that of the left wrist relative to the right one; `HandednessAcc` the
    share of samples whose hands were told right. The annotation gives `keypoints_cam`,
    `hand_type`, `hand_type_valid`, `abs_depth`, `focal` and `principal_pt`, the prediction x and y
    in pixels, z relative to the root, and `hand_type` and `rel_root_depth` among its extras.

    Args:
        modes: which of `MPJPE`, `MRRPE` and `HandednessAcc` to compute.
        prefix: put before the names of the numbers.
        skeleton: not needed.

    Raises:
        ConfigError: if a mode is unknown.

    Example:
        type: InterHandMetric
        modes: [MPJPE, MRRPE]
    """

    def __init__(
        self,
        modes: Sequence[str] = _MODES,
        prefix: str | None = None,
        skeleton: SkeletonLike | None = None,
    ) -> None:
        super().__init__(prefix, skeleton)
        for mode in modes:
            if mode not in _MODES:
                raise ConfigError(f"modes are among {', '.join(_MODES)}, got {mode!r}")
        self.modes = tuple(modes)

    def process(self, sample: PoseSample, poses: Poses) -> HandPair:
        """Return the hands of one sample in camera space."""
        missing = [name for name in _needed(self.modes) if name not in poses.extras]
        if missing:
            raise DataError(f"sample {sample.id}: the prediction has no {' and '.join(missing)}")
        meta = sample.meta
        gt = np.asarray(meta["keypoints_cam"], np.float32)
        visible = np.asarray(sample.keypoints_visible).reshape(1, -1) > 0
        hand_type = np.asarray(meta["hand_type"])
        depth = np.asarray(meta["abs_depth"]).reshape(-1)
        interacting = bool(hand_type.all())
        pred = poses.keypoints.copy()
        pred[..., :21, 2] += depth[0]
        pred[..., 21:, 2] += depth[1]
        has_roots = interacting and bool(visible[0, [_RIGHT_ROOT, _LEFT_ROOT]].all())
        return HandPair(
            pred=_relative_to_roots(_to_camera(pred, sample)),
            gt=_relative_to_roots(gt),
            mask=visible,
            interacting=interacting,
            root_pred=self._predicted_root(sample, poses, depth[0]),
            root_gt=gt[:, _LEFT_ROOT : _LEFT_ROOT + 1] - gt[:, _RIGHT_ROOT : _RIGHT_ROOT + 1],
            has_roots=has_roots,
            right_type=self._right_type(sample, poses, hand_type),
        )

    def compute_metrics(self, records: Sequence[HandPair]) -> dict[str, float]:
        """Return the numbers of all modes."""
        numbers: dict[str, float] = {}
        if "MPJPE" in self.modes:
            pred = np.concatenate([record.pred for record in records])
            gt = np.concatenate([record.gt for record in records])
            mask = np.concatenate([record.mask for record in records])
            interacting = np.array([[record.interacting] for record in records])
            numbers["MPJPE_all"] = keypoint_epe(pred, gt, mask)
            numbers["MPJPE_single"] = keypoint_epe(pred, gt, mask & ~interacting)
            numbers["MPJPE_interacting"] = keypoint_epe(pred, gt, mask & interacting)
        if "HandednessAcc" in self.modes:
            told = [record.right_type for record in records if record.right_type is not None]
            numbers["HandednessAcc"] = float(np.mean(told)) if told else 0.0
        if "MRRPE" in self.modes:
            numbers["MRRPE"] = keypoint_epe(
                np.concatenate([record.root_pred for record in records]),
                np.concatenate([record.root_gt for record in records]),
                np.array([[record.has_roots] for record in records]),
            )
        return numbers

    def _predicted_root(self, sample: PoseSample, poses: Poses, depth: float) -> np.ndarray:
        """Left root (1, 1, 3) relative to the right one; zeros if it is not asked for."""
        if "MRRPE" not in self.modes:
            return np.zeros((1, 1, 3), np.float32)
        roots = poses.keypoints[:, [_RIGHT_ROOT, _LEFT_ROOT]].astype(np.float32)
        roots[..., 2] += depth
        roots[:, 1, 2] += np.asarray(poses.extras["rel_root_depth"]).reshape(-1)[0]
        camera = _to_camera(roots, sample)
        return camera[:, 1:] - camera[:, :1]

    def _right_type(self, sample: PoseSample, poses: Poses, hand_type: np.ndarray) -> bool | None:
        """Whether both hands were told right; None if not asked for or not annotated."""
        if "HandednessAcc" not in self.modes or not np.all(sample.meta["hand_type_valid"]):
            return None
        predicted = np.asarray(poses.extras["hand_type"]).reshape(-1)
        return bool((predicted == hand_type.reshape(-1)).all())


def _needed(modes: Sequence[str]) -> list[str]:
    """Extras of a prediction that the modes use."""
    extras = {"HandednessAcc": "hand_type", "MRRPE": "rel_root_depth"}
    return [name for mode, name in extras.items() if mode in modes]


def _to_camera(points: np.ndarray, sample: PoseSample) -> np.ndarray:
    """Pixels with their depth (1, K, 3) in camera space."""
    fx, fy = (float(value) for value in np.asarray(sample.meta["focal"]).reshape(-1))
    cx, cy = (float(value) for value in np.asarray(sample.meta["principal_pt"]).reshape(-1))
    return unproject(points, fx, fy, cx, cy)


def _relative_to_roots(points: np.ndarray) -> np.ndarray:
    """Keypoints (1, 42, 3) relative to the wrist of their hand."""
    hands = points.reshape(-1, 2, 21, 3)
    return (hands - hands[:, :, 20:]).reshape(points.shape)
