"""Display space by hand."""

from __future__ import annotations

import numpy as np
import pytest

from raypose.errors import RayposeError
from raypose.ops.display import stand_on_ground, to_display

AXES = ("x", "-x", "y", "-y", "z", "-z")


def test_a_lifted_person_stands_on_the_ground() -> None:
    # About the pelvis, camera space: x right, y down, z forward; millimetres.
    person = np.array([[[0, 0, 0], [100, 850, 200], [-100, 800, 0], [0, -700, 50]]], np.float32)
    shown = to_display(person, "mm")
    assert shown.dtype == np.float32
    expected = [[[0, 0.85, 0], [0.1, 0, -0.2], [-0.1, 0.05, 0], [0, 1.55, -0.05]]]
    np.testing.assert_allclose(shown, expected, atol=1e-6)
    np.testing.assert_allclose(to_display(person / 1000, "m"), expected, atol=1e-6)
    assert person[0, 1, 1] == 850


def test_each_person_and_frame_stands_by_itself() -> None:
    poses = np.random.default_rng(0).normal(0, 1, (5, 3, 17, 3))
    shown = to_display(poses, "m")
    np.testing.assert_allclose(shown[..., 1].min(axis=-1), 0, atol=1e-6)
    np.testing.assert_allclose(shown[..., [0, 2]], poses[..., [0, 2]] * [1, -1], rtol=1e-5)


@pytest.mark.parametrize("up", AXES)
def test_no_axis_mirrors_and_up_is_up(up: str) -> None:
    axes = np.eye(3)[:, None]  # each point is a pose of its own, with the origin below or above
    turned = to_display(np.concatenate([np.zeros((3, 1, 3)), axes], axis=1), "m", up)
    directions = turned[:, 1] - turned[:, 0]
    assert np.linalg.det(directions) == pytest.approx(1)
    sign = -1 if up.startswith("-") else 1
    np.testing.assert_array_equal(directions["xyz".index(up[-1])], [0, sign, 0])


@pytest.mark.parametrize("up", AXES)
def test_standing_moves_along_the_vertical_alone(up: str) -> None:
    poses = np.random.default_rng(1).normal(0, 1, (4, 17, 3))
    standing = stand_on_ground(poses, up)
    axis = "xyz".index(up[-1])
    heights = standing[..., axis] * (-1 if up.startswith("-") else 1)
    np.testing.assert_array_equal(heights.min(axis=-1), 0)
    np.testing.assert_allclose(np.diff(standing, axis=1), np.diff(poses, axis=1), atol=1e-12)
    others = [other for other in range(3) if other != axis]
    np.testing.assert_array_equal(standing[..., others], poses[..., others])


def test_nobody_and_mistakes() -> None:
    assert to_display(np.zeros((0, 17, 3)), "m").shape == (0, 17, 3)
    with pytest.raises(RayposeError, match="unit is one of m, cm, mm, got 'inch'"):
        to_display(np.zeros((1, 17, 3)), "inch")
    with pytest.raises(RayposeError, match="up is one of x, -x, y, -y, z, -z, got 'w'"):
        to_display(np.zeros((1, 17, 3)), "m", "w")
