from __future__ import annotations

import numpy as np
import pytest

from raypose.inference.tracking.motion import Motion
from raypose.inference.tracking.observations import Observations

SHAPE = np.array([[0.0, 0], [100, 0], [100, 100], [0, 100]])


def seen(points: np.ndarray, known: np.ndarray | None = None, area: float = 1e4) -> Observations:
    return Observations(
        points=points[None],
        known=np.ones((1, 4), np.bool_) if known is None else known[None],
        areas=np.array([area]),
    )


def follow(points: np.ndarray, area: float = 1e4) -> np.ndarray:
    """Predictions (frames, 4, 2) for the frames after those given (frames, 4, 2)."""
    motion, predictions = Motion(4), []
    motion.start(seen(points[0], area=area))
    for here in points[1:]:
        predictions.append(motion.predict().points[0].copy())
        motion.correct(np.array([0]), seen(here, area=area))
    return np.stack(predictions)


def test_a_steady_walk_is_foreseen() -> None:
    walk = SHAPE + 10.0 * np.arange(15)[:, None, None]
    error = np.abs(follow(walk) - walk[1:]).max(axis=(1, 2))
    # The first prediction knows of no motion; later ones lack a little of a velocity that fades.
    assert error[0] == pytest.approx(10)
    assert error[5:].max() < 2.5


def test_a_limb_that_swings_does_not_tear_the_body_apart() -> None:
    swing = np.repeat(SHAPE[None], 15, axis=0)
    swing[:, 2, 0] += 20 * np.arange(15)
    ahead = follow(swing)[-1]
    # A quarter of the points moves: the body goes along with a quarter of its velocity.
    np.testing.assert_allclose(ahead[[0, 1, 3], 1], SHAPE[[0, 1, 3], 1], atol=1e-9)
    assert np.abs(ahead[[0, 1, 3], 0] - SHAPE[[0, 1, 3], 0]).max() < 6


def test_near_and_far_bodies_move_alike() -> None:
    rng = np.random.default_rng(0)
    walk = SHAPE + rng.normal(0, 10, (20, 1, 2)).cumsum(axis=0) + rng.normal(0, 2, (20, 4, 2))
    np.testing.assert_allclose(follow(walk * 10, area=1e6), follow(walk) * 10, rtol=1e-6)


def test_whoever_is_lost_slows_down() -> None:
    motion = Motion(4)
    motion.start(seen(SHAPE))
    for step in range(1, 12):
        motion.predict()
        motion.correct(np.array([0]), seen(SHAPE + 10.0 * step))
    places = np.array([motion.predict().points[0, 0, 0] for _ in range(60)])
    speeds = np.diff(places)
    np.testing.assert_allclose(speeds[1:] / speeds[:-1], 0.9, rtol=1e-6)
    assert 160 < places[-1] < 220


def test_points_out_of_sight_go_along_with_the_body() -> None:
    motion = Motion(4)
    motion.start(seen(SHAPE, np.array([True, True, True, False])))
    for step in range(1, 15):
        motion.predict()
        known = np.array([True, True, step < 3, step > 12])
        motion.correct(np.array([0]), seen(SHAPE + np.array([10.0 * step, 0.0]), known))
    assert motion.known.tolist() == [[True] * 4]
    # The third was left behind a little while its body's velocity was not yet known.
    ahead = motion.predict().points[0] - SHAPE
    assert np.abs(ahead[[0, 1, 3]] - (150, 0)).max() < 3
    assert np.abs(ahead[2] - (150, 0)).max() < 40


def test_the_size_is_averaged_over_time_and_tracks_are_dropped() -> None:
    motion = Motion(4)
    motion.start(seen(SHAPE))
    motion.start(seen(SHAPE + 500))
    motion.correct(np.array([1]), seen(SHAPE + 500, area=2e4))
    np.testing.assert_allclose(motion.areas, [1e4, 1.2e4])
    motion.keep(np.array([False, True]))
    assert len(motion) == 1
    np.testing.assert_allclose(motion.points[0], SHAPE + 500)
