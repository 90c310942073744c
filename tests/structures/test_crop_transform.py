from __future__ import annotations

import cv2
import numpy as np
import pytest

from raypose.ops.warps import get_udp_warp_matrix, get_warp_matrix
from raypose.structures import CropTransform

RNG = np.random.default_rng(0)


def test_a_box_becomes_the_whole_input() -> None:
    crop = CropTransform.from_box((50, 80), (40, 60), (20, 30))
    corners = np.array([[30, 50], [70, 50], [70, 110], [50, 80]], np.float32)
    expected = [[0, 0], [20, 0], [20, 30], [10, 15]]
    np.testing.assert_allclose(crop.to_input(corners), expected, atol=1e-5)
    np.testing.assert_allclose(crop.to_image(np.array(expected, np.float32)), corners, atol=1e-4)
    assert crop.input_size == (20, 30)


def test_any_matrix_is_undone() -> None:
    matrix = np.array([[0.3, -1.2, 40.0], [1.1, 0.4, -7.0]])
    crop = CropTransform.from_matrix(matrix, (1, 2), (3, 4), (48, 64))
    points = RNG.uniform(-100, 400, (5, 17, 2)).astype(np.float32)
    np.testing.assert_allclose(crop.to_input(points), cv2.transform(points, matrix), atol=1e-3)
    np.testing.assert_allclose(crop.to_image(crop.to_input(points)), points, atol=1e-3)


def test_a_whole_image_stays_where_it_is() -> None:
    points = RNG.uniform(0, 300, (17, 2)).astype(np.float32)
    crop = CropTransform.identity((320, 240))
    np.testing.assert_allclose(crop.to_input(points), points, atol=1e-4)
    np.testing.assert_allclose(crop.to_image(points), points, atol=1e-4)
    assert crop.scale.tolist() == [320, 240]


def test_the_way_back_of_a_udp_crop_is_the_boxs() -> None:
    center, scale, size = np.array([90.0, 60.0]), np.array([60.0, 80.0]), (48, 64)
    udp = get_udp_warp_matrix(center, scale, 0.0, size)
    crop = CropTransform.from_box(center, scale, size, udp)
    corners = np.array([[60, 20], [120, 100]], np.float32)
    # The warp spans 47 of 48 pixels, the way back 48: MMPose's accuracies are measured so.
    np.testing.assert_allclose(crop.to_input(corners), [[0, 0], [47, 63]], atol=1e-4)
    whole = np.array([[0, 0], size], np.float32)
    np.testing.assert_allclose(crop.to_image(whole), corners, atol=1e-4)


def test_an_upright_crop_agrees_with_its_warp() -> None:
    center, scale, size = np.array([90.0, 60.0]), np.array([60.0, 80.0]), (48, 64)
    warp = get_warp_matrix(center, scale, 0.0, size)
    crop = CropTransform.from_box(center, scale, size)
    np.testing.assert_allclose(crop.matrix, warp, atol=1e-9)


def test_a_record_is_not_changed() -> None:
    crop = CropTransform.identity((10, 10))
    with pytest.raises(AttributeError):
        crop.input_size = (1, 1)  # type: ignore[misc]
