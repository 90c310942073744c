"""Keypoints of annotations and results: mirroring and visibility at the border (NumPy).

N instances, K keypoints, D dimensions; an image size is (w, h).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from raypose.errors import RayposeError
from raypose.ops.boxes import flip_axes


def flip_keypoints(
    keypoints: np.ndarray,
    keypoints_visible: np.ndarray,
    image_size: Sequence[float],
    flip_indices: Sequence[int],
    direction: str = "horizontal",
) -> tuple[np.ndarray, np.ndarray]:
    """Mirror keypoints with their image and swap left and right.

    Mirroring in both directions is a rotation by 180 degrees, so `diagonal` swaps nothing.

    Args:
        keypoints: (..., K, 2) in pixels.
        keypoints_visible: (..., K), or (..., K, 2) with weights.
        image_size: (w, h); x becomes w - 1 - x and y becomes h - 1 - y.
        flip_indices: for each keypoint the index of its mirror image, (K,).
        direction: `horizontal`, `vertical` or `diagonal`.

    Returns:
        Keypoints and visibility, same shapes.

    Raises:
        RayposeError: if `direction` is unknown or `flip_indices` has not K entries.
    """
    axes = flip_axes(direction)
    if len(axes) == 1:
        keypoints, keypoints_visible = _swap_pairs(keypoints, keypoints_visible, flip_indices)
    else:
        keypoints, keypoints_visible = keypoints.copy(), keypoints_visible.copy()
    for axis in axes:
        keypoints[..., axis] = image_size[axis] - 1 - keypoints[..., axis]
    return keypoints, keypoints_visible


def flip_keypoints_custom_center(
    keypoints: np.ndarray,
    keypoints_visible: np.ndarray,
    flip_indices: Sequence[int],
    center_mode: str = "static",
    center_x: float = 0.5,
    center_index: int | Sequence[int] = 0,
) -> tuple[np.ndarray, np.ndarray]:
    """Mirror keypoints horizontally about a given or a root's x and swap left and right.

    Args:
        keypoints: (..., K, D).
        keypoints_visible: (..., K).
        flip_indices: for each keypoint the index of its mirror image, (K,).
        center_mode: `static`, about `center_x`, or `root`, about the mean x of the keypoints
            `center_index` of each instance.
        center_x: x of the mirror for `static`.
        center_index: root keypoint or keypoints for `root`.

    Returns:
        Keypoints and visibility, same shapes.

    Raises:
        RayposeError: if `center_mode` is unknown or an index is out of range.
    """
    K = keypoints.shape[-2]
    if center_mode == "static":
        center = np.asarray(center_x)
    elif center_mode == "root":
        roots = np.atleast_1d(np.asarray(center_index))
        if roots.max() >= K:
            raise RayposeError(f"center_index {center_index} is not one of the {K} keypoints")
        center = keypoints[..., roots, 0].mean(axis=-1, keepdims=True)
    else:
        raise RayposeError(f"center_mode is 'static' or 'root', got {center_mode!r}")
    flipped, visible = _swap_pairs(keypoints, keypoints_visible, flip_indices)
    flipped[..., 0] = 2 * center - flipped[..., 0]
    return flipped, visible


def keypoint_clip_border(
    keypoints: np.ndarray, keypoints_visible: np.ndarray, image_size: Sequence[float]
) -> tuple[np.ndarray, np.ndarray]:
    """Make keypoints outside of an image invisible; their coordinates stay.

    Args:
        keypoints: (N, K, 2) in pixels.
        keypoints_visible: (N, K), or (N, K, 2) with weights in the second channel.
        image_size: (w, h); both are still inside.

    Returns:
        Keypoints (the array given) and visibility (a copy).
    """
    limit = np.asarray(image_size)[:2]
    points = keypoints[..., :2]
    outside = ((points < 0) | (points > limit)).any(axis=-1)
    visible = keypoints_visible.copy()
    if visible.ndim == keypoints.ndim:
        visible[outside, 0] = 0
    else:
        visible[outside] = 0
    return keypoints, visible


def _swap_pairs(
    keypoints: np.ndarray, keypoints_visible: np.ndarray, flip_indices: Sequence[int]
) -> tuple[np.ndarray, np.ndarray]:
    """Copies in which every keypoint holds its mirror image's values."""
    K = keypoints.shape[-2]
    if len(flip_indices) != K:
        raise RayposeError(f"flip_indices has {len(flip_indices)} entries for {K} keypoints")
    order = np.asarray(flip_indices)
    axis = -2 if keypoints_visible.ndim == keypoints.ndim else -1
    return np.take(keypoints, order, axis=-2), np.take(keypoints_visible, order, axis=axis)
