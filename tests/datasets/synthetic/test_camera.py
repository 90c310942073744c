"""The camera: which way left, up and front go in the picture."""

from __future__ import annotations

import numpy as np
import pytest

from raypose.datasets.synthetic.camera import View, camera_rotation, sample_light

LEFT, UP, FRONT = np.eye(3)


@pytest.mark.parametrize(
    ("yaw", "pitch", "roll", "vector", "expected"),
    [
        (0, 0, 0, LEFT, (1, 0, 0)),  # someone who faces us has their left on our right
        (0, 0, 0, UP, (0, -1, 0)),
        (0, 0, 0, FRONT, (0, 0, -1)),
        (180, 0, 0, LEFT, (-1, 0, 0)),
        (180, 0, 0, FRONT, (0, 0, 1)),
        (90, 0, 0, FRONT, (1, 0, 0)),
        (90, 0, 0, LEFT, (0, 0, 1)),
        (0, 90, 0, UP, (0, 0, -1)),  # from above the head is nearest
        (0, 0, 90, UP, (1, 0, 0)),  # turned clockwise, up is to the right
    ],
)
def test_directions(
    yaw: float, pitch: float, roll: float, vector: np.ndarray, expected: tuple[float, ...]
) -> None:
    np.testing.assert_allclose(camera_rotation(yaw, pitch, roll) @ vector, expected, atol=1e-12)


def test_rotations_do_not_mirror() -> None:
    rotation = camera_rotation(37, 12, -8)
    np.testing.assert_allclose(rotation @ rotation.T, np.eye(3), atol=1e-12)
    assert np.linalg.det(rotation) == pytest.approx(1.0)


def test_projection_is_true_to_scale_at_the_pelvis_and_larger_before_it() -> None:
    view = View(np.eye(3), pixels_per_metre=100.0, distance=4.0, light=np.array([0.0, -1.0, 0.0]))
    points = np.array([[0.5, -0.25, 0.0], [0.5, -0.25, -2.0], [0.5, -0.25, 4.0]])
    expected = [[50.0, -25.0], [100.0, -50.0], [25.0, -12.5]]
    np.testing.assert_allclose(view.project(points), expected)


def test_light_comes_from_above_and_before() -> None:
    for seed in range(20):
        light = sample_light(np.random.default_rng(seed))
        assert np.linalg.norm(light) == pytest.approx(1.0)
        assert light[1] < 0
        assert light[2] < 0
