"""Errors of 3D poses, with and without alignment (NumPy).

N poses, K keypoints, D dimensions.
"""

from __future__ import annotations

import numpy as np

from raypose.errors import RayposeError

ALIGNMENTS = ("none", "scale", "procrustes")


def keypoint_mpjpe(
    pred: np.ndarray, gt: np.ndarray, mask: np.ndarray, alignment: str = "none"
) -> float:
    """Compute the mean per-joint position error.

    Args:
        pred: (N, K, D).
        gt: (N, K, D).
        mask: (N, K) bool, keypoints that count. All of them take part in the alignment.
        alignment: `none`; `scale`, by the best factor about the origin (N-MPJPE); or
            `procrustes`, by the best similarity (P-MPJPE).

    Returns:
        Mean distance in the unit of the poses.

    Raises:
        RayposeError: if no keypoint counts or `alignment` is unknown.
    """
    if not mask.any():
        raise RayposeError("MPJPE of no keypoints: every entry of the mask is false")
    if alignment == "scale":
        pred = align_scale(pred, gt)
    elif alignment == "procrustes":
        pred = similarity_transform(pred, gt)
    elif alignment != "none":
        raise RayposeError(f"alignment is one of {', '.join(ALIGNMENTS)}, got {alignment!r}")
    return float(np.linalg.norm(pred - gt, axis=-1)[mask.astype(bool)].mean())


def align_scale(pred: np.ndarray, gt: np.ndarray) -> np.ndarray:
    """Scale each pose about the origin to fit another best in the least-squares sense.

    Args:
        pred: (N, K, D).
        gt: (N, K, D).

    Returns:
        (N, K, D), `pred` scaled.
    """
    factor = np.einsum("nkd,nkd->n", pred, gt) / np.einsum("nkd,nkd->n", pred, pred)
    return pred * factor[:, None, None]


def similarity_transform(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Move poses by the similarity that fits others best in the least-squares sense.

    The similarity is a scaling, a rotation (no reflection) and a translation (Umeyama,
    "Least-squares estimation of transformation parameters between two point patterns", PAMI 1991).

    Args:
        source: (..., K, D).
        target: (..., K, D).

    Returns:
        (..., K, D), `source` moved.
    """
    source_mean = source.mean(axis=-2, keepdims=True)
    target_mean = target.mean(axis=-2, keepdims=True)
    centered = source - source_mean
    covariance = np.swapaxes(centered, -1, -2) @ (target - target_mean)
    u, singular, vt = np.linalg.svd(covariance)
    # Of the two orthogonal solutions only one is a rotation: turn the weakest axis if need be.
    sign = np.ones_like(singular)
    sign[..., -1] = np.sign(np.linalg.det(u @ vt))
    rotation = (u * sign[..., None, :]) @ vt
    variance = (centered**2).sum(axis=(-1, -2))
    scale = (singular * sign).sum(axis=-1) / variance
    return scale[..., None, None] * (centered @ rotation) + target_mean
