"""How far an annotation is, and when it has failed too often."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from raypose.errors import DataError
from raypose.inference.annotation.annotator import ShardReport
from raypose.inference.annotation.shards import Shard


@dataclass
class Progress:
    """How far a job is; drawn as one line.

    Attributes:
        total: images or frames of the job.
        done: those with an answer, from earlier runs too.
        instances: found so far, in this run.
        errors: images that could not be read, in this run.
        first_error: why the first of them could not.
    """

    total: int
    done: int = 0
    instances: int = 0
    errors: int = 0
    first_error: str | None = None
    _resumed: int = 0
    _started: float = field(default_factory=time.monotonic)

    def skip(self, shard: Shard) -> None:
        """Count a shard that an earlier run has done."""
        self.done += len(shard)
        self._resumed += len(shard)

    def add(self, report: ShardReport) -> None:
        """Count a shard."""
        self.done += report.rows
        self.instances += report.instances
        self.errors += report.errors
        self.first_error = self.first_error or report.first_error

    def check(self, max_errors: int | None) -> None:
        """Stop a job in which too many images cannot be read.

        Raises:
            DataError: if there are more errors than allowed; None allows any number.
        """
        if max_errors is not None and self.errors > max_errors:
            raise DataError(
                f"{self.errors} images could not be read, more than annotate.max_errors "
                f"({max_errors}); the first: {self.first_error}"
            )

    @property
    def seconds(self) -> float:
        """Return the time since the start."""
        return time.monotonic() - self._started

    @property
    def rate(self) -> float:
        """Return images a second of this run."""
        return (self.done - self._resumed) / max(self.seconds, 1e-9)

    def __str__(self) -> str:
        left = f"{(self.total - self.done) / self.rate:.0f} s left" if self.rate else "starting"
        return (
            f"{self.done}/{self.total} images  {self.instances} instances  "
            f"{self.rate:.1f} images/s  {self.errors} errors  {left}"
        )
