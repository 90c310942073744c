"""`StageClock`: how long each stage has worked."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager


class StageClock:
    """Add up the seconds of stages that one thread goes through.

    Attributes:
        seconds: of each stage so far.
    """

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def __call__(self, stage: str) -> Iterator[None]:
        """Count what happens in the block as time of a stage."""
        started = time.perf_counter()
        try:
            yield
        finally:
            spent = time.perf_counter() - started
            self.seconds[stage] = self.seconds.get(stage, 0.0) + spent

    def take(self) -> dict[str, float]:
        """Return the seconds of each stage and start anew."""
        taken, self.seconds = self.seconds, {}
        return taken
