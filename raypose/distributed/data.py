"""`RayFeed`: Ray Data decodes, crops and augments on any node for one training process.

What travels: annotation rows once, into the object store; per sample the position that is wanted
next on the way out, and the uint8 crop with its keypoints on the way back.
"""

from __future__ import annotations

import functools
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import pyarrow as pa
import ray
import ray.data

from raypose.config import Config, Pipeline, Split, build_pipeline
from raypose.distributed.mistakes import mistakes_as_they_are
from raypose.distributed.pacing import Paced
from raypose.distributed.session import enter_folder
from raypose.structures import PoseBatch, PoseSample
from raypose.structures.sample_schema import SAMPLE_SCHEMA
from raypose.training.feeds.feed import load_training_sample, load_validation_sample
from raypose.training.feeds.order import Indices, SampleOrder, SamplePool, image_numbers, part_sizes

# Samples of one task, unless a batch is larger: a task costs some 40 ms whatever it does, and its
# samples wait for the last of them.
_BLOCK_SAMPLES = 128
# CPUs of a task below which it reserves none: Ray counts in ten thousandths.
_LEAST_CPUS = 0.01
# Batches of one execution of Ray Data: starting one takes a moment, and its blocks take memory.
_STREAM_BATCHES = 4000


@dataclass(frozen=True, kw_only=True)
class StoredSplits:
    """The annotations of both splits in the object store, each as one Arrow table.

    Attributes:
        train: reference of the training set.
        val: reference of the validation set.
        train_sizes: of the parts of the training set.
        train_images: for each of its samples the number of its image, see `SampleOrder`.
        num_val: size of the validation set.
    """

    train: ray.ObjectRef
    val: ray.ObjectRef
    train_sizes: tuple[int, ...]
    train_images: Indices | None
    num_val: int

    @classmethod
    def put(cls, train: Sequence[PoseSample], val: Sequence[PoseSample]) -> StoredSplits:
        """Put the annotations of two datasets into the object store."""
        stored = ray.put(_to_table(val))
        return cls(
            train=stored if train is val else ray.put(_to_table(train)),
            val=stored,
            train_sizes=part_sizes(train),
            train_images=image_numbers(train),
            num_val=len(val),
        )


class StoredSamples(Sequence[PoseSample]):
    """Samples of a table in the object store, read without a copy."""

    def __init__(self, rows: ray.ObjectRef) -> None:
        self._table: pa.Table = ray.get(rows)

    def __len__(self) -> int:
        return self._table.num_rows

    def __getitem__(self, index: int) -> PoseSample:  # type: ignore[override]
        return PoseSample.from_row(self._table.slice(index, 1).to_pylist()[0])


