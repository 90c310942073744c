"""Drawing poses: the expected pixels change, in the expected colours, and no others."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from raypose.structures import Poses, Skeleton
from raypose.visualization import draw_poses

STICK = Skeleton.load(
    {
        "name": "stick",
        "keypoints": [
            {"name": "top", "color": [255, 0, 0]},
            {"name": "middle", "color": [0, 255, 0]},
            {"name": "bottom", "color": [0, 0, 255]},
        ],
        "links": [
            {"link": ["top", "middle"], "color": [10, 20, 30]},
            {"link": ["middle", "bottom"], "color": [40, 50, 60]},
        ],
    }
)


def stick(scores: tuple[float, float, float] = (1, 1, 1), **fields: Any) -> Poses:
    keypoints = np.array([[[20, 10], [20, 30], [20, 50]]], np.float32)
    return Poses(keypoints=keypoints, keypoint_scores=np.array([scores], np.float32), **fields)


def canvas(value: int = 200) -> np.ndarray:
    return np.full((60, 80, 3), value, np.uint8)


def changed(before: np.ndarray, after: np.ndarray) -> tuple[int, int, int, int]:
    rows, columns = np.nonzero((before != after).any(axis=-1))
    return int(columns.min()), int(rows.min()), int(columns.max()), int(rows.max())


def test_limbs_and_keypoints_have_the_skeletons_colours() -> None:
    image = canvas()
    drawn = draw_poses(image, stick(), STICK, thickness=3, radius=2)
    assert drawn[10, 20].tolist() == [0, 0, 255]  # the keypoint's red, as BGR
    assert drawn[30, 20].tolist() == [0, 255, 0]
    assert drawn[20, 20].tolist() == [30, 20, 10]  # the limb between them
    assert drawn[40, 20].tolist() == [60, 50, 40]
    left, top, right, bottom = changed(image, drawn)
    assert 17 <= left <= 18
    assert 22 <= right <= 23
    assert 7 <= top <= 8
    assert 52 <= bottom <= 53
    assert (image == 200).all()


def test_low_scores_take_their_limbs_with_them() -> None:
    image = canvas()
    drawn = draw_poses(image, stick((1, 1, 0.2)), STICK, thickness=1, radius=2)
    assert changed(image, drawn)[3] <= 33
    both = draw_poses(image, stick((1, 1, 0.2)), STICK, score_threshold=0.1, radius=2)
    assert changed(image, both)[3] >= 52


def test_points_that_are_not_numbers_are_left_out() -> None:
    poses = stick()
    poses.keypoints[0, 1] = np.nan
    image = canvas()
    drawn = draw_poses(image, poses, STICK, thickness=1, radius=1)
    assert (drawn[20, 20] == 200).all()
    assert (drawn[10, 20] != 200).any()


def test_boxes_are_drawn_where_they_are() -> None:
    image = canvas()
    boxes = np.array([[5, 8, 40, 55]], np.float32)
    drawn = draw_poses(image, stick((0, 0, 0), bboxes=boxes), STICK)
    border = np.zeros((60, 80), bool)
    border[8:56, 5:41] = True
    border[9:55, 6:40] = False
    np.testing.assert_array_equal((drawn != image).any(axis=-1), border)
    without = draw_poses(image, stick((0, 0, 0), bboxes=boxes), STICK, draw_boxes=False)
    np.testing.assert_array_equal(without, image)


def test_a_track_keeps_its_colour() -> None:
    boxes = np.array([[5, 20, 40, 55]], np.float32)

    def color(track: int) -> list[int]:
        poses = stick((0, 0, 0), bboxes=boxes, track_ids=np.array([track]))
        return draw_poses(canvas(), poses, STICK)[55, 20].tolist()

    assert color(3) == color(3)
    assert color(3) != color(4)


def test_alpha_blends_and_zero_leaves_the_picture() -> None:
    image = canvas()
    solid = draw_poses(image, stick(), STICK, thickness=3, radius=2)
    half = draw_poses(image, stick(), STICK, thickness=3, radius=2, alpha=0.5)
    np.testing.assert_allclose(half, (solid.astype(float) + image) / 2, atol=1)
    none = draw_poses(image, stick(), STICK, alpha=0.0)
    np.testing.assert_array_equal(none, image)


def test_larger_people_get_thicker_lines() -> None:
    def width(size: float) -> int:
        keypoints = np.array([[[200, 10], [200, 10 + size / 2], [200, 10 + size]]], np.float32)
        poses = Poses(keypoints=keypoints, keypoint_scores=np.ones((1, 3), np.float32))
        image = np.full((700, 400, 3), 200, np.uint8)
        drawn = draw_poses(image, poses, STICK)
        return int((drawn != image).any(axis=-1)[int(10 + size / 4)].sum())

    assert width(60) < width(300) < width(600)


def test_grey_pictures_and_nobody_are_fine() -> None:
    drawn = draw_poses(np.full((20, 30), 7, np.uint8), Poses.empty(3), STICK)
    assert drawn.shape == (20, 30, 3)
    assert (drawn == 7).all()


def test_far_away_coordinates_do_not_wrap_round() -> None:
    poses = stick()
    poses.keypoints[0, 2] = [20, 3e9]
    drawn = draw_poses(canvas(), poses, STICK, thickness=3, radius=2)
    assert drawn[55, 20].tolist() == [60, 50, 40]


def test_other_skeletons_are_refused() -> None:
    with pytest.raises(ValueError, match="3 keypoints, but the skeleton 'coco' has 17"):
        draw_poses(canvas(), stick(), Skeleton.load("coco"))
