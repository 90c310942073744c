"""Where instances are and how sure they are, whatever fields a model fills in.

N instances, K keypoints.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from raypose.structures import Poses

# A body in line with an axis has keypoints in a narrow box; its area counts as that of a box whose
# short side is at least this part of the long one.
_LEAST_ASPECT = 0.25


def known_keypoints(poses: Poses, keypoint_thr: float) -> npt.NDArray[np.bool_]:
    """Return which keypoints (N, K) are somewhere and have a score of at least `keypoint_thr`."""
    somewhere = np.isfinite(poses.keypoints).all(axis=-1)
    return somewhere & (poses.keypoint_scores >= keypoint_thr)


def boxes_of(poses: Poses, keypoint_thr: float) -> npt.NDArray[np.float64]:
    """Return the boxes (N, 4) xyxy: the record's own, or the extent of the known keypoints.

    Instances without a known keypoint get zeros.
    """
    if poses.bboxes is not None:
        return poses.bboxes.astype(np.float64)
    known = known_keypoints(poses, keypoint_thr)[..., None]
    points = poses.keypoints[..., :2].astype(np.float64)
    low = np.where(known, points, np.inf).min(axis=1, initial=np.inf)
    high = np.where(known, points, -np.inf).max(axis=1, initial=-np.inf)
    return np.where(known.any(axis=1), np.concatenate([low, high], axis=1), 0.0)


def box_areas(boxes: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return areas (N,) of boxes (N, 4) xyxy, in square pixels, those of very thin ones raised."""
    sides = np.clip(boxes[:, 2:] - boxes[:, :2], 0, None)
    longest = sides.max(axis=1, initial=0)
    return np.maximum(sides.prod(axis=1), _LEAST_ASPECT * longest**2)


def instance_scores(poses: Poses) -> npt.NDArray[np.float64]:
    """Return how sure each instance (N,) is.

    That is the first of these that the record has: `scores`, `bbox_scores`, the mean score of the
    keypoints.
    """
    for scores in (poses.scores, poses.bbox_scores):
        if scores is not None:
            return scores.astype(np.float64)
    return poses.keypoint_scores.astype(np.float64).mean(axis=1)