class RayFeed:
    """Feed of one training process from Ray Data.

    Each process runs a stream of its own over its share of the batches. The order is exact, and
    small datasets go through many epochs in one execution of Ray Data.

    Args:
        config: resolved; data tasks build the transforms from it.
        order: which samples form which batch.
        splits: annotations of both sets.
        val_batch_size: samples of a validation batch of this process.
        cpus: CPUs that the stream of this process may use. With none left by those who compute,
            its tasks reserve nothing, since they would wait for ever, and run one at a time.
    """

    def __init__(
        self,
        config: Config,
        order: SampleOrder,
        splits: StoredSplits,
        val_batch_size: int,
        cpus: float,
    ) -> None:
        self._config = config
        self._order = order
        self._splits = splits
        self._val_batch_size = val_batch_size
        self._cpus = cpus

    def steps(self, epoch: int) -> int:
        """Return the number of training batches of an epoch."""
        return self._order.steps(epoch)

    @property
    def share(self) -> float:
        """Return the part of each batch that is this process's."""
        return len(self._order.share) / self._order.batch_size

    def train(self, first_epoch: int, epochs: int, first_step: int = 0) -> Iterator[PoseBatch]:
        """Yield the batches of the remaining epochs.

        Raises:
            RayposeError: if a sample cannot be loaded.
        """
        together = max(1, _STREAM_BATCHES // self.steps(first_epoch))
        share = len(self._order.share)
        for first in range(first_epoch, epochs, together):
            numbers = range(first, min(first + together, epochs))
            positions = np.concatenate([self._order.epoch(epoch).reshape(-1) for epoch in numbers])
            epoch_of = np.repeat(numbers, [self.steps(epoch) * share for epoch in numbers])
            done = first_step * share if first == first_epoch else 0
            yield from self._stream(
                self._splits.train, "train", epoch_of[done:], positions[done:], share
            )

    def val(self) -> Iterator[PoseBatch]:
        """Yield our share of the validation set.

        Raises:
            RayposeError: if a sample cannot be loaded.
        """
        ours = np.arange(self._order.rank, self._splits.num_val, self._order.world_size)
        return self._stream(
            self._splits.val, "val", np.zeros_like(ours), ours, self._val_batch_size
        )

    def _stream(
        self,
        rows: ray.ObjectRef,
        split: Split,
        epochs: Indices,
        positions: Indices,
        batch_size: int,
    ) -> Iterator[PoseBatch]:
        if not len(positions):
            return
        count = max(1, round(len(positions) / max(batch_size, _BLOCK_SAMPLES)))
        rows_each = -(-len(positions) // count)
        table = pa.table({"epoch": epochs, "position": positions})
        blocks = [table.slice(at, rows_each) for at in range(0, len(positions), rows_each)]
        # `from_arrow` starts tasks of a CPU each to look at the blocks, and waits for them.
        stream = ray.data.from_blocks(blocks)
        loader = _Loader(rows, split, self._config, self._order.pool)
        left = self._cpus >= _LEAST_CPUS
        loaded = stream.map_batches(
            loader,
            batch_size=None,
            batch_format="pyarrow",
            num_cpus=min(1.0, self._cpus) if left else 0.0,
            compute=None if left else ray.data.TaskPoolStrategy(size=1),
        )
        loaded.context.raise_original_map_exception = True
        callbacks: list[Any] = [Paced]
        loaded.context.custom_execution_callback_classes = callbacks
        options = loaded.context.execution_options
        options.preserve_order = True
        if left:
            options.resource_limits = options.resource_limits.for_limits(cpu=self._cpus)
        batches = loaded.iter_batches(
            batch_size=batch_size, batch_format="pyarrow", prefetch_batches=2
        )
        with mistakes_as_they_are():
            for batch in batches:
                yield PoseBatch.collate([PoseSample.from_row(row) for row in _rows(batch)])


class _Loader:
    """The data task: positions in, samples after the transforms out."""

    def __init__(self, rows: ray.ObjectRef, split: Split, config: Config, pool: SamplePool) -> None:
        # In a list, or Ray would resolve the reference and copy the table into every task.
        self._rows = [rows]
        self._split = split
        self._config = json.dumps(config.data)
        self._skip_broken = config.data_options.on_error == "skip"
        self._pool = pool
        self._folder = os.getcwd()

    def __call__(self, keys: pa.Table) -> pa.Table:
        enter_folder(self._folder)
        stored = StoredSamples(self._rows[0])
        pipeline = _pipeline(self._config, self._split)
        load = load_validation_sample
        if self._split == "train":
            load = functools.partial(
                load_training_sample, pool=self._pool, skip_broken=self._skip_broken
            )
        samples = [
            load(stored, position, epoch, pipeline)
            for epoch, position in zip(
                keys["epoch"].to_pylist(), keys["position"].to_pylist(), strict=True
            )
        ]
        return _to_table(samples)


def _to_table(samples: Sequence[PoseSample]) -> pa.Table:
    rows = [samples[index].to_row() for index in range(len(samples))]
    return pa.Table.from_pylist(rows, schema=SAMPLE_SCHEMA)


@functools.lru_cache(maxsize=4)
def _pipeline(config: str, split: Split) -> Pipeline:
    cv2.setNumThreads(1)
    return build_pipeline(Config.from_resolved(json.loads(config)), split)


def _rows(batch: pa.Table) -> Iterator[dict[str, Any]]:
    """Yield the rows of a table; images stay views into its buffers."""
    columns = {name: batch.column(name) for name in batch.column_names if name != "image"}
    plain = {name: column.to_pylist() for name, column in columns.items()}
    images = batch.column("image") if "image" in batch.column_names else None
    for index in range(batch.num_rows):
        row = {name: values[index] for name, values in plain.items()}
        if images is not None and images[index].is_valid:
            row["image"] = images[index].as_buffer()
        yield row
