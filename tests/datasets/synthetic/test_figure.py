"""Single figures: keypoints lie on the body, and left and right are where they belong."""

from __future__ import annotations

import numpy as np
import pytest

from raypose.datasets.synthetic.camera import sample_light
from raypose.datasets.synthetic.figure import KEYPOINTS, Figure, sample_figure

INDEX = {name: index for index, name in enumerate(KEYPOINTS)}


@pytest.fixture(scope="module")
def figures() -> list[Figure]:
    made = []
    for seed in range(60):
        rng = np.random.default_rng(seed)
        made.append(sample_figure(rng, 220.0, sample_light(rng)))
    return made


def test_visible_keypoints_lie_on_the_silhouette(figures: list[Figure]) -> None:
    for figure in figures:
        columns, rows = np.round(figure.keypoints - figure.layer.origin).astype(int).T
        assert figure.layer.silhouette[rows[figure.shown], columns[figure.shown]].all()
        assert figure.shown.sum() >= 4


def test_face_points_show_from_the_front_and_hide_from_the_back(figures: list[Figure]) -> None:
    front, back = [], []
    for figure in figures:
        left, right = (figure.keypoints[INDEX[f"{side}_shoulder"], 0] for side in ("left", "right"))
        width = np.linalg.norm(
            figure.joints[INDEX["left_shoulder"]] - figure.joints[INDEX["right_shoulder"]]
        )
        turn = (left - right) / (width * 220 / 1.74)  # about the cosine of the yaw
        eyes = figure.shown[INDEX["left_eye"]] and figure.shown[INDEX["right_eye"]]
        if turn > 0.85:
            front.append(bool(eyes))
        elif turn < -0.85:
            back.append(bool(figure.shown[INDEX["nose"]]))
    assert len(front) > 8
    assert len(back) > 4
    assert np.mean(front) > 0.6
    assert np.mean(back) < 0.1


def test_the_nearer_of_two_ears_is_the_one_that_shows(figures: list[Figure]) -> None:
    ears = np.array([f.shown[[INDEX["left_ear"], INDEX["right_ear"]]] for f in figures])
    assert (ears.sum(axis=1) == 1).any()
    assert ears.any()


def test_a_figure_is_its_seed(figures: list[Figure]) -> None:
    rng = np.random.default_rng(7)
    again = sample_figure(rng, 220.0, sample_light(rng))
    np.testing.assert_array_equal(again.layer.bgra, figures[7].layer.bgra)
    np.testing.assert_array_equal(again.keypoints, figures[7].keypoints)


def test_figures_grow_with_their_height() -> None:
    heights = []
    for height in (100.0, 200.0):
        rng = np.random.default_rng(11)
        heights.append(sample_figure(rng, height, sample_light(rng)).layer.silhouette.sum())
    assert heights[1] == pytest.approx(4 * heights[0], rel=0.08)
