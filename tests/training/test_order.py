"""The order of samples: a property of seed and epoch, never of the number of workers."""

from __future__ import annotations

import numpy as np
import pytest

from raypose.errors import ConfigError
from raypose.training.order import SampleOrder


def test_shares_of_workers_make_up_the_same_global_batches() -> None:
    alone = SampleOrder(num_samples=21, batch_size=6, seed=3).epoch(4)
    shares = [
        SampleOrder(num_samples=21, batch_size=6, seed=3, rank=rank, world_size=3).epoch(4)
        for rank in range(3)
    ]
    np.testing.assert_array_equal(np.concatenate(shares, axis=1), alone)


def test_every_sample_comes_once_and_the_last_batch_is_filled_from_the_start() -> None:
    order = SampleOrder(num_samples=10, batch_size=4)
    flat = order.epoch(0).ravel()
    assert order.steps_per_epoch == 3
    assert sorted(flat[:10]) == list(range(10))
    np.testing.assert_array_equal(flat[10:], flat[:2])


def test_epochs_and_seeds_differ_and_repeat() -> None:
    order = SampleOrder(num_samples=50, batch_size=10, seed=1)
    assert not np.array_equal(order.epoch(0), order.epoch(1))
    np.testing.assert_array_equal(order.epoch(1), order.epoch(1))
    other = SampleOrder(num_samples=50, batch_size=10, seed=2)
    assert not np.array_equal(order.epoch(0), other.epoch(0))


def test_a_resumed_run_sees_what_it_would_have_seen() -> None:
    order = SampleOrder(num_samples=9, batch_size=3)
    whole = list(order.batches(0, 4))
    assert list(order.batches(2, 4)) == whole[2 * order.steps_per_epoch :]


def test_mistakes_are_named() -> None:
    with pytest.raises(ConfigError, match=r"batch_size \(5\).*divisible.*\(2\)"):
        SampleOrder(num_samples=9, batch_size=5, world_size=2)
    with pytest.raises(ConfigError, match="empty"):
        SampleOrder(num_samples=0, batch_size=5)
