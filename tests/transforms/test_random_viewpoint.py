from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from raypose.errors import ConfigError, DataError
from raypose.ops.cameras import camera_to_pixel, camera_to_world, world_to_camera
from raypose.structures import PoseSample
from raypose.transforms import Compose, RandomFlipAroundRoot, RandomViewpoint

T, K = 3, 4
FLIPS = (0, 2, 1, 3)


def level_camera(azimuth: float = 0.7, height: float = 1.0, far: float = 5.0) -> dict[str, Any]:
    """A camera that looks at the origin from a place above the ground, z up."""
    position = np.array([far * np.cos(azimuth), far * np.sin(azimuth), height])
    forward = -position / np.linalg.norm(position)
    right = np.cross(forward, [0, 0, 1])
    right /= np.linalg.norm(right)
    return {
        "R": np.column_stack([right, np.cross(forward, right), forward]).astype(np.float32),
        "T": position[:, None].astype(np.float32),
        "f": np.array([[1000], [1010]], np.float32),
        "c": np.array([[500], [400]], np.float32),
        "w": 1000,
        "h": 800,
    }


def world_poses() -> np.ndarray:
    """Frames of a body that also walks."""
    rng = np.random.default_rng(3)
    poses = rng.uniform(-0.8, 0.8, (T, K, 3)).astype(np.float32)
    poses[:, 0] = [[-0.1, 0, 0], [0, 0, 0], [0.1, 0.05, 0]]
    return poses


def window(camera: dict[str, Any] | None = None, **meta: Any) -> PoseSample:
    camera = camera or level_camera()
    poses = world_to_camera(world_poses(), camera).astype(np.float32)
    return PoseSample(
        id="walk_000001",
        keypoints=camera_to_pixel(poses, camera).astype(np.float32),
        keypoints_visible=np.ones((T, K), np.float32),
        flip_indices=FLIPS,
        meta={
            "lifting_target": poses[1:2],
            "lifting_target_visible": np.ones((1, K), np.float32),
            "keypoints_3d": poses,
            "keypoints_3d_visible": np.ones((T, K), np.float32),
            "camera_param": camera,
            **meta,
        },
        rng=np.random.default_rng(5),
    )


def arrays(sample: PoseSample) -> list[np.ndarray]:
    assert sample.keypoints is not None
    assert sample.keypoints_visible is not None
    camera = sample.meta["camera_param"]
    return [
        sample.keypoints,
        sample.keypoints_visible,
        sample.meta["lifting_target"],
        *(camera[name] for name in ("R", "T", "f", "c")),
    ]


def test_without_angles_nothing_changes() -> None:
    before, after = arrays(window()), arrays(RandomViewpoint(yaw=0)(window()))
    for one, other in zip(before, after, strict=True):
        np.testing.assert_allclose(other, one, rtol=1e-5, atol=2e-3)
        assert other.dtype == np.float32


def test_the_moved_camera_sees_the_same_bodies() -> None:
    camera = level_camera()
    sample = RandomViewpoint(pitch=20, distance=(0.7, 1.4), focal=(0.8, 1.2))(window(camera))
    moved = sample.meta["camera_param"]
    assert np.abs(moved["R"] - camera["R"]).max() > 0.1
    np.testing.assert_allclose(moved["R"] @ moved["R"].T, np.eye(3), atol=1e-5)
    # In the world nobody has moved.
    target = camera_to_world(sample.meta["lifting_target"], moved)
    np.testing.assert_allclose(target, world_poses()[1:2], atol=1e-5)
    # All frames are seen by the one camera.
    seen = camera_to_pixel(world_to_camera(world_poses(), moved), moved)
    np.testing.assert_allclose(sample.keypoints, seen, atol=1e-2)
    assert "keypoints_3d" not in sample.meta
    assert "keypoints_3d_visible" not in sample.meta
    np.testing.assert_array_equal(camera["R"], level_camera()["R"])


