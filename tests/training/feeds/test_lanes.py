"""Lanes: every sample once, the people of an image apart, and each image decoded once."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import raypose.ops.image_files as image_files
from raypose.config import build_dataset, build_pipeline
from raypose.training.feeds.feed import LocalFeed
from raypose.training.feeds.lanes import companions
from raypose.training.feeds.order import SampleOrder, SamplePool, image_numbers
from tests.tiny_runs import load_experiment

# 500 images with one to six people.
IMAGES = np.repeat(np.arange(500), np.arange(500) % 6 + 1)


def order(rank: int = 0, world_size: int = 1, batch_size: int = 16) -> SampleOrder:
    pool = SamplePool(sizes=(len(IMAGES),), seed=3)
    return SampleOrder(
        pool=pool, batch_size=batch_size, rank=rank, world_size=world_size, images=IMAGES
    )


def test_every_sample_comes_once_and_others_fill_the_last_batch() -> None:
    batches = order().epoch(0)
    counts = Counter(batches.ravel().tolist())
    assert counts.keys() == set(range(len(IMAGES)))
    assert sum(counts.values()) == -(-len(IMAGES) // 16) * 16
    assert max(counts.values()) == 2


def test_no_image_is_twice_in_a_batch_or_in_two_that_follow_each_other() -> None:
    batches = IMAGES[order().epoch(1)]
    pairs = np.concatenate([batches[:-1], batches[1:]], axis=1)
    # But for the few that the end of a lane cuts in two.
    repeated = sum(len(row) - len(set(row)) for row in pairs.tolist())
    assert repeated < 0.01 * pairs.size


def test_epochs_differ_and_processes_share_the_same_batches() -> None:
    whole = order().epoch(2)
    assert not np.array_equal(whole, order().epoch(1))
    shares = [order(rank, 4).epoch(2) for rank in range(4)]
    np.testing.assert_array_equal(np.concatenate(shares, axis=1), whole)


@pytest.mark.parametrize("num_loaders", [1, 2, 4, 8, 3])
@pytest.mark.parametrize("world_size", [1, 4])
def test_a_loader_gets_what_it_loads_ahead(num_loaders: int, world_size: int) -> None:
    decoded = 0
    for rank in range(world_size):
        batches = order(rank, world_size).epoch(0)
        plan = companions(list(batches), IMAGES, num_loaders)
        waiting: Counter[tuple[int, int]] = Counter()
        for step, batch in enumerate(batches.tolist()):
            loader = step % num_loaders
            for place, position in enumerate(batch):
                later = plan.get((step, place), ())
                assert all(IMAGES[other] == IMAGES[position] for other in later)
                if waiting[loader, position]:
                    waiting[loader, position] -= 1
                    assert not later
                else:
                    decoded += 1
                waiting.update((loader, other) for other in later)
        assert not waiting.total()
    # Three loaders divide no lane: each of them decodes an image.
    assert decoded < (3.0 if num_loaders == 3 else 1.3) * len(set(IMAGES.tolist()))


def test_a_crowd_is_loaded_in_parts() -> None:
    batches = [np.array([index]) for index in range(20)]
    plan = companions(batches, np.zeros(20, np.int64), 1)
    assert plan == {
        (0, 0): tuple(range(1, 8)),
        (8, 0): tuple(range(9, 16)),
        (16, 0): tuple(range(17, 20)),
    }


def test_a_feed_decodes_an_image_once_and_gives_the_same_samples(
    synthetic_people: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = load_experiment(tmp_path, synthetic_people)
    dataset, pipeline = build_dataset(config, "train"), build_pipeline(config, "train")
    images = image_numbers(dataset)
    assert images is not None
    assert len(set(images.tolist())) < len(dataset)
    decoded: list[str] = []
    decode = image_files.decode_reduced_image

    def counted(*arguments: Any, **more: Any) -> Any:
        decoded.append("image")
        return decode(*arguments, **more)

    monkeypatch.setattr(image_files, "decode_reduced_image", counted)
    pool = SamplePool(sizes=(len(dataset),))
    feed = LocalFeed(
        SampleOrder(pool=pool, batch_size=2, images=images),
        (dataset, pipeline),
        (dataset, pipeline),
        val_batch_size=len(dataset),
    )
    batches = list(feed.train(0, 1))
    assert len(decoded) < len(dataset)
    for batch in batches:
        for place, index in enumerate(batch.indices):
            alone = pipeline(dataset[index], 0)
            assert alone is not None
            assert alone.image is not None
            assert isinstance(batch.inputs, torch.Tensor)
            np.testing.assert_array_equal(
                batch.inputs[place].numpy(), alone.image.transpose(2, 0, 1)
            )
    decoded.clear()
    assert sum(len(batch) for batch in feed.val()) == len(dataset)
    assert len(decoded) == len(set(images.tolist()))
