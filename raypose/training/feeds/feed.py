"""Feeds: where the loop gets its batches from.

`LocalFeed` decodes and augments in this process or in torch's loader processes; Ray Data has a
feed of its own in `raypose.distributed`.
"""

from __future__ import annotations

import atexit
import functools
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Protocol

import cv2
import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from raypose.errors import DataError, RayposeError
from raypose.ops.image_files import reading_once
from raypose.structures import PoseBatch, PoseSample
from raypose.training.feeds.lanes import companions
from raypose.training.feeds.order import Indices, SampleOrder, SamplePool, image_numbers

Pipeline = Callable[[PoseSample, int], PoseSample | None]
Load = Callable[[Sequence[PoseSample], int, int, Pipeline], PoseSample]
Key = tuple[int, int, tuple[int, ...]]
"""Epoch, position in the dataset, and positions of the same image that will be wanted later."""

_TRIES = 20
# Samples of a validation from which starting loader processes takes less time than it saves.
_WORTH_PROCESSES = 2000


class Feed(Protocol):
    """A stream of training batches and a pass over the validation set, for one process."""

    def steps(self, epoch: int) -> int:
        """Return the number of training batches of an epoch."""
        ...

    @property
    def share(self) -> float:
        """Return the part of each batch that is this process's."""
        ...

    def train(self, first_epoch: int, epochs: int, first_step: int = 0) -> Iterator[PoseBatch]:
        """Yield the batches of epochs `first_epoch` to `epochs - 1`, one after the other.

        The first `first_step` batches of the first epoch are left out.
        """
        ...

    def val(self) -> Iterator[PoseBatch]:
        """Yield our share of the validation set, every sample of all shares exactly once."""
        ...


class LocalFeed:
    """Feed from torch's `DataLoader`.

    Args:
        order: which samples form which batch.
        train: dataset and transforms of training.
        val: dataset and transforms of validation.
        val_batch_size: samples of a validation batch of this process.
        num_workers: loader processes of training, and of a validation that is long enough to
            be worth them; 0 loads in this one.
        pin_memory: for copies to a GPU that do not wait.
        skip_broken: replace training samples that cannot be read.
    """

    def __init__(
        self,
        order: SampleOrder,
        train: tuple[Sequence[PoseSample], Pipeline],
        val: tuple[Sequence[PoseSample], Pipeline],
        val_batch_size: int,
        num_workers: int = 0,
        pin_memory: bool = False,
        skip_broken: bool = False,
    ) -> None:
        self._order = order
        self._train = train
        self._val = val
        self._val_batch_size = val_batch_size
        self._num_workers = num_workers
        self._pin_memory = pin_memory
        self._skip_broken = skip_broken

    def steps(self, epoch: int) -> int:
        """Return the number of training batches of an epoch."""
        return self._order.steps(epoch)

    @property
    def share(self) -> float:
        """Return the part of each batch that is this process's."""
        return len(self._order.share) / self._order.batch_size

    def train(self, first_epoch: int, epochs: int, first_step: int = 0) -> Iterator[PoseBatch]:
        """Yield the batches of the remaining epochs; loader processes live through all of them.

        Raises:
            RayposeError: if a sample cannot be loaded.
        """
        dataset, pipeline = self._train
        batches = _Batches(self._order, first_epoch, epochs, first_step, self._num_workers)
        load = functools.partial(
            load_training_sample, pool=self._order.pool, skip_broken=self._skip_broken
        )
        source = _Source(dataset, pipeline, load)
        return self._load(source, batches, self._num_workers)

    def val(self) -> Iterator[PoseBatch]:
        """Yield our share of the validation set.

        Raises:
            RayposeError: if a sample cannot be loaded.
        """
        dataset, pipeline = self._val
        ours = range(self._order.rank, len(dataset), self._order.world_size)
        num_workers = self._num_workers if len(ours) >= _WORTH_PROCESSES else 0
        batches = [
            np.array(ours[start : start + self._val_batch_size])
            for start in range(0, len(ours), self._val_batch_size)
        ]
        keys = _keys(batches, 0, image_numbers(dataset), num_workers)
        source = _Source(dataset, pipeline, load_validation_sample)
        return self._load(source, list(keys), num_workers)

    def _load(
        self, source: _Source, batches: Iterable[list[Key]], num_workers: int
    ) -> Iterator[PoseBatch]:
        loader = DataLoader(
            source,
            batch_sampler=batches,
            num_workers=num_workers,
            pin_memory=self._pin_memory,
            collate_fn=_collate,
            worker_init_fn=_begin_process,
            # Its own, or starting to load would change the random numbers of the model.
            generator=torch.Generator(),
            # Forked children of a process that has used threads can hang in cv2 and torch.
            multiprocessing_context="spawn" if num_workers else None,
        )
        for batch in loader:
            if isinstance(batch, RayposeError):
                raise batch
            yield batch


