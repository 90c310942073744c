"""The order of samples: a property of seed and epoch, never of the number of workers."""

from __future__ import annotations

import numpy as np
import pytest

from raypose.errors import ConfigError
from raypose.training.feeds.order import SampleOrder, SamplePool


def test_shares_of_workers_make_up_the_same_global_batches() -> None:
    alone = SampleOrder(pool=SamplePool(sizes=(21,), seed=3), batch_size=6).epoch(4)
    shares = [
        SampleOrder(
            pool=SamplePool(sizes=(21,), seed=3), batch_size=6, rank=rank, world_size=3
        ).epoch(4)
        for rank in range(3)
    ]
    np.testing.assert_array_equal(np.concatenate(shares, axis=1), alone)


def test_every_sample_comes_once_and_the_last_batch_is_filled_from_the_start() -> None:
    order = SampleOrder(pool=SamplePool(sizes=(10,)), batch_size=4)
    flat = order.epoch(0).ravel()
    assert order.steps(0) == 3
    assert sorted(flat[:10]) == list(range(10))
    np.testing.assert_array_equal(flat[10:], flat[:2])


def test_epochs_and_seeds_differ_and_repeat() -> None:
    order = SampleOrder(pool=SamplePool(sizes=(50,), seed=1), batch_size=10)
    assert not np.array_equal(order.epoch(0), order.epoch(1))
    np.testing.assert_array_equal(order.epoch(1), order.epoch(1))
    other = SampleOrder(pool=SamplePool(sizes=(50,), seed=2), batch_size=10)
    assert not np.array_equal(order.epoch(0), other.epoch(0))


def test_mistakes_are_named() -> None:
    with pytest.raises(ConfigError, match=r"batch_size \(1\).*leaves some of them \(2\) without"):
        SampleOrder(pool=SamplePool(sizes=(9,)), batch_size=1, world_size=2)
    with pytest.raises(ConfigError, match="empty"):
        SampleOrder(pool=SamplePool(sizes=(0,)), batch_size=5)


def test_an_epoch_takes_its_share_of_each_part_and_others_the_next_time() -> None:
    pool = SamplePool(sizes=(40, 10, 5), shares=((0, (0.5, 1.0, 0.0)),), seed=2)
    order = SampleOrder(pool=pool, batch_size=5)
    assert order.steps(0) == 6
    epochs = [np.sort(order.epoch(epoch).ravel()) for epoch in range(2)]
    for positions in epochs:
        assert len(set(positions)) == 30
        assert (positions < 40).sum() == 20
        np.testing.assert_array_equal(positions[20:], range(40, 50))
    assert not np.array_equal(epochs[0], epochs[1])
    again = SamplePool(sizes=(40, 10, 5), shares=((0, (0.5, 1.0, 0.0)),), seed=2)
    np.testing.assert_array_equal(pool.positions(1), again.positions(1))


def test_shares_may_change_with_the_epoch() -> None:
    pool = SamplePool(sizes=(6, 3), shares=((2, (0.0, 1.0)),))
    order = SampleOrder(pool=pool, batch_size=3)
    assert [order.steps(epoch) for epoch in range(4)] == [3, 3, 1, 1]
    assert [order.epoch(epoch).shape for epoch in (0, 2)] == [(3, 3), (1, 3)]
    assert sorted(order.epoch(3).ravel()) == [6, 7, 8]


def test_shares_that_do_not_fit() -> None:
    with pytest.raises(ConfigError, match="sample_ratio_factor has 1 numbers, the dataset has 2"):
        SamplePool(sizes=(6, 3), shares=((0, (1.0,)),))
    with pytest.raises(ConfigError, match="leaves no sample"):
        SamplePool(sizes=(6, 3), shares=((0, (0.0, 0.1)),))
