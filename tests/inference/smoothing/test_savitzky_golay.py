from __future__ import annotations

import numpy as np
import pytest
from scipy.signal import savgol_filter

from raypose.inference.smoothing import SavitzkyGolayFilter
from raypose.structures import Poses


def frame(points: np.ndarray, ids: list[int]) -> Poses:
    return Poses(
        keypoints=points.astype(np.float32),
        keypoint_scores=np.ones(points.shape[:2], np.float32),
        keypoints_3d=points.repeat(2, axis=2)[..., :3].astype(np.float32),
        track_ids=np.array(ids, np.int64),
    )


def run(frames: list[Poses], times: np.ndarray, length: int, order: int) -> list[Poses]:
    savgol, out = SavitzkyGolayFilter(length, order), []
    for poses, time in zip(frames, times.tolist(), strict=True):
        out += savgol.push(poses, time)
    return out + savgol.flush()


@pytest.mark.parametrize(("length", "order"), [(3, 0), (5, 2), (7, 2), (9, 3), (1, 0)])
def test_tracks_without_gaps_are_as_scipy_has_them(length: int, order: int) -> None:
    rng = np.random.default_rng(0)
    points = rng.uniform(0, 10, (20, 3, 4, 2))
    orders = [rng.permutation(3) for _ in points]
    frames = [frame(p[o], o.tolist()) for p, o in zip(points, orders, strict=True)]
    out = run(frames, np.arange(20) / 25, length, order)
    want = np.asarray(savgol_filter(points, length, order, axis=0, mode="interp"))
    for poses, o, expected in zip(out, orders, want, strict=True):
        np.testing.assert_allclose(poses.keypoints, expected[o], atol=1e-4)
        assert poses.keypoints_3d is not None
        np.testing.assert_allclose(poses.keypoints_3d[..., 0], expected[o][..., 0], atol=1e-4)


def test_frames_come_half_a_window_late() -> None:
    savgol = SavitzkyGolayFilter(7, 2)
    counts = [len(savgol.push(frame(np.zeros((1, 2, 2)), [0]), float(i))) for i in range(12)]
    assert counts == [0] * 6 + [4] + [1] * 5
    assert len(savgol.flush()) == 3


@pytest.mark.parametrize("count", [1, 2, 4, 6])
def test_a_stream_shorter_than_the_window(count: int) -> None:
    line = np.arange(count)[:, None, None, None] * np.ones((1, 2, 3, 2))
    out = run([frame(p, [4, 9]) for p in line], np.arange(count) / 10, 7, 1)
    np.testing.assert_allclose([poses.keypoints for poses in out], line, atol=1e-5)


def test_polynomials_stay_as_they_are_whatever_the_steps_and_gaps() -> None:
    rng = np.random.default_rng(0)
    times = rng.uniform(0.02, 0.1, 40).cumsum()
    slope, bend = rng.normal(0, 50, (2, 2, 3, 2))
    points = slope * times[:, None, None, None] + bend * times[:, None, None, None] ** 2
    # Track 1 starts late, vanishes for a while and ends early.
    present = [[0, 1] if 5 <= i < 35 and i not in (15, 16, 17, 22) else [0] for i in range(40)]
    frames = [frame(p[ids], ids) for p, ids in zip(points, present, strict=True)]
    out = run(frames, times, 7, 2)
    for poses, p, ids in zip(out, points, present, strict=True):
        assert poses.track_ids is not None
        assert poses.track_ids.tolist() == ids  # nobody is invented
        np.testing.assert_allclose(poses.keypoints, p[ids], atol=1e-3)


def test_a_keypoint_of_low_score_is_untouched_and_does_not_drag() -> None:
    frames = [frame(np.full((1, 2, 2), 3.0 * i), [0]) for i in range(15)]
    frames[7].keypoints[0, 1] = 9999
    frames[7].keypoint_scores[0, 1] = 0.1
    frames[8].keypoints[0, 1] = np.nan
    for i, poses in enumerate(run(frames, np.arange(15) / 30, 7, 1)):
        np.testing.assert_allclose(poses.keypoints[0, 0], 3 * i, atol=1e-4)
        want = {7: 9999, 8: np.nan}.get(i, 3 * i)
        np.testing.assert_allclose(poses.keypoints[0, 1], want, atol=1e-4)


def test_noise_shrinks() -> None:
    noise = np.random.default_rng(0).normal(0, 1, (300, 1, 5, 2))
    out = run([frame(p, [0]) for p in noise], np.arange(300) / 30, 11, 2)
    # The middle weight of the filter, 89 / 429, is what is left of the variance.
    left = np.stack([poses.keypoints for poses in out[5:-5]]).var()
    assert left == pytest.approx(89 / 429, rel=0.1)
