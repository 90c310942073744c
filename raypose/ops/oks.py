"""Object keypoint similarity (NumPy).

Between two poses: the mean over keypoints of exp(-d^2 / (2 s^2 k^2)), where d is the distance of
the two positions, k twice the keypoint's sigma and s^2 the area of the person
(https://cocodataset.org/#keypoints-eval). Between two predictions s^2 is the mean of their areas.

N and M poses, K keypoints (x, y, score).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from raypose.errors import RayposeError

COCO_SIGMAS = (
    *(0.026, 0.025, 0.025, 0.035, 0.035, 0.079, 0.079, 0.072, 0.072),
    *(0.062, 0.062, 0.107, 0.107, 0.087, 0.087, 0.089, 0.089),
)


def oks_matrix(
    keypoints1: np.ndarray,
    keypoints2: np.ndarray,
    areas1: np.ndarray,
    areas2: np.ndarray,
    sigmas: np.ndarray | Sequence[float] | None = None,
    vis_thr: float | None = None,
) -> np.ndarray:
    """Compute the OKS of every pose of one set with every pose of another.

    Args:
        keypoints1: (N, K, 3), x, y and score.
        keypoints2: (M, K, 3).
        areas1: (N,), square pixels.
        areas2: (M,).
        sigmas: (K,); those of COCO's 17 keypoints by default.
        vis_thr: count only keypoints whose score exceeds it in both poses; all by default.

    Returns:
        (N, M) float32 in 0..1; 0 where no keypoint counts.

    Raises:
        RayposeError: if `sigmas` does not fit the number of keypoints.
    """
    spreads = _spreads(sigmas, keypoints1.shape[-2])
    areas = (np.asarray(areas1)[:, None] + np.asarray(areas2)) / 2 + np.spacing(1)
    offset = keypoints1[:, None, :, :2] - keypoints2[:, :, :2]
    error = (offset**2).sum(axis=-1) / spreads / areas[..., None] / 2
    similarity = np.exp(-error)
    if vis_thr is None:
        return similarity.mean(axis=-1).astype(np.float32)
    counted = (keypoints1[:, None, :, 2] > vis_thr) & (keypoints2[:, :, 2] > vis_thr)
    total = np.where(counted, similarity, 0).sum(axis=-1)
    return (total / np.maximum(counted.sum(axis=-1), 1)).astype(np.float32)


def oks_of_pairs(
    keypoints: np.ndarray,
    areas: np.ndarray,
    first: np.ndarray,
    second: np.ndarray,
    sigmas: np.ndarray | Sequence[float] | None = None,
) -> np.ndarray:
    """Compute the OKS of some pairs of poses, the numbers that `oks_matrix` has for them.

    Args:
        keypoints: (N, K, 3), x, y and score.
        areas: (N,), square pixels.
        first: (P,) index of one pose of each pair.
        second: (P,) index of the other one.
        sigmas: see `oks_matrix`.

    Returns:
        (P,) float32 in 0..1.

    Raises:
        RayposeError: if `sigmas` does not fit the number of keypoints.
    """
    spreads = _spreads(sigmas, keypoints.shape[-2])
    mean_areas = (areas[first] + areas[second]) / 2 + np.spacing(1)
    offset = keypoints[first, :, :2] - keypoints[second, :, :2]
    error = (offset**2).sum(axis=-1) / spreads / mean_areas[:, None] / 2
    return np.exp(-error).mean(axis=-1).astype(np.float32)


def _spreads(sigmas: np.ndarray | Sequence[float] | None, num_keypoints: int) -> np.ndarray:
    """Squares (K,) of twice the sigmas."""
    values = np.asarray(COCO_SIGMAS if sigmas is None else sigmas, np.float64)
    if len(values) != num_keypoints:
        raise RayposeError(f"{len(values)} sigmas for {num_keypoints} keypoints")
    return (2 * values) ** 2


def oks_iou(
    keypoints: np.ndarray,
    others: np.ndarray,
    area: float,
    areas: np.ndarray,
    sigmas: np.ndarray | Sequence[float] | None = None,
    vis_thr: float | None = None,
) -> np.ndarray:
    """Compute the OKS of one pose with others.

    Args:
        keypoints: (K, 3), x, y and score.
        others: (N, K, 3).
        area: of the pose, square pixels.
        areas: (N,), of the others.
        sigmas: see `oks_matrix`.
        vis_thr: see `oks_matrix`.

    Returns:
        (N,) float32 in 0..1.
    """
    return oks_matrix(keypoints[None], others, np.array([area]), areas, sigmas, vis_thr)[0]
