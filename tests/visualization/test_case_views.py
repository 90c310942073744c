"""Views of a case: the right part of the picture, poses where they belong in it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from raypose.structures import Poses, Skeleton
from raypose.visualization import views_of_case, views_of_case_3d

PAIR = Skeleton.load(
    {
        "name": "pair",
        "keypoints": ["low", "high"],
        "links": [{"link": ["low", "high"], "color": [255, 0, 0]}],
    }
)


def poses(points: Any, labelled: tuple[float, float] = (1.0, 1.0)) -> Poses:
    return Poses(
        keypoints=np.array([points], np.float32),
        keypoint_scores=np.array([labelled], np.float32),
        bboxes=np.array([[100, 100, 140, 120]], np.float32),
    )


@pytest.fixture
def image() -> np.ndarray:
    return np.full((400, 600, 3), 90, np.uint8)


def test_the_part_around_the_labels_fills_the_view(image: np.ndarray) -> None:
    image[108:112, 118:122] = (0, 0, 250)  # in the middle of the box
    truth = poses([[100, 100], [140, 120]])
    views = dict(views_of_case(image, truth, truth, PAIR, size=(240, 240)))
    assert views.keys() == {"prediction", "truth"}
    # The box and a fifth of its longer side around it: 56 x 36 pixels.
    assert views["truth"].shape == (round(36 * 240 / 56), 240, 3)
    red = np.argwhere(views["truth"][..., 2] > 240)
    assert len(red)


def test_lines_lead_to_the_labels_of_the_same_instance_only(image: np.ndarray) -> None:
    truth, found = poses([[100, 100], [140, 100]]), poses([[100, 120], [140, 120]])

    def white(**options: Any) -> int:
        drawn = dict(views_of_case(image, found, truth, PAIR, **options))["prediction"]
        return int((drawn > 200).all(axis=-1).sum())

    assert white() > 20
    assert white(paired=False) == 0
    one = views_of_case(image, found, poses([[100, 100], [140, 100]], (0.0, 0.0)), PAIR)
    assert (dict(one)["prediction"] > 200).all(axis=-1).sum() == 0


def test_far_predictions_do_not_push_the_labels_away(image: np.ndarray) -> None:
    truth = poses([[100, 100], [140, 120]])
    near = views_of_case(image, truth, truth, PAIR)
    far = views_of_case(image, poses([[9e5, 1e6], [np.nan, 3]]), truth, PAIR)
    assert near[0][1].shape == far[0][1].shape


def test_without_labels_there_is_a_prediction_alone(image: np.ndarray) -> None:
    found = poses([[10, 10], [590, 390]])
    ((name, view),) = views_of_case(image, found, Poses.empty(2), PAIR)
    assert name == "prediction"
    assert view.shape == (320, 480, 3)
    ((_, whole),) = views_of_case(image, Poses.empty(2), Poses.empty(2), PAIR)
    assert whole.shape == (320, 480, 3)


def test_poses_in_space_are_drawn_at_one_scale() -> None:
    truth = np.array([[0.0, 0.0, 0.0], [0.0, -1.0, 0.0]])
    views = dict(views_of_case_3d(truth / 2, truth, PAIR, size=(200, 200)))
    heights = {}
    for name, view in views.items():
        red = np.argwhere((view[..., 2] > 150) & (view[..., 1] < 60))
        heights[name] = np.ptp(red[:, 0])
    assert heights["truth"] == pytest.approx(2 * heights["prediction"], rel=0.15)


def test_poses_that_are_no_numbers_are_drawn_all_the_same() -> None:
    truth = np.array([[0.0, 0.0, 0.0], [0.0, -1.0, 0.0]])
    views = views_of_case_3d(np.full((2, 3), np.nan), truth, PAIR)
    assert [view.shape for _, view in views] == [(360, 360, 3)] * 2
