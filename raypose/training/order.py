"""Which samples form which batch: a function of seed and epoch, not of the number of workers."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from raypose.errors import ConfigError
from raypose.structures import PoseSample

Indices = npt.NDArray[np.int64]
# A third number beside seed and epoch: the choice of samples has nothing to do with their order.
_CHOICE = 1


@dataclass(frozen=True, kw_only=True)
class SamplePool:
    """Which samples an epoch goes through: all of them, or a share of each part of the dataset.

    Attributes:
        sizes: of the parts of the dataset; a dataset that is not made of others is one part.
        shares: pairs of an epoch (from 0) and what the epochs from then on take of each part,
            from 0 to 1; every epoch chooses anew. Before the first one all samples are used.
        seed: of the run.
    """

    sizes: tuple[int, ...]
    shares: tuple[tuple[int, tuple[float, ...]], ...] = ()
    seed: int = 0

    def __post_init__(self) -> None:
        for epoch, shares in self.shares:
            if len(shares) != len(self.sizes):
                raise ConfigError(
                    f"data.train: sample_ratio_factor has {len(shares)} numbers, the dataset has "
                    f"{len(self.sizes)} parts"
                )
            if not self.size(epoch):
                raise ConfigError(
                    f"data.train: sample_ratio_factor {list(shares)} leaves no sample"
                )
        if not sum(self.sizes):
            raise ConfigError("the training dataset is empty")

    def size(self, epoch: int) -> int:
        """Return the number of samples of an epoch."""
        return sum(self._counts(epoch))

    def positions(self, epoch: int) -> Indices:
        """Return the positions in the dataset that an epoch goes through, ascending."""
        counts = self._counts(epoch)
        # Where nothing is left out, every epoch has the same ones.
        partial = any(0 < n < size for n, size in zip(counts, self.sizes, strict=True))
        return _choose(self.sizes, counts, self.seed, epoch if partial else 0)

    def _counts(self, epoch: int) -> tuple[int, ...]:
        current = [shares for first, shares in self.shares if first <= epoch]
        if not current:
            return self.sizes
        return tuple(
            round(size * share) for size, share in zip(self.sizes, current[-1], strict=True)
        )


@dataclass(frozen=True, kw_only=True)
class SampleOrder:
    """The order of samples for one process of a run.

    A global batch is the same whatever the number of processes; each takes its share of it. The
    last batch of an epoch is filled up from the epoch's beginning.

    Attributes:
        pool: which samples there are; its seed shuffles them too.
        batch_size: samples of a step, over all processes.
        rank: which share of each batch is ours.
        world_size: number of shares.
    """

    pool: SamplePool
    batch_size: int
    rank: int = 0
    world_size: int = 1

    def __post_init__(self) -> None:
        if self.batch_size % self.world_size:
            raise ConfigError(
                f"train.batch_size ({self.batch_size}) is the size of a step over all workers and "
                f"must be divisible by their number ({self.world_size})"
            )

    def steps(self, epoch: int) -> int:
        """Return the number of batches of an epoch."""
        return -(-self.pool.size(epoch) // self.batch_size)

    def epoch(self, epoch: int) -> Indices:
        """Return (steps, batch_size / world_size) dataset positions of our share."""
        rng = np.random.default_rng((self.pool.seed, epoch))
        order = rng.permutation(self.pool.positions(epoch))
        batches = np.resize(order, (self.steps(epoch), self.batch_size))
        share = self.batch_size // self.world_size
        return batches[:, self.rank * share : (self.rank + 1) * share]

    def batches(self, first_epoch: int, epochs: int) -> Iterator[list[tuple[int, int]]]:
        """Yield the batches of all remaining epochs as lists of (epoch, position)."""
        for epoch in range(first_epoch, epochs):
            for batch in self.epoch(epoch):
                yield [(epoch, int(index)) for index in batch]


def part_sizes(dataset: Sequence[PoseSample]) -> tuple[int, ...]:
    """Return the sizes of the parts of a `CombinedDataset`; any other dataset is one part."""
    return getattr(dataset, "sizes", (len(dataset),))


@functools.lru_cache(maxsize=4)
def _choose(sizes: tuple[int, ...], counts: tuple[int, ...], seed: int, epoch: int) -> Indices:
    """Positions of `counts` samples of parts with `sizes`, ascending."""
    rng = np.random.default_rng((seed, epoch, _CHOICE))
    starts = np.cumsum(sizes) - sizes
    chosen = [
        start + (np.arange(size) if n == size else np.sort(rng.permutation(size)[:n]))
        for start, size, n in zip(starts, sizes, counts, strict=True)
    ]
    positions = np.concatenate(chosen)
    positions.flags.writeable = False
    return positions
