from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from raypose.errors import ConfigError, DataError
from raypose.ops.cameras import camera_to_pixel
from raypose.structures import PoseSample
from raypose.transforms import KeypointConverter, RandomFlipAroundRoot, SingleHandConverter
from tests.transforms.conftest import MakeSample


def test_converter_rearranges_everything_that_counts_keypoints(make_sample: MakeSample) -> None:
    # nose <- 2, left <- 0, right <- 1, middle <- between 0 and 1, nothing <- 4
    converter = KeypointConverter(5, [[2, 0], [0, 1], [1, 2], [[0, 1], 3]])
    sample = converter(make_sample())
    expected = [[40, 50], [30, 20], [80, 60], [55, 40], [0, 0]]
    np.testing.assert_array_equal(sample.keypoints, [expected])
    np.testing.assert_array_equal(sample.keypoints_visible, [[0, 1, 1, 1, 0]])
    np.testing.assert_array_equal(sample.meta["keypoints_visible_weights"], [[1, 1, 1, 1, 0]])
    assert sample.flip_indices == (0, 2, 1, 3, 4)
    assert sample.upper_body_ids == (1, 2, 3)
    assert sample.lower_body_ids == (0,)


def test_converter_takes_the_lifting_target_along(make_sample: MakeSample) -> None:
    target = np.arange(12, dtype=np.float32).reshape(1, 4, 3)
    sample = KeypointConverter(2, [[3, 0], [[0, 2], 1]])(
        make_sample(meta={"lifting_target": target})
    )
    np.testing.assert_array_equal(sample.meta["lifting_target"], [[[9, 10, 11], [3, 4, 5]]])
    np.testing.assert_array_equal(sample.meta["lifting_target_visible"], [[1, 1]])


def test_converter_reports_its_mistakes_together(make_sample: MakeSample) -> None:
    with pytest.raises(ConfigError) as caught:
        KeypointConverter(2, [[0, 2], [0], [[0, 1, 2], 1]])
    assert len(caught.value.problems) == 3
    assert "mapping.0: target 2 is not below 2" in caught.value.problems[0]
    with pytest.raises(DataError, match="mapping takes keypoint 7, the sample has 4"):
        KeypointConverter(2, [[7, 0]])(make_sample())


CAMERA = {
    "f": np.array([[1000.0], [1100.0]]),
    "c": np.array([[480.0], [510.0]]),
    "k": np.array([0.1, -0.05, 0.01]),
    "p": np.array([0.002, -0.001]),
    "w": 1000,
    "h": 1000,
}


@pytest.fixture
def lifted() -> PoseSample:
    rng = np.random.default_rng(0)
    target = rng.uniform(-1, 1, (3, 4, 3)).astype(np.float32) + np.array([0, 0, 5], np.float32)
    return PoseSample(
        id="x",
        keypoints=camera_to_pixel(target, CAMERA).astype(np.float32),
        keypoints_visible=np.array([[1, 0, 1, 1]] * 3, np.float32),
        flip_indices=(1, 0, 2, 3),
        meta={"lifting_target": target, "camera_param": dict(CAMERA)},
    )


def test_flip_around_static_centers(lifted: PoseSample) -> None:
    keypoints, target = lifted.keypoints, lifted.meta["lifting_target"]
    assert keypoints is not None
    flip = RandomFlipAroundRoot({"center_x": 500.0}, {"center_x": 0.0}, flip_prob=1.0)
    sample = flip(lifted)
    assert sample.keypoints is not None
    np.testing.assert_allclose(sample.keypoints[:, 0, 0], 1000 - keypoints[:, 1, 0], rtol=1e-6)
    np.testing.assert_allclose(sample.keypoints[:, 2, 1], keypoints[:, 2, 1])
    np.testing.assert_allclose(sample.meta["lifting_target"][:, 1, 0], -target[:, 0, 0])
    np.testing.assert_array_equal(sample.keypoints_visible, [[0, 1, 1, 1]] * 3)
    np.testing.assert_array_equal(sample.meta["camera_param"]["c"], CAMERA["c"])


def test_flip_around_a_root(lifted: PoseSample) -> None:
    target = lifted.meta["lifting_target"]
    root = {"center_mode": "root", "center_index": [0, 1]}
    sample = RandomFlipAroundRoot(root, root, flip_prob=1.0)(lifted)
    center = target[:, :2, 0].mean(axis=1)
    np.testing.assert_allclose(
        sample.meta["lifting_target"][:, 3, 0], 2 * center - target[:, 3, 0], atol=1e-6
    )


