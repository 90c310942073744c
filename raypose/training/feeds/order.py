"""Which samples form which batch: a function of seed and epoch, not of the number of workers."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from raypose.errors import ConfigError
from raypose.structures import PoseSample
from raypose.training.feeds.lanes import lay_in_lanes

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
        images: for each sample of the dataset the number of its image, so that the people of an
            image stand where it is decoded once for them (`raypose.training.feeds.lanes`); None for
            samples of one image each.
    """

    pool: SamplePool
    batch_size: int
    rank: int = 0
    world_size: int = 1
    images: Indices | None = None

    def __post_init__(self) -> None:
        if self.batch_size < self.world_size:
            raise ConfigError(
                f"train.batch_size ({self.batch_size}) is the size of a batch over all workers and "
                f"leaves some of them ({self.world_size}) without a sample"
            )

    @property
    def share(self) -> range:
        """Which samples of a batch are ours."""
        first, end = (n * self.batch_size // self.world_size for n in (self.rank, self.rank + 1))
        return range(first, end)

    def steps(self, epoch: int) -> int:
        """Return the number of batches of an epoch."""
        return -(-self.pool.size(epoch) // self.batch_size)

    def epoch(self, epoch: int) -> Indices:
        """Return (steps, len(share)) dataset positions of our share."""
        rng = np.random.default_rng((self.pool.seed, epoch))
        order = rng.permutation(self.pool.positions(epoch))
        steps = self.steps(epoch)
        if self.images is None:
            batches = np.resize(order, (steps, self.batch_size))
        else:
            batches = lay_in_lanes(order, self.images, steps, self.batch_size, rng)
        return batches[:, self.share.start : self.share.stop]


def part_sizes(dataset: Sequence[PoseSample]) -> tuple[int, ...]:
    """Return the sizes of the parts of a `CombinedDataset`; any other dataset is one part."""
    return getattr(dataset, "sizes", (len(dataset),))


def image_numbers(dataset: Sequence[PoseSample]) -> Indices | None:
    """Return for each sample the number of its image; None where none has several samples."""
    numbers = getattr(dataset, "image_numbers", lambda: None)()
    return None if numbers is None or len(np.unique(numbers)) == len(numbers) else numbers


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
