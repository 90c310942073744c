"""Feeds: where the loop gets its batches from.

`LocalFeed` decodes and augments in this process or in torch's loader processes; Ray Data has a
feed of its own in `raypose.distributed`.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Protocol

import cv2
import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from raypose.errors import DataError, RayposeError
from raypose.structures import PoseBatch, PoseSample
from raypose.training.order import Indices, SampleOrder, SamplePool

Pipeline = Callable[[PoseSample, int], PoseSample | None]
Load = Callable[[Sequence[PoseSample], int, int, Pipeline], PoseSample]
Key = tuple[int, int]
"""Epoch and position in the dataset."""

_TRIES = 20
# Samples of a validation from which starting loader processes takes less time than it saves.
_WORTH_PROCESSES = 2000


class Feed(Protocol):
    """A stream of training batches and a pass over the validation set, for one process."""

    def steps(self, epoch: int) -> int:
        """Return the number of training batches of an epoch."""
        ...

    def train(self, first_epoch: int, epochs: int) -> Iterator[PoseBatch]:
        """Yield the batches of epochs `first_epoch` to `epochs - 1`, one after the other."""
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
    """

    def __init__(
        self,
        order: SampleOrder,
        train: tuple[Sequence[PoseSample], Pipeline],
        val: tuple[Sequence[PoseSample], Pipeline],
        val_batch_size: int,
        num_workers: int = 0,
        pin_memory: bool = False,
    ) -> None:
        self._order = order
        self._train = train
        self._val = val
        self._val_batch_size = val_batch_size
        self._num_workers = num_workers
        self._pin_memory = pin_memory

    def steps(self, epoch: int) -> int:
        """Return the number of training batches of an epoch."""
        return self._order.steps(epoch)

    def train(self, first_epoch: int, epochs: int) -> Iterator[PoseBatch]:
        """Yield the batches of the remaining epochs; loader processes live through all of them.

        Raises:
            RayposeError: if a sample cannot be loaded.
        """
        dataset, pipeline = self._train
        batches = _Batches(self._order, first_epoch, epochs)
        load = functools.partial(load_training_sample, pool=self._order.pool)
        source = _Source(dataset, pipeline, load)
        return self._load(source, batches, self._num_workers)

    def val(self) -> Iterator[PoseBatch]:
        """Yield our share of the validation set.

        Raises:
            RayposeError: if a sample cannot be loaded.
        """
        dataset, pipeline = self._val
        ours = range(self._order.rank, len(dataset), self._order.world_size)
        batches = [
            [(0, index) for index in ours[start : start + self._val_batch_size]]
            for start in range(0, len(ours), self._val_batch_size)
        ]
        source = _Source(dataset, pipeline, load_validation_sample)
        num_workers = self._num_workers if len(ours) >= _WORTH_PROCESSES else 0
        return self._load(source, batches, num_workers)

    def _load(
        self, source: _Source, batches: Iterable[list[Key]], num_workers: int
    ) -> Iterator[PoseBatch]:
        loader = DataLoader(
            source,
            batch_sampler=batches,
            num_workers=num_workers,
            pin_memory=self._pin_memory,
            collate_fn=_collate,
            worker_init_fn=_use_one_thread,
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
    dataset: Sequence[PoseSample], index: int, epoch: int, pipeline: Pipeline, pool: SamplePool
) -> PoseSample:
    """Return a sample after the transforms; one that they drop gives way to another.

    Which other follows from the position and the epoch, so every run replaces it alike. Transforms
    find the samples of the epoch in `PoseSample.others`.

    Raises:
        DataError: if the transforms drop one sample after the other.
    """
    positions = pool.positions(epoch)
    others = _Chosen(dataset, positions)
    substitutes = np.random.default_rng((epoch, index, len(positions)))
    for _ in range(_TRIES):
        before = dataset[index]
        before.others = others
        sample = pipeline(before, epoch)
        if sample is not None:
            # Or the dataset would travel with it.
            sample.others = None
            return sample
        index = int(positions[substitutes.integers(len(positions))])
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

    def __init__(self, order: SampleOrder, first_epoch: int, epochs: int) -> None:
        self._order = order
        self._epochs = (first_epoch, epochs)

    def __iter__(self) -> Iterator[list[Key]]:
        return self._order.batches(*self._epochs)


class _Source(Dataset["PoseSample | RayposeError"]):
    """Samples after the transforms, by (epoch, position).

    Mistakes are handed on as values: torch would wrap what a loader process raises in a trace.
    """

    def __init__(self, dataset: Sequence[PoseSample], pipeline: Pipeline, load: Load) -> None:
        self._dataset = dataset
        self._pipeline = pipeline
        self._load = load

    def __getitem__(self, key: Key) -> PoseSample | RayposeError:
        epoch, index = key
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


def _use_one_thread(worker: int) -> None:
    del worker
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
