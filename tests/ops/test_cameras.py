from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from raypose.ops import cameras

CAMERA = {
    "R": Rotation.from_euler("xyz", [0.2, 0.4, -0.3]).as_matrix(),
    "T": np.array([[100.0], [-50.0], [900.0]]),
    "f": np.array([[1145.0], [1143.0]]),
    "c": np.array([[512.0], [515.0]]),
}
POINTS = np.random.default_rng(0).uniform(-500, 500, (6, 3)) + np.array([0, 0, 4000])


def test_world_and_camera_space_are_inverse() -> None:
    there = cameras.world_to_camera(POINTS, CAMERA)
    assert np.abs(there - POINTS).max() > 100
    np.testing.assert_allclose(cameras.camera_to_world(there, CAMERA), POINTS, atol=0.01)
    origin = cameras.world_to_camera(CAMERA["T"].T, CAMERA)
    np.testing.assert_allclose(origin, np.zeros((1, 3)), atol=1e-3)


def test_pixels_and_depth_go_back_to_camera_space() -> None:
    pixels = cameras.camera_to_pixel(POINTS, CAMERA)
    with_depth = np.column_stack([pixels, POINTS[:, 2]])
    np.testing.assert_allclose(cameras.pixel_to_camera(with_depth, CAMERA), POINTS, atol=0.01)
    focal_and_center = (1145.0, 1143.0, 512.0, 515.0)
    np.testing.assert_allclose(cameras.project(POINTS, *focal_and_center), pixels)
    np.testing.assert_allclose(cameras.unproject(with_depth, *focal_and_center), POINTS, atol=0.01)


def test_matrix_and_focal_length_say_the_same() -> None:
    matrix = {"K": np.array([[1145.0, 0, 512], [0, 1143, 515]])}
    np.testing.assert_allclose(
        cameras.camera_to_pixel(POINTS, matrix), cameras.camera_to_pixel(POINTS, CAMERA)
    )


def test_distortion_by_hand() -> None:
    camera = {**CAMERA, "k": [0.1, 0.01, 0.001], "p": [0.02, 0.03]}
    x, y = 0.5, -0.25
    r2 = x * x + y * y
    gain = 1 + 0.1 * r2 + 0.01 * r2**2 + 0.001 * r2**3 + 2 * (0.03 * x + 0.02 * y)
    want = [(x * gain + r2 * 0.03) * 1145 + 512, (y * gain + r2 * 0.02) * 1143 + 515]
    got = cameras.camera_to_pixel(np.array([[x * 2, y * 2, 2.0]]), camera)
    np.testing.assert_allclose(got, [want], rtol=1e-6)


def test_six_radial_coefficients_divide() -> None:
    camera = {**CAMERA, "k": [0.1, 0, 0, 0.1, 0, 0], "p": [0, 0]}
    np.testing.assert_allclose(
        cameras.camera_to_pixel(POINTS, camera), cameras.camera_to_pixel(POINTS, CAMERA)
    )


def test_missing_parameters_are_named() -> None:
    with pytest.raises(ValueError, match=r"needs 'K', or 'f' and 'c', got \['R', 'T'\]"):
        cameras.camera_to_pixel(POINTS, {"R": CAMERA["R"], "T": CAMERA["T"]})
    with pytest.raises(ValueError, match=r"needs 'R' and 'T', got \['c', 'f'\]"):
        cameras.world_to_camera(POINTS, {"f": CAMERA["f"], "c": CAMERA["c"]})
