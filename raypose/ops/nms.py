"""Non-maximum suppression of boxes and poses (NumPy).

Every function takes all candidates of one image and returns the indices of those kept, best
first; of equal scores the first one counts as better.

N candidates, K keypoints.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np

from raypose.errors import RayposeError
from raypose.ops.boxes import bbox_overlaps
from raypose.ops.oks import oks_matrix, oks_of_pairs


def nms(bboxes: np.ndarray, scores: np.ndarray, thr: float) -> np.ndarray:
    """Keep boxes greedily; suppress those whose IoU with a better one exceeds `thr`.

    Widths and heights count both border pixels ("+ 1"), as in the reference.

    Args:
        bboxes: (N, 4) xyxy in whole pixels.
        scores: (N,).
        thr: largest overlap of two boxes that are both kept.

    Returns:
        Indices of the kept boxes.
    """
    closed = bboxes[:, :4] + np.array([0, 0, 1, 1], bboxes.dtype)
    return _greedy(bbox_overlaps(closed, closed), scores, thr)


def class_nms(
    bboxes: np.ndarray, scores: np.ndarray, thr: float, labels: np.ndarray | None = None
) -> np.ndarray:
    """Keep boxes greedily, each class by itself, in fractions of pixels (no "+ 1").

    Args:
        bboxes: (N, 4) xyxy.
        scores: (N,), above 0.
        thr: largest IoU of two boxes of a class that are both kept.
        labels: (N,) class of each box; all are of one class by default.

    Returns:
        Indices of the kept boxes.
    """
    if not len(bboxes):
        return np.zeros(0, np.intp)
    xywh = np.concatenate([bboxes[:, :2], bboxes[:, 2:] - bboxes[:, :2]], axis=1)
    classes = np.zeros(len(bboxes)) if labels is None else labels
    suppress: Any = cv2.dnn.NMSBoxesBatched
    kept = suppress(xywh.astype(np.float64), scores, classes.astype(np.int32), 0.0, thr)
    return np.asarray(kept, np.intp).reshape(-1)


def nms_groups(bboxes: np.ndarray, scores: np.ndarray, thr: float = 0.65) -> list[np.ndarray]:
    """Group boxes: each kept one with those it suppresses.

    Args:
        bboxes: (N, 4) xyxy.
        scores: (N,).
        thr: largest IoU (no "+ 1") of two boxes that are both kept.

    Returns:
        For each kept box an index array: itself, then what it suppresses, by score.
    """
    overlaps = bbox_overlaps(bboxes, bboxes)
    order = _descending(scores)
    groups = []
    while len(order):
        best, rest = order[0], order[1:]
        close = overlaps[best, rest] > thr
        groups.append(np.concatenate([[best], rest[close]]))
        order = rest[~close]
    return groups


def oks_nms(
    keypoints: np.ndarray,
    scores: np.ndarray,
    areas: np.ndarray,
    thr: float,
    sigmas: np.ndarray | Sequence[float] | None = None,
    vis_thr: float | None = None,
) -> np.ndarray:
    """Keep poses greedily; suppress those whose OKS with a better one exceeds `thr`.

    Args:
        keypoints: (N, K, 3), x, y and score.
        scores: (N,), or (N, K), whose mean counts.
        areas: (N,), square pixels.
        thr: largest similarity of two poses that are both kept.
        sigmas: (K,); those of COCO's 17 keypoints by default.
        vis_thr: count only keypoints whose score exceeds it in both poses.

    Returns:
        Indices of the kept poses.
    """
    similarity = oks_matrix(keypoints, keypoints, areas, areas, sigmas, vis_thr)
    return _greedy(similarity, _of_instances(scores), thr)


def oks_nms_of_groups(
    keypoints: np.ndarray,
    scores: np.ndarray,
    areas: np.ndarray,
    groups: np.ndarray,
    thr: float,
    sigmas: np.ndarray | Sequence[float] | None = None,
) -> np.ndarray:
    """Do what `oks_nms` does for the candidates of many images at once, each image by itself.

    Args:
        keypoints: (N, K, 3), x, y and score.
        scores: (N,).
        areas: (N,), square pixels.
        groups: (N,) which image each candidate is of.
        thr: largest similarity of two poses of an image that are both kept.
        sigmas: (K,); those of COCO's 17 keypoints by default.

    Returns:
        Indices of the kept poses: by image, those of an image best first.
    """
    order = np.lexsort((-scores, groups))
    better, worse = _pairs(groups[order])
    similarity = oks_of_pairs(keypoints[order], areas[order], better, worse, sigmas)
    close = similarity > thr
    suppressed = [False] * len(order)
    # By the better one: whether it is suppressed itself is settled when its turn comes.
    for first, second in zip(better[close].tolist(), worse[close].tolist(), strict=True):
        if not suppressed[first]:
            suppressed[second] = True
    return order[~np.array(suppressed, bool)]


def _pairs(groups: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return all pairs (i, j), i < j, of rows of the same group, by i; groups are sorted."""
    ends = np.searchsorted(groups, groups, side="right")
    rows = np.arange(len(groups))
    followers = ends - rows - 1
    first = np.repeat(rows, followers)
    starts = np.repeat(np.cumsum(followers) - followers, followers)
    return first, first + 1 + np.arange(len(first)) - starts


