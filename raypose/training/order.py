"""Which samples form which batch: a function of seed and epoch, not of the number of workers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from raypose.errors import ConfigError

Indices = npt.NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class SampleOrder:
    """The order of samples for one process of a run.

    A global batch is the same whatever the number of processes; each takes its share of it. The
    last batch of an epoch is filled up from the epoch's beginning.

    Attributes:
        num_samples: size of the dataset.
        batch_size: samples of a step, over all processes.
        seed: start of the shuffling.
        rank: which share of each batch is ours.
        world_size: number of shares.
    """

    num_samples: int
    batch_size: int
    seed: int = 0
    rank: int = 0
    world_size: int = 1

    def __post_init__(self) -> None:
        if self.num_samples < 1:
            raise ConfigError("the training dataset is empty")
        if self.batch_size % self.world_size:
            raise ConfigError(
                f"train.batch_size ({self.batch_size}) is the size of a step over all workers and "
                f"must be divisible by their number ({self.world_size})"
            )

    @property
    def steps_per_epoch(self) -> int:
        """Return the number of batches of an epoch."""
        return -(-self.num_samples // self.batch_size)

    def epoch(self, epoch: int) -> Indices:
        """Return (steps, batch_size / world_size) dataset positions of our share."""
        order = np.random.default_rng((self.seed, epoch)).permutation(self.num_samples)
        steps = self.steps_per_epoch
        batches = np.resize(order, (steps, self.batch_size))
        share = self.batch_size // self.world_size
        return batches[:, self.rank * share : (self.rank + 1) * share]

    def batches(self, first_epoch: int, epochs: int) -> Iterator[list[tuple[int, int]]]:
        """Yield the batches of all remaining epochs as lists of (epoch, position)."""
        for epoch in range(first_epoch, epochs):
            for batch in self.epoch(epoch):
                yield [(epoch, int(index)) for index in batch]
