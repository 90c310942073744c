"""Feeds: where the loop gets its batches from.

`LocalFeed` decodes and augments in this process or in torch's loader processes; Ray Data has a
feed of its own in `raypose.distributed`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol

import cv2
import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from raypose.errors import DataError
from raypose.structures import PoseBatch, PoseSample
from raypose.training.order import SampleOrder

Pipeline = Callable[[PoseSample, int], PoseSample | None]
_TRIES = 20


class Feed(Protocol):
    """A stream of training batches and a pass over the validation set, for one process."""

    @property
    def steps_per_epoch(self) -> int:
        """Number of training batches of an epoch."""
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
        num_workers: loader processes; 0 loads in this one.
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
        self._options: dict[str, Any] = {
            "num_workers": num_workers,
            "pin_memory": pin_memory,
            "collate_fn": PoseBatch.collate,
            "worker_init_fn": _use_one_thread,
            # Forked children of a process that has used threads can hang in cv2 and torch.
            "multiprocessing_context": "spawn" if num_workers else None,
        }

    @property
    def steps_per_epoch(self) -> int:
        """Number of training batches of an epoch."""
        return self._order.steps_per_epoch

    def train(self, first_epoch: int, epochs: int) -> Iterator[PoseBatch]:
        """Yield the batches of the remaining epochs; loader processes live through all of them."""
        batches = list(self._order.batches(first_epoch, epochs))
        source = _Loaded(*self._train)
        return iter(DataLoader(source, batch_sampler=batches, **self._options))

    def val(self) -> Iterator[PoseBatch]:
        """Yield our share of the validation set."""
        dataset, pipeline = self._val
        ours = range(self._order.rank, len(dataset), self._order.world_size)
        batches = [
            [(0, index) for index in ours[start : start + self._val_batch_size]]
            for start in range(0, len(ours), self._val_batch_size)
        ]
        # Validation comes seldom and is short; starting processes for it would take longer.
        options = {**self._options, "num_workers": 0, "multiprocessing_context": None}
        return iter(DataLoader(_Loaded(dataset, pipeline), batch_sampler=batches, **options))


class _Loaded(Dataset[PoseSample]):
    """Samples after the transforms, by (epoch, position)."""

    def __init__(self, dataset: Sequence[PoseSample], pipeline: Pipeline) -> None:
        self.dataset = dataset
        self.pipeline = pipeline

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, key: tuple[int, int]) -> PoseSample:
        epoch, index = key
        return load_sample(self.dataset, index, epoch, self.pipeline)


def load_sample(
    dataset: Sequence[PoseSample], index: int, epoch: int, pipeline: Pipeline
) -> PoseSample:
    """Return a sample after the transforms; one that they drop gives way to another.

    Which other follows from the position and the epoch, so every run replaces it alike.

    Raises:
        DataError: if the transforms drop one sample after the other.
    """
    substitutes = np.random.default_rng((epoch, index, len(dataset)))
    for _ in range(_TRIES):
        sample = pipeline(dataset[index], epoch)
        if sample is not None:
            return sample
        index = int(substitutes.integers(len(dataset)))
    raise DataError(
        f"the transforms dropped {_TRIES} samples one after the other (the last was "
        f"'{dataset[index].id}'); look at their thresholds and at the annotations"
    )


def _use_one_thread(worker: int) -> None:
    del worker
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
