"""Draws poses on pictures: boxes, limbs and keypoints in the skeleton's colours.

Pictures are (H, W, 3) uint8 BGR and are never changed in place; coordinates are image space.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from raypose.structures import Poses, Skeleton

Image = npt.NDArray[Any]
Color = tuple[int, int, int]

_BOX_COLORS: tuple[Color, ...] = (
    (80, 200, 120), (60, 160, 255), (220, 120, 60), (180, 90, 220), (60, 210, 220), (110, 110, 240),
)  # fmt: skip
_SHIFT = 3  # fractional bits of the coordinates that cv2 draws with


def draw_poses(
    image: Image,
    poses: Poses,
    skeleton: Skeleton,
    *,
    score_threshold: float = 0.3,
    draw_boxes: bool = True,
    thickness: int | None = None,
    radius: int | None = None,
    alpha: float = 1.0,
) -> Image:
    """Draw every instance of `poses` on a copy of a picture.

    Args:
        image: (H, W, 3) uint8 BGR, or (H, W) grey.
        poses: instances in image space; keypoints beyond x and y are not drawn.
        skeleton: says which keypoints are linked, and the colours.
        score_threshold: keypoints of a lower score are left out, with the limbs they end.
        draw_boxes: draw `poses.bboxes`, in a colour for each track (or instance), with the track
            and the score written above.
        thickness: of limbs in pixels; None fits it to the size of each instance.
        radius: of keypoints in pixels; None fits it to the size of each instance.
        alpha: opacity of what is drawn, 0 to 1.

    Returns:
        The drawn picture, (H, W, 3) uint8 BGR.

    Raises:
        ValueError: if `poses` does not have the keypoints of `skeleton`.
    """
    num_keypoints = poses.keypoints.shape[1]
    if num_keypoints != skeleton.num_keypoints:
        raise ValueError(
            f"the poses have {num_keypoints} keypoints, but the skeleton "
            f"'{skeleton.name}' has {skeleton.num_keypoints}"
        )
    base = cv2.cvtColor(image, cv2.COLOR_GRAY2BGR) if image.ndim == 2 else image
    canvas = base.copy()
    for index in range(len(poses)):
        keypoints = poses.keypoints[index, :, :2]
        shown = (poses.keypoint_scores[index] >= score_threshold) & np.isfinite(keypoints).all(-1)
        fitted = _line_width(poses, index, shown)
        if draw_boxes and poses.bboxes is not None:
            _draw_box(canvas, poses, index, max(fitted // 2, 1))
        _draw_limbs(canvas, keypoints, shown, skeleton, thickness or fitted)
        _draw_keypoints(canvas, keypoints, shown, skeleton, radius or fitted + 1)
    if alpha >= 1:
        return canvas
    return cv2.addWeighted(canvas, alpha, base, 1 - alpha, 0)


def _line_width(poses: Poses, index: int, shown: npt.NDArray[np.bool_]) -> int:
    """Return the line width that suits an instance: 2 at 200 pixels, never below 1."""
    if poses.bboxes is not None:
        x1, y1, x2, y2 = poses.bboxes[index].tolist()
        extent = max(x2 - x1, y2 - y1)
    elif shown.any():
        extent = float(np.ptp(poses.keypoints[index, shown, :2], axis=0).max())
    else:
        extent = 0.0
    return int(np.clip(round(extent / 100), 1, 8))


def _draw_limbs(
    canvas: Image,
    keypoints: npt.NDArray[np.floating[Any]],
    shown: npt.NDArray[np.bool_],
    skeleton: Skeleton,
    thickness: int,
) -> None:
    for (first, second), color in zip(skeleton.links, skeleton.link_colors, strict=True):
        if shown[first] and shown[second]:
            ends = _fixed_point(keypoints[[first, second]])
            cv2.line(canvas, ends[0], ends[1], color[::-1], thickness, cv2.LINE_AA, _SHIFT)


def _draw_keypoints(
    canvas: Image,
    keypoints: npt.NDArray[np.floating[Any]],
    shown: npt.NDArray[np.bool_],
    skeleton: Skeleton,
    radius: int,
) -> None:
    """Draw discs with a dark rim, so that they stand out from limbs of the same colour."""
    for index in np.flatnonzero(shown):
        center = _fixed_point(keypoints[[index]])[0]
        color = skeleton.keypoint_colors[index][::-1]
        rim = tuple(int(0.35 * value) for value in color)
        size = radius << _SHIFT
        if radius > 2:
            cv2.circle(canvas, center, size + (1 << _SHIFT), rim, -1, cv2.LINE_AA, _SHIFT)
        cv2.circle(canvas, center, size, color, -1, cv2.LINE_AA, _SHIFT)


def _draw_box(canvas: Image, poses: Poses, index: int, thickness: int) -> None:
    assert poses.bboxes is not None
    identity = index if poses.track_ids is None else int(poses.track_ids[index])
    color = _BOX_COLORS[identity % len(_BOX_COLORS)]
    x1, y1, x2, y2 = (round(value) for value in poses.bboxes[index].tolist())
    cv2.rectangle(canvas, (x1, y1), (x2, y2), color, thickness)
    label = [] if poses.track_ids is None else [f"#{identity}"]
    score = poses.bbox_scores if poses.scores is None else poses.scores
    if score is not None:
        label.append(f"{float(score[index]):.2f}")
    if label:
        _write(canvas, " ".join(label), (x1, y1), color)


def _write(canvas: Image, text: str, corner: tuple[int, int], color: Color) -> None:
    """Write white text on a plate above a corner, or below it at the picture's upper border."""
    (width, height), base = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, 0.38, 1)
    x = min(max(corner[0], 0), max(canvas.shape[1] - width - 4, 0))
    y = corner[1] - base - 1 if corner[1] >= height + base + 2 else corner[1] + height + 2
    cv2.rectangle(canvas, (x, y - height - 2), (x + width + 3, y + base), color, -1)
    white = (255, 255, 255)
    cv2.putText(canvas, text, (x + 2, y), cv2.FONT_HERSHEY_SIMPLEX, 0.38, white, 1, cv2.LINE_AA)


def _fixed_point(points: npt.NDArray[np.floating[Any]]) -> list[tuple[int, int]]:
    # cv2 overflows on far away coordinates; beyond any picture their place does not matter.
    fixed = np.round(np.clip(points, -1e5, 1e5) * (1 << _SHIFT)).astype(int)
    return [(x, y) for x, y in fixed.tolist()]
