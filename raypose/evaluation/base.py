"""What every metric is: it takes one sample at a time, merges with others, and computes numbers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

from raypose.errors import RayposeError
from raypose.structures import Poses, PoseSample, Skeleton

# A skeleton, or what `Skeleton.load` makes one of: a built-in name, a file, a mapping.
SkeletonLike = Skeleton | str | Mapping[str, Any]


class BaseMetric(ABC):
    """What the loops of training and evaluation call.

    Every worker has a metric of its own and updates it with the samples it has predicted; one of
    them merges the others' and computes. A metric travels between processes by pickling.

    Args:
        skeleton: the keypoints it is about; `set_skeleton` may give them later.
    """

    def __init__(self, skeleton: SkeletonLike | None = None) -> None:
        self.skeleton: Skeleton | None = None
        if skeleton is not None:
            self.set_skeleton(Skeleton.load(skeleton))

    def set_skeleton(self, skeleton: Skeleton) -> None:
        """Say what the keypoints are."""
        self.skeleton = skeleton

    @abstractmethod
    def update(self, sample: PoseSample, poses: Poses) -> None:
        """Take the prediction for one sample.

        Args:
            sample: the annotation, in image space.
            poses: what was predicted for it, in image space.
        """

    @abstractmethod
    def merge(self, other: BaseMetric) -> None:
        """Take over what another metric of the same kind has seen."""

    @abstractmethod
    def compute(self) -> dict[str, float]:
        """Return the numbers over all samples, by name."""

    @abstractmethod
    def reset(self) -> None:
        """Forget all samples."""


class SampleMetric(BaseMetric):
    """Base class of metrics that keep one record for each sample.

    A metric of one's own implements `process` and `compute_metrics` and is registered in
    `raypose.registry.METRICS`. Records are kept by the sample's id: a sample that is seen twice,
    as padded shards of a distributed run make it, counts once. They are put in the order of the
    data set before anything is computed, so that the numbers do not depend on the number of
    workers.

    Args:
        prefix: put before the names of the numbers, as in `coco/AP`; `default_prefix` of the class
            by default.
        skeleton: the keypoints it is about.
    """

    default_prefix: str | None = None

    def __init__(self, prefix: str | None = None, skeleton: SkeletonLike | None = None) -> None:
        super().__init__(skeleton)
        self.prefix = prefix or self.default_prefix
        self._records: dict[str, tuple[int, Any]] = {}

    def update(self, sample: PoseSample, poses: Poses) -> None:
        """Keep the record of one sample."""
        record = self.process(sample, poses)
        if record is not None:
            self._records[sample.id] = (sample.index, record)

    def merge(self, other: BaseMetric) -> None:
        """Take over the records of another metric.

        Raises:
            TypeError: if it is of another kind.
        """
        if not isinstance(other, type(self)):
            raise TypeError(f"cannot merge {type(other).__name__} into {type(self).__name__}")
        self._records.update(other._records)

    def compute(self) -> dict[str, float]:
        """Return the numbers over all samples, by name.

        Raises:
            RayposeError: if no sample was seen.
        """
        if not self._records:
            raise RayposeError(f"{type(self).__name__} has seen no sample to compute anything of")
        ordered = sorted(self._records.items(), key=lambda item: (item[1][0], item[0]))
        numbers = self.compute_metrics([record for _, (_, record) in ordered])
        lead = f"{self.prefix}/" if self.prefix else ""
        return {f"{lead}{name}": float(value) for name, value in numbers.items()}

    def reset(self) -> None:
        """Forget all samples."""
        self._records.clear()

    @abstractmethod
    def process(self, sample: PoseSample, poses: Poses) -> Any:
        """Return what has to be kept of one sample, or None to leave it out."""

    @abstractmethod
    def compute_metrics(self, records: Sequence[Any]) -> dict[str, float]:
        """Return numbers by name, without prefix, from the records of all samples."""