def load_training_sample(
    dataset: Sequence[PoseSample],
    index: int,
    epoch: int,
    pipeline: Pipeline,
    pool: SamplePool,
    skip_broken: bool = False,
) -> PoseSample:
    """Return a sample after the transforms; one that they drop gives way to another.

    Which other follows from the position and the epoch, so every run replaces it alike. Transforms
    find the samples of the epoch in `PoseSample.others`.

    Args:
        dataset: the annotations.
        index: position in it.
        epoch: counted from 0.
        pipeline: the transforms.
        pool: the samples of each epoch, from which others are taken.
        skip_broken: replace one that cannot be read too, and say so in `PoseSample.replaced`.

    Raises:
        DataError: if a sample cannot be read, or the transforms drop one after the other.
    """
    positions = pool.positions(epoch)
    others = _Chosen(dataset, positions)
    # Made where it is wanted: making it takes as long as some transforms.
    substitutes: np.random.Generator | None = None
    first = index
    broken: list[str] = []
    for _ in range(_TRIES):
        try:
            before = dataset[index]
            before.others = others
            sample = pipeline(before, epoch)
        except DataError as error:
            if not skip_broken:
                raise
            sample = None
            broken.append(f"sample {index} ('{dataset[index].id}'): {error}")
        if sample is not None:
            # Or the dataset would travel with it.
            sample.others = None
            sample.replaced = "\n".join(broken) or None
            return sample
        if substitutes is None:
            substitutes = np.random.default_rng((epoch, first, len(positions)))
        index = int(positions[substitutes.integers(len(positions))])
    if broken:
        raise DataError(
            f"{len(broken)} of {_TRIES} samples, one after the other, cannot be read (the last: "
            f"{broken[-1]}); data.on_error: skip is for single ones"
        )
    raise DataError(
        f"the transforms dropped {_TRIES} samples one after the other (the last was "
        f"'{dataset[index].id}'); look at their thresholds and at the annotations"
    )


def load_validation_sample(
    dataset: Sequence[PoseSample], index: int, epoch: int, pipeline: Pipeline
) -> PoseSample:
    """Return a sample after the transforms; nothing can stand in for one that is measured.

    Raises:
        DataError: if the transforms drop it.
    """
    sample = pipeline(dataset[index], epoch)
    if sample is None:
        raise DataError(
            f"'{dataset[index].id}': the transforms of data.val drop it, but every sample of a "
            "validation is measured"
        )
    return sample


class _Chosen(Sequence[PoseSample]):
    """The samples of a dataset at some positions."""

    def __init__(self, dataset: Sequence[PoseSample], positions: Indices) -> None:
        self._dataset = dataset
        self._positions = positions

    def __len__(self) -> int:
        return len(self._positions)

    def __getitem__(self, index: int) -> PoseSample:  # type: ignore[override]
        return self._dataset[int(self._positions[index])]


class _Batches:
    """The batches of all epochs, made when they are asked for: a long run has millions."""

    def __init__(
        self, order: SampleOrder, first_epoch: int, epochs: int, first_step: int, num_loaders: int
    ) -> None:
        self._order = order
        self._span = (first_epoch, epochs, first_step)
        self._num_loaders = num_loaders

    def __iter__(self) -> Iterator[list[Key]]:
        first_epoch, epochs, first_step = self._span
        done = 0
        for epoch in range(first_epoch, epochs):
            batches = list(self._order.epoch(epoch))[first_step if epoch == first_epoch else 0 :]
            yield from _keys(batches, epoch, self._order.images, self._num_loaders, done)
            done += len(batches)


def _keys(
    batches: Sequence[Indices],
    epoch: int,
    images: Indices | None,
    num_loaders: int,
    done: int = 0,
) -> Iterator[list[Key]]:
    """Yield the keys of batches of positions, `done` of them after the loaders have started."""
    later = {} if images is None else companions(batches, images, max(1, num_loaders), done)
    for step, batch in enumerate(batches):
        yield [(epoch, at, later.get((step, i), ())) for i, at in enumerate(batch.tolist())]


class _Source(Dataset["PoseSample | RayposeError"]):
    """Samples after the transforms, by `Key`.

    The image of a sample is decoded once for those that are wanted later; they wait here.
    Mistakes are handed on as values: torch would wrap what a loader process raises in a trace.
    """

    def __init__(self, dataset: Sequence[PoseSample], pipeline: Pipeline, load: Load) -> None:
        self._dataset = dataset
        self._pipeline = pipeline
        self._load = load
        self._waiting: dict[tuple[int, int], PoseSample | RayposeError] = {}

    def __getitem__(self, key: Key) -> PoseSample | RayposeError:
        epoch, index, later = key
        sample = self._waiting.pop((epoch, index), None)
        if not later:
            return sample or self._load_one(epoch, index)
        with reading_once():
            sample = sample or self._load_one(epoch, index)
            for other in later:
                self._waiting[epoch, other] = self._load_one(epoch, other)
        return sample

    def _load_one(self, epoch: int, index: int) -> PoseSample | RayposeError:
        try:
            return self._load(self._dataset, index, epoch, self._pipeline)
        except RayposeError as error:
            return error


def _collate(samples: list[PoseSample | RayposeError]) -> PoseBatch | RayposeError:
    loaded = []
    for sample in samples:
        if isinstance(sample, RayposeError):
            return sample
        loaded.append(sample)
    return PoseBatch.collate(loaded)


def _begin_process(worker: int) -> None:
    del worker
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    # A loader that is no longer asked still hands its batches over, in a thread. Python ends such
    # threads from under torch, which aborts the process; leaving at once is what is wanted anyway.
    atexit.register(os._exit, 0)
