"""How long a stage took, as the answers tell it."""

from __future__ import annotations

import time


def milliseconds_since(started: float) -> float:
    """Return the milliseconds since a reading of `time.perf_counter()`, to a hundredth."""
    return round((time.perf_counter() - started) * 1000, 2)
