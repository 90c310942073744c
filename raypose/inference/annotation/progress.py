"""How far an annotation is, what holds it up, and when it has failed too often."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from raypose.errors import DataError
from raypose.inference.annotation.annotator import Report, merge_seconds


@dataclass
class Progress:
    """How far a job is; drawn as one line.

    Attributes:
        total: images or frames of the job; what is known only once it is read is added then.
        resumed: those that earlier runs have done.
        done: those with an answer, from earlier runs too.
        instances: found so far, in this run.
        errors: images that could not be read, in this run.
        first_error: why the first of them could not.
        stages: seconds that each stage took, of all processes together, in this run.
    """

    total: int
    resumed: int = 0
    done: int = 0
    instances: int = 0
    errors: int = 0
    first_error: str | None = None
    stages: dict[str, float] = field(default_factory=dict)
    _started: float = field(default_factory=time.monotonic)

    def __post_init__(self) -> None:
        self.done += self.resumed

    def add(self, report: Report) -> None:
        """Count what a task has done."""
        self.done += report.rows
        self.total = max(self.total, self.done)
        self.instances += report.instances
        self.errors += sum(report.errors.values())
        self.first_error = self.first_error or report.first_error
        self.stages = merge_seconds(self.stages, report.seconds)

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
        return (self.done - self.resumed) / max(self.seconds, 1e-9)

    def __str__(self) -> str:
        left = f"{(self.total - self.done) / self.rate:.0f} s left" if self.rate else "starting"
        stage = limiting_stage(self.stages)
        share = "" if stage is None else f"  {stage} {self._share(stage):.0%} of the time"
        return (
            f"{self.done}/{self.total} images  {self.instances} instances  "
            f"{self.rate:.1f} images/s  {self.errors} errors  {left}{share}"
        )

    def _share(self, stage: str) -> float:
        return self.stages[stage] / sum(self.stages.values())


def limiting_stage(stages: Mapping[str, float]) -> str | None:
    """Return the stage that takes most of the time, None where nothing took any.

    One thread goes through the stages of a process, and reading goes on beside it: `read` is what
    it has to wait for pictures. So the stage that takes longest is the one to make faster.
    """
    stage = max(stages, key=lambda name: stages[name], default=None)
    return stage if stage is not None and stages[stage] > 0 else None