def test_yaw_goes_round_the_vertical_axis() -> None:
    """By hand: the pose turns about the world's z through its root, before the same camera."""
    camera = level_camera()
    sample = RandomViewpoint(yaw=90)(window(camera))
    angle = np.radians(90 * (2 * np.random.default_rng(5).random(4)[0] - 1))
    turn = np.array(
        [[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]]
    )
    root = world_poses()[1, 0]
    turned = (world_poses() - root) @ turn.T + root
    expected = camera_to_pixel(world_to_camera(turned, camera), camera)
    np.testing.assert_allclose(sample.keypoints, expected, atol=1e-2)
    np.testing.assert_allclose(
        sample.meta["lifting_target"][0], world_to_camera(turned[1], camera), atol=1e-5
    )
    # The camera has kept its height.
    assert sample.meta["camera_param"]["T"][2, 0] == pytest.approx(1, abs=1e-5)


def test_the_vertical_axis_can_be_another() -> None:
    swap = np.array([[0, 0, 1], [1, 0, 0], [0, 1, 0]], np.float32)  # z up becomes x up
    camera = level_camera()
    other = {**camera, "R": swap @ camera["R"], "T": swap @ camera["T"]}
    sample = RandomViewpoint(up="x")(window(camera, camera_param=other))
    np.testing.assert_allclose(
        sample.keypoints, np.asarray(RandomViewpoint()(window()).keypoints), atol=1e-2
    )


def test_ranges_are_kept_and_used() -> None:
    camera = level_camera()
    transform = RandomViewpoint(yaw=40, pitch=10, distance=(0.9, 1.2), focal=(0.95, 1.1))
    sample = window(camera)
    rng, found = np.random.default_rng(0), []
    for _ in range(400):
        sample = window(camera)
        sample.rng = rng
        moved = transform(sample).meta["camera_param"]
        place = moved["T"][:, 0] - world_poses()[1, 0]
        azimuth = np.degrees(np.arctan2(place[1], place[0]) - 0.7)
        elevation = np.degrees(np.arctan2(place[2], np.hypot(*place[:2])) - np.arctan2(1, 5))
        found.append(
            [azimuth, elevation, np.linalg.norm(place) / np.hypot(5, 1), moved["f"][1, 0] / 1010]
        )
    low, high = np.min(found, axis=0), np.max(found, axis=0)
    np.testing.assert_allclose(low, [-40, -10, 0.9, 0.95], rtol=0.02)
    np.testing.assert_allclose(high, [40, 10, 1.2, 1.1], rtol=0.02)
    assert (low >= np.array([-40, -10, 0.9, 0.95]) - 1e-3).all()
    assert (high <= np.array([40, 10, 1.2, 1.1]) + 1e-3).all()


def test_the_root_stays_where_it_is_seen() -> None:
    before = window()
    after = RandomViewpoint(pitch=20, distance=(0.5, 2))(window())
    assert before.keypoints is not None
    assert after.keypoints is not None
    np.testing.assert_allclose(after.keypoints[1, 0], before.keypoints[1, 0], atol=1e-2)
    # The root of another frame does not: one camera, and a body that walks.
    assert np.abs(after.keypoints[0, 0] - before.keypoints[0, 0]).max() > 1


def test_the_intrinsic_matrix_is_scaled_like_focal_lengths() -> None:
    camera = level_camera()
    matrix = np.array([[1000, 0, 500], [0, 1010, 400]], np.float32)
    with_matrix = {name: camera[name] for name in ("R", "T", "w", "h")} | {"K": matrix}
    by_matrix = RandomViewpoint(focal=(0.5, 2))(window(with_matrix))
    np.testing.assert_allclose(
        by_matrix.keypoints,
        np.asarray(RandomViewpoint(focal=(0.5, 2))(window()).keypoints),
        atol=1e-2,
    )
    assert matrix[0, 0] == 1000


def test_a_sample_is_seen_from_the_same_place_every_time() -> None:
    transform = Compose([RandomViewpoint(pitch=10)], seed=1)

    def seen(epoch: int) -> np.ndarray:
        sample = transform(window(), epoch)
        assert sample is not None
        return np.asarray(sample.keypoints)

    np.testing.assert_array_equal(seen(3), seen(3))
    assert np.abs(seen(3) - seen(4)).max() > 1


