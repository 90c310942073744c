from __future__ import annotations

import numpy as np
import pytest

from raypose.ops import warps
from raypose.ops.affine import apply_affine

CENTER, SCALE, SIZE = np.array([120.0, 90.0]), np.array([60.0, 80.0]), (48, 64)


def _map(matrix: np.ndarray, *points: tuple[float, float]) -> np.ndarray:
    return apply_affine(matrix, np.array(points, np.float64))


def test_upright_crop_maps_its_corners() -> None:
    matrix = warps.get_warp_matrix(CENTER, SCALE, 0.0, SIZE)
    np.testing.assert_allclose(_map(matrix, (90, 50), (150, 130)), [[0, 0], [48, 64]], atol=1e-4)


def test_a_positive_angle_turns_the_crop_clockwise() -> None:
    matrix = warps.get_warp_matrix(CENTER, SCALE, 90.0, SIZE)
    # The right edge of the crop lies below its center in the image.
    np.testing.assert_allclose(_map(matrix, (120, 120)), [[48, 32]], atol=1e-4)


@pytest.mark.parametrize("fix", [True, False])
@pytest.mark.parametrize("rotation", [0.0, 33.0, -120.0])
def test_inverse_maps_back(rotation: float, fix: bool) -> None:
    arguments = (CENTER, np.array([60.0, 50.0]), rotation, SIZE, (0.1, -0.2))
    there = warps.get_warp_matrix(*arguments, fix_aspect_ratio=fix)
    back = warps.get_warp_matrix(*arguments, inverse=True, fix_aspect_ratio=fix)
    points = np.random.default_rng(0).uniform(0, 200, (5, 2))
    np.testing.assert_allclose(apply_affine(back, apply_affine(there, points)), points, atol=1e-3)


def test_shift_moves_the_center_by_a_share_of_the_scale() -> None:
    matrix = warps.get_warp_matrix(CENTER, SCALE, 45.0, SIZE, shift=(0.5, -0.25))
    np.testing.assert_allclose(_map(matrix, (150, 70)), [[24, 32]], atol=1e-4)


def test_udp_maps_outermost_pixel_centers() -> None:
    matrix = warps.get_udp_warp_matrix(CENTER, SCALE, 0.0, SIZE)
    np.testing.assert_allclose(_map(matrix, (90, 50), (150, 130)), [[0, 0], [47, 63]], atol=1e-4)


def test_the_two_conventions_turn_in_opposite_directions() -> None:
    plain = warps.get_warp_matrix(CENTER, SCALE, 30.0, SIZE)
    udp = warps.get_udp_warp_matrix(CENTER, SCALE, -30.0, SIZE)
    direction = plain[:, :2] / np.linalg.norm(plain[:, :2], axis=1, keepdims=True)
    udp_direction = udp[:, :2] / np.linalg.norm(udp[:, :2], axis=1, keepdims=True)
    np.testing.assert_allclose(direction, udp_direction, atol=1e-6)


def test_perspective_matrix_without_changes_is_the_identity() -> None:
    np.testing.assert_allclose(
        warps.get_pers_warp_matrix(CENTER, (0, 0), 1.0, 0.0, (0, 0)), np.eye(3), atol=1e-9
    )
    matrix = warps.get_pers_warp_matrix(CENTER, (3, -4), 1.7, 12.0, (5, 2))
    np.testing.assert_allclose(matrix @ [*CENTER, 1], [123, 86, 1])


def test_aspect_ratio_grows_the_short_side_only() -> None:
    scales = np.array([[30.0, 80.0], [90.0, 80.0], [60.0, 80.0]])
    fixed = warps.fix_aspect_ratio(scales, 0.75)
    np.testing.assert_allclose(fixed, [[60, 80], [90, 120], [60, 80]])
    np.testing.assert_allclose(warps.fix_aspect_ratio(scales[0], 0.75), [60, 80])


def test_fit_shows_the_whole_image_in_the_middle() -> None:
    matrix, size, center, scale = warps.bottomup_resize_geometry((200, 100), (128, 128))
    assert size == (128, 128)
    np.testing.assert_allclose(_map(matrix, (0, 0), (200, 100)), [[0, 32], [128, 96]], atol=1e-4)
    np.testing.assert_allclose(center, [100, 50])
    np.testing.assert_allclose(scale, [200, 200])


def test_expand_covers_the_input_and_lets_it_grow() -> None:
    matrix, size, _, _ = warps.bottomup_resize_geometry(
        (200, 100), (100, 100), "expand", size_factor=64
    )
    assert size == (256, 128)
    np.testing.assert_allclose(_map(matrix, (0, 0), (200, 100)), [[0, 0], [256, 128]], atol=1e-4)


def test_udp_puts_the_image_at_the_top_left() -> None:
    matrix, _, center, _ = warps.bottomup_resize_geometry((200, 100), (128, 128), use_udp=True)
    np.testing.assert_allclose(_map(matrix, tuple(center)), [[63.5, 31.5]], atol=1e-4)


def test_sizes_that_cannot_be_are_refused() -> None:
    with pytest.raises(ValueError, match=r"size_factor 32, got \(100, 128\); the next"):
        warps.bottomup_resize_geometry((200, 100), (100, 128))
    with pytest.raises(ValueError, match="resize_mode is 'fit' or 'expand', got 'crop'"):
        warps.bottomup_resize_geometry((200, 100), (128, 128), "crop")


def test_warped_image_moves_pixels_and_fills_the_outside() -> None:
    image = np.zeros((20, 30, 3), np.uint8)
    image[5, 7] = (10, 20, 30)
    matrix = np.array([[1.0, 0, 2], [0, 1, 3]])
    warped = warps.warp_image(image, matrix, (40, 25), (1, 2, 3))
    assert warped.shape == (25, 40, 3)
    np.testing.assert_array_equal(warped[8, 9], [10, 20, 30])
    np.testing.assert_array_equal(warped[0, 0], [1, 2, 3])
    assert warps.warp_image(image[..., 0], matrix, (40, 25), 9)[0, 0] == 9
