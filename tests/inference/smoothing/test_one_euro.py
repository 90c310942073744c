from __future__ import annotations

import numpy as np
import pytest

from raypose.inference.smoothing import OneEuroFilter
from raypose.structures import Poses

SHAPE = np.array([[0, 0], [100, 0], [100, 100], [0, 100], [50, 50]], np.float32)


def frame(*points: np.ndarray, ids: list[int] | None = None) -> Poses:
    keypoints = np.stack(points).astype(np.float32)
    return Poses(
        keypoints=keypoints,
        keypoint_scores=np.ones(keypoints.shape[:2], np.float32),
        track_ids=np.array(ids or range(len(points)), np.int64),
    )


def run(poses: list[Poses], times: np.ndarray, **options: float) -> np.ndarray:
    """Filtered keypoints (frames, N, K, D)."""
    euro = OneEuroFilter(**options)
    out = []
    for each, time in zip(poses, times.tolist(), strict=True):
        (one,) = euro.push(each, time)
        out.append(one.keypoints)
    assert euro.flush() == []
    return np.stack(out)


def low_pass(cutoff: float, step: float) -> float:
    return 1 / (1 + 1 / (2 * np.pi * cutoff) / step)


def test_three_frames_by_hand() -> None:
    # The box of the pose has an area of 100 x 100, so speeds are in hundreds of pixels a second.
    moved = SHAPE.copy()
    moved[4] += (30, 40)
    got = run([frame(p) for p in (SHAPE, moved, moved)], np.array([0.0, 0.1, 0.3]), beta=2.0)
    np.testing.assert_allclose(got[:, 0, :4], [SHAPE[:4]] * 3, atol=1e-4)
    speed = low_pass(1.0, 0.1) * 50 / 0.1
    along = low_pass(1.0 + 2.0 * speed / 100, 0.1) * 50
    np.testing.assert_allclose(got[1, 0, 4], [50 + 0.6 * along, 50 + 0.8 * along], rtol=1e-5)
    speed += low_pass(1.0, 0.2) * ((50 - along) / 0.2 - speed)
    along += low_pass(1.0 + 2.0 * speed / 100, 0.2) * (50 - along)
    np.testing.assert_allclose(got[2, 0, 4], [50 + 0.6 * along, 50 + 0.8 * along], rtol=1e-5)


def test_a_still_body_trembles_less_and_a_quick_one_hardly_lags() -> None:
    rng, times = np.random.default_rng(0), np.arange(300) / 30
    still = SHAPE + rng.normal(0, 1, (300, *SHAPE.shape))
    steady = run([frame(p) for p in still], times)[30:, 0] - SHAPE
    assert steady.std() < 0.5
    quick = SHAPE + 400 * times[:, None, None] * (1, 0)
    lag = (quick - run([frame(p) for p in quick], times)[:, 0])[30:, :, 0]
    # Its cutoff is at least 1 + 10 * 4 Hz, its time constant 1 / (2 pi) of the inverse of that.
    assert 0 < lag.max() < 400 / (2 * np.pi * 41)


def test_near_and_far_bodies_are_smoothed_alike() -> None:
    rng, times = np.random.default_rng(0), np.arange(40) / 30
    walk = SHAPE + rng.normal(0, 5, (40, *SHAPE.shape)).cumsum(axis=0)
    near, far = run([frame(p, p / 10) for p in walk], times).transpose(1, 0, 2, 3)
    np.testing.assert_allclose(near / 10, far, atol=1e-3)


def test_longer_steps_smooth_less() -> None:
    moved = SHAPE + np.array([5, 0])
    follows = [
        run([frame(SHAPE), frame(moved)], np.array([0.0, step]), beta=0.0)[1, 0, 0, 0]
        for step in (0.01, 0.1, 1.0)
    ]
    np.testing.assert_allclose(follows, [5 * low_pass(1.0, step) for step in (0.01, 0.1, 1.0)])


def test_tracks_are_apart_in_whatever_order_they_come() -> None:
    rng, times = np.random.default_rng(0), np.arange(20) / 30
    walks = SHAPE + rng.normal(0, 5, (3, 20, *SHAPE.shape)).cumsum(axis=1)
    alone = [run([frame(p) for p in walk], times)[:, 0] for walk in walks]
    euro = OneEuroFilter()
    for i, time in enumerate(times.tolist()):
        order = rng.permutation(3)
        (got,) = euro.push(frame(*walks[order, i], ids=[7 * int(n) for n in order]), time)
        for row, n in enumerate(order):
            np.testing.assert_allclose(got.keypoints[row], alone[n][i], rtol=1e-5)


def test_a_keypoint_of_low_score_is_untouched_and_leaves_no_trace() -> None:
    steps = [frame(SHAPE + 3 * i) for i in range(6)]
    steps[3].keypoints[0, 2] = (9999, -9999)
    steps[3].keypoint_scores[0, 2] = 0.1
    times = np.arange(6) / 30
    got = run(steps, times)
    assert got[3, 0, 2].tolist() == [9999, -9999]
    without = run([step for i, step in enumerate(steps) if i != 3], np.delete(times, 3))
    np.testing.assert_allclose(got[4:, 0, 2], without[3:, 0, 2], rtol=1e-5)
    assert np.abs(got[4:, 0, 2] - (100, 100)).max() < 20


def test_3d_keypoints_are_smoothed_by_their_own_size() -> None:
    rng = np.random.default_rng(0)
    lifted = rng.normal(0, 1, (1, 4, 3)) + rng.normal(0, 0.02, (60, 1, 4, 3))
    for unit in (1.0, 1000.0):
        euro, out = OneEuroFilter(), []
        for i, pose in enumerate(lifted):
            values = (pose * unit).astype(np.float32)
            out += euro.push(frame(SHAPE).replace(keypoints_3d=values), i / 30)
        got = np.stack([poses.keypoints_3d for poses in out]) / unit
        assert got[20:].std(axis=0).max() < 0.6 * lifted[20:].std(axis=0).max()


def test_what_it_remembers_is_bounded() -> None:
    euro = OneEuroFilter()
    for i in range(200):
        euro.push(frame(SHAPE, ids=[i + 1]), i / 10)
        assert euro.num_tracks <= 22
    # Someone who returns after that is new.
    (back,) = euro.push(frame(SHAPE + 77, ids=[5]), 20.0)
    assert back.keypoints[0, 0].tolist() == pytest.approx([77, 77])
