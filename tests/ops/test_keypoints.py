from __future__ import annotations

import numpy as np
import pytest

from raypose.ops.keypoints import (
    flip_keypoints,
    flip_keypoints_custom_center,
    keypoint_clip_border,
)

FLIP = [0, 2, 1, 3]
POINTS = np.arange(16, dtype=np.float32).reshape(2, 4, 2)
VISIBLE = np.array([[1, 1, 0, 1], [0, 1, 0, 0]], np.float32)


def test_horizontal_flip_swaps_left_and_right() -> None:
    keypoints, visible = flip_keypoints(POINTS, VISIBLE, (20, 30), FLIP)
    np.testing.assert_array_equal(keypoints[0], [[19, 1], [15, 5], [17, 3], [13, 7]])
    np.testing.assert_array_equal(visible, [[1, 0, 1, 1], [0, 0, 1, 0]])


def test_diagonal_flip_is_a_half_turn_and_swaps_nothing() -> None:
    keypoints, visible = flip_keypoints(POINTS, VISIBLE, (20, 30), FLIP, "diagonal")
    np.testing.assert_array_equal(keypoints, np.array([19, 29]) - POINTS)
    np.testing.assert_array_equal(visible, VISIBLE)


@pytest.mark.parametrize("direction", ["horizontal", "vertical", "diagonal"])
def test_flipping_twice_changes_nothing(direction: str) -> None:
    weighted = np.stack([VISIBLE, VISIBLE * 0.5], axis=-1)
    for visible in (VISIBLE, weighted):
        once = flip_keypoints(POINTS, visible, (20, 30), FLIP, direction)
        twice = flip_keypoints(*once, (20, 30), FLIP, direction)
        np.testing.assert_allclose(twice[0], POINTS)
        np.testing.assert_allclose(twice[1], visible)


def test_flip_about_a_root_keeps_the_root() -> None:
    keypoints, _ = flip_keypoints_custom_center(
        POINTS, VISIBLE, FLIP, center_mode="root", center_index=[0, 3]
    )
    np.testing.assert_allclose(keypoints[:, [0, 3], 0].mean(1), POINTS[:, [0, 3], 0].mean(1))
    np.testing.assert_allclose(keypoints[0, :, 0], [6, 2, 4, 0])


def test_wrong_arguments_are_refused() -> None:
    with pytest.raises(ValueError, match="flip_indices has 3 entries for 4 keypoints"):
        flip_keypoints(POINTS, VISIBLE, (20, 30), [0, 2, 1])
    with pytest.raises(ValueError, match="center_index 4 is not one of the 4 keypoints"):
        flip_keypoints_custom_center(POINTS, VISIBLE, FLIP, "root", center_index=4)
    with pytest.raises(ValueError, match="center_mode is 'static' or 'root', got 'middle'"):
        flip_keypoints_custom_center(POINTS, VISIBLE, FLIP, "middle")


def test_keypoints_outside_become_invisible_and_stay_where_they_are() -> None:
    points = np.array([[[0, 0], [10, 20], [10.5, 3], [-0.1, 3]]])
    keypoints, visible = keypoint_clip_border(points, np.ones((1, 4)), (10, 20))
    np.testing.assert_array_equal(keypoints, points)
    np.testing.assert_array_equal(visible, [[1, 1, 0, 0]])
    _, weighted = keypoint_clip_border(points, np.ones((1, 4, 2)), (10, 20))
    np.testing.assert_array_equal(weighted[..., 0], [[1, 1, 0, 0]])
    np.testing.assert_array_equal(weighted[..., 1], np.ones((1, 4)))
