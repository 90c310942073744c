"""Accuracy of keypoints against annotations: PCK, AUC, EPE and NME (NumPy).

N instances, K keypoints, D dimensions. The normalised distance of a keypoint is the length of
(pred - gt) / norm_factor, componentwise. Masked keypoints do not count, nor does any keypoint of
an instance whose norm factor has a zero.
"""

from __future__ import annotations

import numpy as np

from raypose.errors import RayposeError


def keypoint_pck_accuracy(
    pred: np.ndarray, gt: np.ndarray, mask: np.ndarray, thr: float, norm_factor: np.ndarray
) -> tuple[np.ndarray, float, int]:
    """Compute the share of keypoints that are nearer than a threshold.

    PCK is due to Yang and Ramanan, "Articulated Human Detection with Flexible Mixtures of Parts",
    TPAMI 2013.

    Args:
        pred: (N, K, D).
        gt: (N, K, D).
        mask: (N, K) bool, keypoints that count.
        thr: normalised distance; a keypoint is right if it is strictly nearer.
        norm_factor: (N, D), such as the size of the box.

    Returns:
        Accuracy of each keypoint (K,), -1 where none counts; its mean over those with a value, 0
        if there is none; and their number.
    """
    distances, valid = _normalized_distances(pred, gt, mask, norm_factor)
    return _accuracy((distances < thr) & valid, valid)


def keypoint_auc(
    pred: np.ndarray, gt: np.ndarray, mask: np.ndarray, norm_factor: float, num_thrs: int = 20
) -> float:
    """Compute the area under the curve of mean PCK over its threshold.

    Args:
        pred: (N, K, D).
        gt: (N, K, D).
        mask: (N, K) bool, keypoints that count.
        norm_factor: distance that is threshold 1.
        num_thrs: number n of thresholds 0, 1/n, ..., (n - 1)/n.

    Returns:
        Mean of the PCK means.
    """
    factors = np.full((len(pred), pred.shape[-1]), norm_factor)
    distances, valid = _normalized_distances(pred, gt, mask, factors)
    means = [_accuracy((distances < i / num_thrs) & valid, valid)[1] for i in range(num_thrs)]
    return float(np.mean(means))


def keypoint_nme(
    pred: np.ndarray, gt: np.ndarray, mask: np.ndarray, norm_factor: np.ndarray
) -> float:
    """Compute the mean normalised distance.

    Args:
        pred: (N, K, D).
        gt: (N, K, D).
        mask: (N, K) bool, keypoints that count.
        norm_factor: (N, D), such as the distance of the eyes.

    Returns:
        Mean over all keypoints that count, 0 if there is none.
    """
    distances, valid = _normalized_distances(pred, gt, mask, norm_factor)
    return float(distances[valid].sum() / max(1, valid.sum()))


def keypoint_epe(pred: np.ndarray, gt: np.ndarray, mask: np.ndarray) -> float:
    """Compute the mean end-point error.

    Args:
        pred: (N, K, D).
        gt: (N, K, D).
        mask: (N, K) bool, keypoints that count.

    Returns:
        Mean distance in the unit of the keypoints, 0 if none counts.
    """
    return keypoint_nme(pred, gt, mask, np.ones((len(pred), pred.shape[-1]), np.float32))


def _normalized_distances(
    pred: np.ndarray, gt: np.ndarray, mask: np.ndarray, norm_factor: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Distances (N, K) float32 and which of them count."""
    if pred.shape != gt.shape:
        raise RayposeError(f"predictions {pred.shape} and annotations {gt.shape} differ in shape")
    usable = np.all(norm_factor > 0, axis=-1)
    factor = np.where(usable[:, None], norm_factor, 1)[:, None]
    distances = np.linalg.norm((pred - gt) / factor, axis=-1).astype(np.float32)
    return distances, mask.astype(bool) & usable[:, None]


def _accuracy(hits: np.ndarray, valid: np.ndarray) -> tuple[np.ndarray, float, int]:
    """Per-keypoint accuracy, mean and number from right and counting keypoints (N, K)."""
    counts = valid.sum(axis=0)
    counted = counts > 0
    accuracy = np.where(counted, hits.sum(axis=0) / np.maximum(counts, 1), -1.0)
    mean = float(accuracy[counted].mean()) if counted.any() else 0.0
    return accuracy, mean, int(counted.sum())
