"""Views of one case: what was predicted and what was annotated, near enough to see both."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from raypose.structures import Poses, Skeleton
from raypose.visualization.poses import draw_poses
from raypose.visualization.poses3d import Viewpoint, draw_poses_3d

Image = npt.NDArray[Any]
Floats = npt.NDArray[np.floating[Any]]
Views = list[tuple[str, Image]]

# Around what is shown, as a share of its longer side.
_MARGIN = 0.2
_MIN_SIDE = 24.0
# Cameras of most 3D data look along z with y down.
_CAMERA = Viewpoint(up="-y", azimuth=-25.0, elevation=12.0)


def views_of_case(
    image: Image,
    prediction: Poses,
    truth: Poses,
    skeleton: Skeleton,
    *,
    paired: bool = True,
    size: tuple[int, int] = (480, 480),
    score_threshold: float = 0.0,
) -> Views:
    """Draw the part of a picture that a case is about, once with each of its poses.

    Args:
        image: (H, W, 3) uint8 BGR.
        prediction: image space.
        truth: image space; keypoints of score 0 are not annotated. May be empty.
        skeleton: of both.
        paired: both have the same instances: lines lead from predicted keypoints to annotated ones.
        size: (w, h) that the pictures fit in.
        score_threshold: predicted keypoints of a lower score are not drawn.

    Returns:
        The views `prediction` and, where something is annotated, `truth`.
    """
    region = _region(image, prediction, truth)
    part, scale = _zoom(image, region, size)
    shift = np.array(region[:2], np.float32)
    near, right = (_moved(poses, shift, scale) for poses in (prediction, truth))
    drawn = draw_poses(part, near, skeleton, score_threshold=score_threshold, draw_boxes=False)
    if not len(right):
        return [("prediction", drawn)]
    if paired and len(near) == len(right):
        shown = (right.keypoint_scores > 0) & (near.keypoint_scores >= score_threshold)
        _draw_misses(drawn, near.keypoints[shown], right.keypoints[shown])
    labels = draw_poses(part, right, skeleton, score_threshold=0.01, draw_boxes=False)
    return [("prediction", drawn), ("truth", labels)]


def views_of_case_3d(
    prediction: Floats,
    truth: Floats,
    skeleton: Skeleton,
    *,
    size: tuple[int, int] = (360, 360),
) -> Views:
    """Draw two 3D poses at the same scale.

    Args:
        prediction: (K, 3) camera coordinates, any unit; what is not finite is drawn at the origin.
        truth: (K, 3) in the same coordinates.
        skeleton: of both.
        size: (w, h) of each picture.

    Returns:
        The views `prediction` and `truth`.
    """
    both = np.nan_to_num(np.stack([prediction, truth]), nan=0.0, posinf=0.0, neginf=0.0)
    return [
        (name, draw_poses_3d(pose, skeleton, size=size, viewpoint=_CAMERA, around=both))
        for name, pose in zip(("prediction", "truth"), both, strict=True)
    ]


def _region(image: Image, prediction: Poses, truth: Poses) -> tuple[int, int, int, int]:
    """Return x1, y1, x2, y2 of what has to be seen: the labels, and predictions not far away."""
    height, width = image.shape[:2]
    points = truth.keypoints[truth.keypoint_scores > 0][:, :2]
    parts = [points] if truth.bboxes is None else [points, truth.bboxes.reshape(-1, 2)]
    corners = np.concatenate(parts)
    if not len(corners):
        corners = prediction.keypoints[..., :2].reshape(-1, 2)
    corners = corners[np.isfinite(corners).all(axis=1)]
    if not len(corners):
        return 0, 0, width, height
    low, high = corners.min(axis=0), corners.max(axis=0)
    reach = max(float((high - low).max()), _MIN_SIDE)
    found = prediction.keypoints[..., :2].reshape(-1, 2)
    with np.errstate(invalid="ignore"):
        near = ((found > low - reach) & (found < high + reach)).all(axis=1)
    low = np.min([low, *found[near]], axis=0) - _MARGIN * reach
    high = np.max([high, *found[near]], axis=0) + _MARGIN * reach
    x1, y1 = np.floor(np.clip(low, 0, (width - 1, height - 1))).astype(int).tolist()
    x2, y2 = np.ceil(np.clip(high, (x1 + 1, y1 + 1), (width, height))).astype(int).tolist()
    return x1, y1, x2, y2


def _zoom(
    image: Image, region: tuple[int, int, int, int], size: tuple[int, int]
) -> tuple[Image, float]:
    """Return a part of a picture at the largest size that fits, and its scale."""
    x1, y1, x2, y2 = region
    part = image[y1:y2, x1:x2]
    scale = min(size[0] / (x2 - x1), size[1] / (y2 - y1))
    target = (max(round((x2 - x1) * scale), 1), max(round((y2 - y1) * scale), 1))
    interpolation = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(part, target, interpolation=interpolation)), scale


def _moved(poses: Poses, shift: Floats, scale: float) -> Poses:
    keypoints = ((poses.keypoints[..., :2] - shift) * scale).astype(np.float32)
    return Poses(keypoints=keypoints, keypoint_scores=poses.keypoint_scores)


def _draw_misses(canvas: Image, found: Floats, right: Floats) -> None:
    """Draw a white line, rimmed with black, from each keypoint to where it should be."""
    for start, end in zip(found.tolist(), right.tolist(), strict=True):
        if not np.isfinite([*start, *end]).all():
            continue
        ends = [
            (round(np.clip(x, -1e5, 1e5)), round(np.clip(y, -1e5, 1e5))) for x, y in (start, end)
        ]
        for color, thickness in (((0, 0, 0), 3), ((255, 255, 255), 1)):
            cv2.line(canvas, ends[0], ends[1], color, thickness, cv2.LINE_AA)