@pytest.mark.parametrize("flip_first", [True, False])
def test_with_a_flip_before_or_after(flip_first: bool) -> None:
    flip = RandomFlipAroundRoot(
        {"center_mode": "image"}, {"center_x": 0.0}, flip_prob=1.0, flip_camera=True
    )
    steps = [flip, RandomViewpoint(pitch=10)]
    sample = window()
    for step in steps if flip_first else steps[::-1]:
        sample = step(sample)
    target, camera = sample.meta["lifting_target"], sample.meta["camera_param"]
    assert sample.keypoints is not None
    np.testing.assert_allclose(
        sample.keypoints[1:2], camera_to_pixel(target, camera), rtol=1e-4, atol=1e-2
    )
    # Limbs keep their lengths, of which the left one is the right one now.
    before, root = world_poses()[1], target[0, 0]
    np.testing.assert_allclose(
        np.linalg.norm(target[0] - root, axis=1),
        np.linalg.norm(before[list(FLIPS)] - before[0], axis=1),
        atol=1e-5,
    )


def test_unknown_points_become_invisible() -> None:
    known = np.ones((T, K), np.float32)
    known[0, 3] = 0
    sample = window(keypoints_3d_visible=known)
    sample.meta["keypoints_3d"] = sample.meta["keypoints_3d"].copy()
    sample.meta["keypoints_3d"][0, 3] = 0
    moved = RandomViewpoint(pitch=10)(sample)
    assert moved.keypoints is not None
    np.testing.assert_array_equal(moved.keypoints_visible, known)
    np.testing.assert_array_equal(moved.keypoints[0, 3], [0, 0])
    assert np.isfinite(moved.keypoints).all()


def test_samples_that_stay_as_they_are() -> None:
    near = level_camera(far=1.5, height=0.1)
    for sample, transform in (
        (window(near), RandomViewpoint(distance=(0.1, 0.1))),
        (window(lifting_target_visible=np.zeros((1, K))), RandomViewpoint()),
        (window(), RandomViewpoint(prob=0)),
    ):
        before = [array.copy() for array in arrays(sample)]
        for one, other in zip(before, arrays(transform(sample)), strict=True):
            np.testing.assert_array_equal(one, other)
        assert "keypoints_3d" not in sample.meta


def test_targets_of_all_frames_need_no_other_poses() -> None:
    expected = RandomViewpoint(pitch=10)(window()).keypoints
    sample = window()
    sample.meta["lifting_target"] = sample.meta.pop("keypoints_3d")
    sample.meta["lifting_target_visible"] = sample.meta.pop("keypoints_3d_visible")
    moved = RandomViewpoint(pitch=10)(sample)
    np.testing.assert_allclose(moved.keypoints, np.asarray(expected), atol=1e-3)
    camera = moved.meta["camera_param"]
    np.testing.assert_allclose(
        camera_to_pixel(moved.meta["lifting_target"], camera), moved.keypoints, atol=1e-2
    )


def test_mistakes() -> None:
    with pytest.raises(ConfigError) as error:
        RandomViewpoint(yaw=200, pitch=-1, distance=(2, 1), focal=(0, 1), up="Y", prob=2)
    for message in (
        "yaw is an angle from 0 to 180 degrees, got 200",
        "pitch is an angle from 0 to 90 degrees, got -1",
        r"distance is the smallest and the largest factor, both above 0, got [2, 1]",
        "focal is the smallest",
        "up is one of x, y, z, got 'Y'",
        "prob is from 0 to 1, got 2",
    ):
        assert message in str(error.value)
    sample = window()
    del sample.meta["keypoints_3d"]
    with pytest.raises(DataError, match="window_poses: true in the dataset"):
        RandomViewpoint()(sample)
    sample = window(camera_param={"w": 1000, "h": 800})
    with pytest.raises(DataError, match=r"meta\['camera_param'\] with 'R' and 'T'"):
        RandomViewpoint()(sample)
