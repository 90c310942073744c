"""Contract 9: what a transform draws depends on the seed, the epoch and the sample's id only."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from raypose.config import Config, build_dataset, build_pipeline
from raypose.structures import PoseBatch
from raypose.training.feeds.feed import LocalFeed
from raypose.training.feeds.order import SampleOrder, SamplePool
from tests.extension.conftest import Load

EPOCHS = 2
Crops = dict[tuple[int, int], np.ndarray]


@pytest.fixture(scope="module")
def config(load: Load) -> Config:
    """Flips, boxes, colours, and a transform that drops some people."""
    return load("people", "data.train.pipeline.0.min_height=120")


@pytest.fixture(scope="module")
def expected(config: Config) -> list[PoseBatch]:
    """The batches of one process that loads by itself."""
    return list(feed(config).train(0, EPOCHS))


def feed(config: Config, rank: int = 0, world_size: int = 1, num_workers: int = 0) -> LocalFeed:
    dataset = build_dataset(config, "train")
    return LocalFeed(
        order(config, len(dataset), rank, world_size),
        (dataset, build_pipeline(config, "train")),
        (dataset, build_pipeline(config, "val")),
        val_batch_size=4,
        num_workers=num_workers,
    )


def order(config: Config, count: int, rank: int, world_size: int) -> SampleOrder:
    return SampleOrder(
        pool=SamplePool(sizes=(count,), seed=config.train.seed),
        batch_size=config.train.settled_batch_size,
        rank=rank,
        world_size=world_size,
    )


def assert_same(batches: list[PoseBatch], expected: list[PoseBatch]) -> None:
    assert [batch.ids for batch in batches] == [batch.ids for batch in expected]
    for one, other in zip(batches, expected, strict=True):
        for name in ("inputs", "keypoints", "keypoints_visible"):
            assert torch.equal(getattr(one, name), getattr(other, name)), name
        for crop, same in zip(one.transforms, other.transforms, strict=True):
            np.testing.assert_array_equal(crop.matrix, same.matrix)


def side_by_side(shares: list[list[PoseBatch]]) -> list[PoseBatch]:
    """Put the shares of all ranks together to the batches of the whole run."""
    joined = []
    for parts in zip(*shares, strict=True):
        tensors: dict[str, Any] = {
            name: torch.cat([getattr(part, name) for part in parts])
            for name in ("inputs", "keypoints", "keypoints_visible")
        }
        joined.append(
            PoseBatch(
                **tensors,
                ids=[item for part in parts for item in part.ids],
                transforms=[crop for part in parts for crop in part.transforms],
            )
        )
    return joined


def test_there_is_randomness_at_all(config: Config, expected: list[PoseBatch]) -> None:
    first = {id: crop for id, crop in crops(expected[: len(expected) // EPOCHS])}
    second = {id: crop for id, crop in crops(expected[len(expected) // EPOCHS :])}
    both = first.keys() & second.keys()
    assert len(both) > 5
    assert all(not torch.equal(first[id], second[id]) for id in both)


def test_a_dropped_sample_gives_way_to_another(config: Config, expected: list[PoseBatch]) -> None:
    dataset = build_dataset(config, "train")
    seen = {id for batch in expected for id in batch.ids}
    low = set()
    for index in range(len(dataset)):
        sample = dataset[index]
        assert sample.bboxes is not None
        if sample.bboxes[0, 3] - sample.bboxes[0, 1] < 120:
            low.add(sample.id)
    assert low
    assert seen.isdisjoint(low)
    assert all(len(batch) == config.train.batch_size for batch in expected)


def test_loader_processes_draw_the_same(config: Config, expected: list[PoseBatch]) -> None:
    assert_same(list(feed(config, num_workers=2).train(0, EPOCHS)), expected)


def test_two_ranks_draw_the_same(config: Config, expected: list[PoseBatch]) -> None:
    shares = [list(feed(config, rank, 2).train(0, EPOCHS)) for rank in range(2)]
    assert_same(side_by_side(shares), expected)


def test_a_later_start_draws_the_same(config: Config, expected: list[PoseBatch]) -> None:
    assert_same(list(feed(config).train(1, EPOCHS)), expected[len(expected) // EPOCHS :])


def test_another_seed_draws_otherwise(load: Load, expected: list[PoseBatch]) -> None:
    other = load("people", "data.train.pipeline.0.min_height=120", "train.seed=1")
    same = {id: crop for id, crop in crops(expected)}
    for id, crop in crops(list(feed(other).train(0, 1))):
        assert id not in same or not torch.equal(crop, same[id])


@pytest.mark.usefixtures("ray_session")
@pytest.mark.parametrize("world_size", [1, 2])
def test_ray_data_draws_the_same(
    config: Config, expected: list[PoseBatch], world_size: int
) -> None:
    from raypose.distributed.data import RayFeed, StoredSplits

    dataset = build_dataset(config, "train")
    splits = StoredSplits.put(train=dataset, val=dataset)
    shares = []
    for rank in range(world_size):
        ray_feed = RayFeed(
            config,
            order(config, len(dataset), rank, world_size),
            splits,
            val_batch_size=4,
            cpus=1.0,
        )
        shares.append(list(ray_feed.train(0, EPOCHS)))
    assert_same(side_by_side(shares), expected)


def crops(batches: list[PoseBatch]) -> Iterator[tuple[str, Tensor]]:
    for batch in batches:
        assert isinstance(batch.inputs, Tensor)
        yield from zip(batch.ids, batch.inputs, strict=True)