def soft_oks_nms(
    keypoints: np.ndarray,
    scores: np.ndarray,
    areas: np.ndarray,
    thr: float,
    max_dets: int = 20,
    sigmas: np.ndarray | Sequence[float] | None = None,
    vis_thr: float | None = None,
) -> np.ndarray:
    """Order poses by scores that fade with their similarity to those taken before.

    After each choice the scores of the rest are multiplied by exp(-OKS^2 / thr) (Bodla et al.,
    "Soft-NMS", ICCV 2017, on OKS).

    Args:
        keypoints: (N, K, 3), x, y and score.
        scores: (N,), or (N, K), whose mean counts.
        areas: (N,), square pixels.
        thr: variance of the fading.
        max_dets: number of poses to return at most.
        sigmas: (K,); those of COCO's 17 keypoints by default.
        vis_thr: count only keypoints whose score exceeds it in both poses.

    Returns:
        Indices of the poses in the order they are taken.
    """
    similarity = oks_matrix(keypoints, keypoints, areas, areas, sigmas, vis_thr)
    fading = np.exp(-(similarity**2) / thr)
    remaining = _of_instances(scores).astype(np.float64)
    kept = np.empty(min(max_dets, len(remaining)), np.intp)
    open_ = np.ones(len(remaining), bool)
    for rank in range(len(kept)):
        best = int(np.argmax(np.where(open_, remaining, -np.inf)))
        kept[rank] = best
        open_[best] = False
        remaining *= fading[best]
    return kept


def nearby_joints_nms(
    keypoints: np.ndarray,
    scores: np.ndarray,
    dist_thr: float = 0.05,
    num_nearby_joints_thr: int | None = None,
    max_dets: int = 30,
) -> np.ndarray:
    """Keep the best of each set of poses that share many joints (DEKR, CVPR 2021).

    Two poses are close if more than `num_nearby_joints_thr` of their joints are nearer than
    `dist_thr` times the diagonal of the first one's keypoint box. From the best pose down, the
    best of all close to it is kept, unless removed already, and all close ones are removed.

    Args:
        keypoints: (N, K, 2) in pixels.
        scores: (N,), or (N, K), whose mean counts.
        dist_thr: share of the diagonal.
        num_nearby_joints_thr: K // 2 by default.
        max_dets: number of poses to keep at most; 0 for all.

    Returns:
        Indices of the kept poses.

    Raises:
        RayposeError: if `dist_thr` is not positive or `num_nearby_joints_thr` not below K.
    """
    if dist_thr <= 0:
        raise RayposeError(f"dist_thr is a positive share of the diagonal, got {dist_thr}")
    N, K, _ = keypoints.shape
    least = K // 2 if num_nearby_joints_thr is None else num_nearby_joints_thr
    if least >= K:
        raise RayposeError(f"num_nearby_joints_thr is below the {K} keypoints, got {least}")
    scores = _of_instances(scores)
    if N == 0:
        return np.empty(0, np.intp)
    diagonal = np.linalg.norm(np.ptp(keypoints, axis=1), axis=-1)
    distance = np.linalg.norm(keypoints[:, None] - keypoints, axis=-1)
    near = (distance < (diagonal * dist_thr)[:, None, None]).sum(axis=-1)
    close = (near > least) | np.eye(N, dtype=bool)
    removed = np.zeros(N, bool)
    kept: list[int] = []
    for index in _descending(scores):
        if removed[index]:
            continue
        best = int(np.argmax(np.where(close[index], scores, -np.inf)))
        if not removed[best]:
            kept.append(best)
            removed |= close[index]
    if 0 < max_dets < len(kept):
        kept = [kept[i] for i in _descending(scores[kept])[:max_dets]]
    return np.array(kept, np.intp)


def _greedy(overlaps: np.ndarray, scores: np.ndarray, thr: float) -> np.ndarray:
    """Indices kept from the best down, given all overlaps (N, N)."""
    suppressed = np.zeros(len(scores), bool)
    kept: list[int] = []
    for index in _descending(scores):
        if not suppressed[index]:
            kept.append(int(index))
            suppressed |= overlaps[index] > thr
    return np.array(kept, np.intp)


def _descending(scores: np.ndarray) -> np.ndarray:
    return np.argsort(-scores, kind="stable")


def _of_instances(scores: np.ndarray) -> np.ndarray:
    """Scores (N,) of poses from those of poses or of their keypoints (N, K)."""
    scores = np.asarray(scores)
    return scores.mean(axis=1) if scores.ndim == 2 else scores