def test_poses_of_all_frames_are_mirrored_like_the_target(lifted: PoseSample) -> None:
    poses = np.concatenate([lifted.meta["lifting_target"]] * 2)
    lifted.meta["keypoints_3d"] = poses
    lifted.meta["keypoints_3d_visible"] = np.arange(len(poses) * 4.0).reshape(-1, 4)
    sample = RandomFlipAroundRoot({}, {"center_x": 0.0}, flip_prob=1.0)(lifted)
    mirrored, target = sample.meta["keypoints_3d"], sample.meta["lifting_target"]
    np.testing.assert_array_equal(mirrored, np.concatenate([target] * 2))
    np.testing.assert_array_equal(sample.meta["keypoints_3d_visible"][0], [1, 0, 2, 3])


def test_the_mirrored_camera_sees_the_mirrored_pose(lifted: PoseSample) -> None:
    before = lifted.meta["camera_param"]
    flip = RandomFlipAroundRoot(
        {"center_x": 500.0}, {"center_x": 0.0}, flip_prob=1.0, flip_camera=True
    )
    sample = flip(lifted)
    seen = camera_to_pixel(sample.meta["lifting_target"], sample.meta["camera_param"])
    np.testing.assert_allclose(seen, sample.keypoints, atol=1e-2)
    np.testing.assert_array_equal(before["c"], CAMERA["c"])


def test_flip_around_the_middle_of_the_image(lifted: PoseSample) -> None:
    assert lifted.keypoints is not None
    before = lifted.keypoints.copy()
    flip = RandomFlipAroundRoot(
        {"center_mode": "image"}, {"center_x": 0.0}, flip_prob=1.0, flip_camera=True
    )
    sample = flip(lifted)
    assert sample.keypoints is not None
    np.testing.assert_allclose(sample.keypoints[:, 2, 0], CAMERA["w"] - before[:, 2, 0], rtol=1e-5)
    seen = camera_to_pixel(sample.meta["lifting_target"], sample.meta["camera_param"])
    np.testing.assert_allclose(seen, sample.keypoints, atol=1e-2)
    del sample.meta["camera_param"]
    with pytest.raises(DataError, match=r"'image' needs meta\['camera_param'\]\['w'\]"):
        flip(sample)
    with pytest.raises(ConfigError, match="center_mode is 'static' or 'root', got 'image'"):
        RandomFlipAroundRoot({}, {"center_mode": "image"})


def test_flip_probability(lifted: PoseSample) -> None:
    lifted.rng = np.random.default_rng(0)
    flip, count = RandomFlipAroundRoot({}, {}, flip_prob=0.3), 0
    for _ in range(1000):
        before = lifted.keypoints
        lifted = flip(lifted)
        count += lifted.keypoints is not before
    assert count / 1000 == pytest.approx(0.3, abs=0.05)


def test_flip_around_root_mistakes(lifted: PoseSample) -> None:
    with pytest.raises(ConfigError, match="Did you mean 'center_x'"):
        RandomFlipAroundRoot({"centre_x": 1}, {})
    with pytest.raises(ConfigError, match="static center"):
        RandomFlipAroundRoot({"center_mode": "root"}, {}, flip_camera=True)
    with pytest.raises(DataError, match=r"meta\['lifting_target'\]"):
        RandomFlipAroundRoot({}, {}, flip_prob=1.0)(PoseSample(id="x"))
    del lifted.meta["camera_param"]
    with pytest.raises(DataError, match="flip_camera needs"):
        RandomFlipAroundRoot({}, {}, flip_prob=1.0, flip_camera=True)(lifted)


@pytest.mark.parametrize(
    ("hand_type", "placed"), [([[1, 0]], [0, 1]), ([[0, 1]], [2, 3])], ids=["right", "left"]
)
def test_a_hand_has_its_place_among_two(
    make_sample: MakeSample, hand_type: list[list[int]], placed: list[int]
) -> None:
    converter = SingleHandConverter(4, [[2, 2], [0, 3]], [[2, 0], [0, 1]])
    given = make_sample(meta={"hand_type": np.array(hand_type, np.float32)})
    before = given.keypoints
    sample = converter(given)
    assert before is not None
    assert sample.keypoints is not None
    np.testing.assert_array_equal(sample.keypoints[0, placed], before[0, [2, 0]])
    weights = sample.meta["keypoints_visible_weights"][0]
    assert np.flatnonzero(weights).tolist() == placed
    assert sample.flip_indices == (2, 3, 0, 1)


@pytest.mark.parametrize("meta", [{}, {"hand_type": [[1, 1]]}, {"hand_type": [[0, 0]]}])
def test_one_hand_is_expected(make_sample: MakeSample, meta: dict[str, Any]) -> None:
    converter = SingleHandConverter(4, [[0, 2]], [[0, 0]])
    with pytest.raises(DataError, match=r"needs hand_type|both hands are seen|no hand is seen"):
        converter(make_sample(meta=meta))


def test_mappings_of_hands_are_checked() -> None:
    with pytest.raises(ConfigError, match=r"left_hand_mapping\.0: target 9 is not below 4"):
        SingleHandConverter(4, [[0, 9]], [[0, 0]])
