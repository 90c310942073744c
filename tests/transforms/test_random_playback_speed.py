from __future__ import annotations

import numpy as np
import pytest

from raypose.errors import ConfigError, DataError
from raypose.structures import PoseSample
from raypose.transforms import Compose, RandomPlaybackSpeed

K = 2


def window(count: int = 9) -> PoseSample:
    """A window in which the x of a keypoint is the square of its frame's number."""
    squares = np.arange(count, dtype=np.float32) ** 2
    keypoints = np.zeros((count, K, 2), np.float32)
    keypoints[..., 0] = squares[:, None]
    poses = np.zeros((count, K, 3), np.float32)
    poses[..., 2] = squares[:, None]
    return PoseSample(
        id="run_000004",
        keypoints=keypoints,
        keypoints_visible=np.ones((count, K), np.float32),
        meta={
            "lifting_target": poses[count // 2 : count // 2 + 1],
            "keypoints_3d": poses,
            "keypoints_3d_visible": np.ones((count, K), np.float32),
        },
        rng=np.random.default_rng(1),
    )


def x_of(sample: PoseSample) -> np.ndarray:
    assert sample.keypoints is not None
    assert sample.keypoints_visible is not None
    assert sample.keypoints.dtype == np.float32
    assert sample.keypoints_visible.shape == sample.keypoints.shape[:2]
    np.testing.assert_array_equal(
        sample.meta["keypoints_3d"][..., 2], sample.keypoints[..., 0], strict=True
    )
    return sample.keypoints[:, 0, 0]


@pytest.mark.parametrize(
    ("speed", "expected"),
    [
        (1, [9, 16, 25]),
        (2, [4, 16, 36]),
        (4, [0, 16, 64]),
        # Frames 2.5 and 5.5: half way from 4 to 9, and from 25 to 36.
        (1.5, [6.5, 16, 30.5]),
        (0.25, [16 - 7 / 4, 16, 16 + 9 / 4]),
    ],
)
def test_frames_at_a_given_distance(speed: float, expected: list[float]) -> None:
    sample = RandomPlaybackSpeed(3, (speed, speed))(window())
    np.testing.assert_allclose(x_of(sample), expected, rtol=1e-5)
    np.testing.assert_array_equal(sample.meta["lifting_target"][..., 2], 16)


def test_causal_windows_end_with_the_target() -> None:
    sample = RandomPlaybackSpeed(3, (1.5, 1.5), causal=True)(window())
    np.testing.assert_allclose(x_of(sample), [25, (36 + 49) / 2, 64], rtol=1e-5)
    sample = RandomPlaybackSpeed(2, (1, 1), causal=True)(window(2))
    np.testing.assert_allclose(x_of(sample), [0, 1], rtol=1e-5)


def test_a_point_between_frames_is_seen_where_both_see_it() -> None:
    sample = window()
    for visible in (sample.keypoints_visible, sample.meta["keypoints_3d_visible"]):
        assert visible is not None
        visible[2, 0] = 0
    # Frames 2.5, 4 and 5.5.
    moved = RandomPlaybackSpeed(3, (1.5, 1.5))(sample)
    np.testing.assert_array_equal(moved.keypoints_visible, [[0, 1], [1, 1], [1, 1]])
    np.testing.assert_array_equal(
        moved.meta["keypoints_3d_visible"], np.asarray(moved.keypoints_visible)
    )
    # Frame 3 is not between others.
    sample = window()
    assert sample.keypoints_visible is not None
    sample.keypoints_visible[[2, 4], 0] = 0
    moved = RandomPlaybackSpeed(3, (1, 1))(sample)
    np.testing.assert_array_equal(moved.keypoints_visible, [[1, 1], [0, 1], [1, 1]])


def test_speeds_are_drawn_evenly_on_a_logarithmic_scale() -> None:
    transform = RandomPlaybackSpeed(3, (0.5, 2))
    rng, speeds = np.random.default_rng(0), []
    for _ in range(1000):
        sample = window()
        sample.keypoints = np.arange(9, dtype=np.float32).repeat(2 * K).reshape(9, K, 2)
        sample.rng = rng
        moved = transform(sample).keypoints
        assert moved is not None
        speeds.append(moved[2, 0, 0] - 4)
    assert min(speeds) == pytest.approx(0.5, abs=0.01)
    assert max(speeds) == pytest.approx(2, abs=0.02)
    assert np.mean(np.array(speeds) < 1) == pytest.approx(0.5, abs=0.05)


def test_a_window_is_played_alike_every_time() -> None:
    transform = Compose([RandomPlaybackSpeed(3, (0.5, 2))])

    def played(epoch: int) -> np.ndarray:
        sample = transform(window(), epoch)
        assert sample is not None
        return x_of(sample)

    np.testing.assert_array_equal(played(1), played(1))
    assert np.abs(played(1) - played(2)).max() > 0.01


def test_mistakes() -> None:
    with pytest.raises(ConfigError) as error:
        RandomPlaybackSpeed(4, (2, 1))
    assert "num_frames is odd and at least 3, got 4" in str(error.value)
    assert "speed is the smallest and the largest one, both above 0, got [2, 1]" in str(error.value)
    with pytest.raises(ConfigError, match="num_frames is at least 2, got 1"):
        RandomPlaybackSpeed(1, causal=True)
    # 4 frames to either side, 2.5 apart.
    with pytest.raises(DataError, match="takes 9 of 21 frames, got 19; set seq_len: 21"):
        RandomPlaybackSpeed(9, (1, 2.5))(window(19))
    with pytest.raises(DataError, match="10 frames have no middle one"):
        RandomPlaybackSpeed(3)(window(10))
