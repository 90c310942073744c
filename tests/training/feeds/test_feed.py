"""The local feed: the same batches however they are loaded, and what becomes of odd samples."""

from __future__ import annotations

import gc
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from raypose.config import build_dataset, build_pipeline
from raypose.errors import DataError
from raypose.structures import PoseBatch, PoseSample
from raypose.training.feeds.feed import LocalFeed, Pipeline
from raypose.training.feeds.order import SampleOrder, SamplePool
from tests.tiny_runs import load_experiment


class Numbers(Sequence[PoseSample]):
    """Samples whose image is their number."""

    def __init__(self, count: int) -> None:
        self._size = count

    def __len__(self) -> int:
        return self._size

    def __getitem__(self, index: int) -> PoseSample:  # type: ignore[override]
        image = np.full((2, 2, 3), index, np.uint8)
        return PoseSample(id=str(index), index=index, image=image)


def keep(sample: PoseSample, epoch: int) -> PoseSample:
    return sample


def drop_odd(sample: PoseSample, epoch: int) -> PoseSample | None:
    return None if sample.index % 2 else sample


def drop(sample: PoseSample, epoch: int) -> None:
    return None


def break_third(sample: PoseSample, epoch: int) -> PoseSample:
    if sample.index == 2:
        raise DataError("00002.jpg: a JPEG file that ends too early")
    return sample


def number_feed(pipeline: Pipeline, **share: Any) -> LocalFeed:
    order = SampleOrder(pool=SamplePool(sizes=(10,), seed=3), batch_size=4, **share)
    data = (Numbers(10), pipeline)
    return LocalFeed(order, data, data, val_batch_size=4)


def indices(batches: list[PoseBatch]) -> list[list[int]]:
    return [batch.indices for batch in batches]


def test_batches_follow_the_order_through_all_epochs() -> None:
    feed = number_feed(keep)
    batches = list(feed.train(1, 3))
    order = SampleOrder(pool=SamplePool(sizes=(10,), seed=3), batch_size=4)
    expected = [batch.tolist() for epoch in (1, 2) for batch in order.epoch(epoch)]
    assert indices(batches) == expected
    assert feed.steps(0) == 3
    inputs = batches[0].inputs
    assert isinstance(inputs, Tensor)
    assert inputs[:, 0, 0, 0].tolist() == expected[0]


def test_batches_are_made_as_they_are_asked_for() -> None:
    # A run of a million epochs must not take memory for them.
    stream = number_feed(keep).train(0, 1_000_000)
    assert len(next(stream)) == 4


@pytest.mark.parametrize("world_size", [1, 2])
def test_validation_covers_every_sample_once(world_size: int) -> None:
    shares = [
        indices(list(number_feed(keep, rank=rank, world_size=world_size).val()))
        for rank in range(world_size)
    ]
    flat = sorted(index for share in shares for batch in share for index in batch)
    assert flat == list(range(10))


def test_dropped_samples_give_way_to_others_the_same_in_every_run() -> None:
    first, second = (list(number_feed(drop_odd).train(0, 2)) for _ in range(2))
    assert indices(first) == indices(second)
    assert all(index % 2 == 0 for batch in indices(first) for index in batch)
    assert [len(batch) for batch in first] == [4] * 6
    order = SampleOrder(pool=SamplePool(sizes=(10,), seed=3), batch_size=4)
    kept = [
        (got, wanted)
        for got, wanted in zip(indices(first)[:3], order.epoch(0).tolist(), strict=True)
    ]
    for got, wanted in kept:
        assert [g for g, w in zip(got, wanted, strict=True) if w % 2 == 0] == [
            w for w in wanted if w % 2 == 0
        ]


def test_transforms_that_drop_everything_are_a_mistake() -> None:
    with pytest.raises(DataError, match=r"dropped 20 samples one after the other \(the last was"):
        next(number_feed(drop).train(0, 1))


def test_a_validation_drops_nothing() -> None:
    with pytest.raises(DataError, match=r"'1': the transforms of data.val drop it"):
        list(number_feed(drop_odd).val())


def test_a_broken_image_is_named() -> None:
    with pytest.raises(DataError, match=r"^00002.jpg: a JPEG file that ends too early$"):
        list(number_feed(break_third).train(0, 1))


class BreaksLater:
    """A pipeline that fails in the third epoch."""

    def __init__(self, pipeline: Pipeline) -> None:
        self.pipeline = pipeline

    def __call__(self, sample: PoseSample, epoch: int) -> PoseSample | None:
        if epoch == 2:
            raise DataError("broken.jpg: empty, not an image")
        return self.pipeline(sample, epoch)


def test_loader_processes_make_the_same_batches_and_say_the_same(
    synthetic_people: Path, tmp_path: Path
) -> None:
    config = load_experiment(tmp_path, synthetic_people)
    data = (build_dataset(config, "train"), BreaksLater(build_pipeline(config, "train")))
    order = SampleOrder(pool=SamplePool(sizes=(len(data[0]),), seed=3), batch_size=4)
    here, there = (LocalFeed(order, data, data, 4, num_workers) for num_workers in (0, 2))
    stream = there.train(0, 3)
    for first in here.train(0, 2):
        second = next(stream)
        assert first.ids == second.ids
        for name in ("inputs", "keypoints", "keypoints_visible"):
            assert torch.equal(getattr(first, name), getattr(second, name))
    with pytest.raises(DataError, match=r"^broken.jpg: empty, not an image$"):
        next(stream)


class Pictures(Numbers):
    """Samples large enough that handing batches over takes as long as making them."""

    def __getitem__(self, index: int) -> PoseSample:  # type: ignore[override]
        keypoints = np.zeros((1, 17, 2), np.float32)
        image = np.full((512, 512, 3), index % 256, np.uint8)
        return PoseSample(id=str(index), index=index, image=image, keypoints=keypoints)


def test_loader_processes_end_in_silence_in_the_middle_of_an_epoch(
    capfd: pytest.CaptureFixture[str],
) -> None:
    order = SampleOrder(pool=SamplePool(sizes=(4096,), seed=3), batch_size=32)
    data = (Pictures(4096), keep)
    for _ in range(2):
        stream = LocalFeed(order, data, data, 32, num_workers=2).train(0, 3)
        for _ in range(8):
            next(stream)
        del stream
        gc.collect()
    assert capfd.readouterr() == ("", "")


def test_loading_draws_nothing_from_the_random_numbers_of_the_model() -> None:
    state = torch.random.get_rng_state()
    list(number_feed(keep).train(0, 1))
    list(number_feed(keep).val())
    assert torch.equal(torch.random.get_rng_state(), state)
