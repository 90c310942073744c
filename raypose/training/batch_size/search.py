"""Which batch a worker should have: the largest that fits, or the smallest that is as fast as any.

An accelerator says when its memory is full, and larger batches use it better. A CPU says nothing
before the machine swaps, and is at its best long before; so there speed decides.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable

from raypose.errors import RayposeError

logger = logging.getLogger(__name__)

Trial = Callable[[int], float]
"""Trains with batches of so many samples and returns the seconds of a step."""

# Batch norms over one position need two samples.
_FEWEST = 2
# Memory that is left free: inputs differ, and what is freed is not all of one piece.
_MARGIN = 0.1
# Speeds that differ by less are the same.
_SAME_SPEED = 0.05
# Doublings without progress after which there will be none.
_PATIENCE = 2


class MemoryShortageError(Exception):
    """A batch that does not fit, or would not."""


def largest_batch(trial: Trial, most: int) -> int:
    """Return the largest batch that leaves a tenth of the memory it takes free.

    Sizes are doubled until one does not fit, then the range in between is halved.

    Args:
        trial: raises `MemoryShortageError` for a batch that does not fit.
        most: never more samples than that.

    Raises:
        RayposeError: if no batch fits.
    """
    # A size whose margin fits too is the answer.
    ceiling = math.ceil(most / (1 - _MARGIN))
    fits, fails = 0, ceiling + 1
    size = min(_FEWEST, ceiling)
    while fits < size < fails:
        if _seconds(trial, size) is None:
            fails = size
        else:
            fits = size
            size = min(2 * size, ceiling)
    while fits and fails - fits > max(1, fits // 16):
        middle = (fits + fails) // 2
        if _seconds(trial, middle) is None:
            fails = middle
        else:
            fits = middle
    _check(fits)
    return _rounded(min(most, max(_FEWEST, int(fits * (1 - _MARGIN)))), most)


def fastest_batch(trial: Trial, most: int) -> int:
    """Return the smallest batch with which samples go through as fast as with any, within 5 %.

    Args:
        trial: raises `MemoryShortageError` for a batch that would not fit.
        most: never more samples than that.

    Raises:
        RayposeError: if no batch fits.
    """
    speeds: dict[int, float] = {}
    size, since = min(_FEWEST, most), 0
    while size not in speeds and since < _PATIENCE:
        seconds = _seconds(trial, size)
        if seconds is None:
            break
        best = max(speeds.values(), default=0.0)
        speeds[size] = size / max(seconds, 1e-9)
        since = 0 if speeds[size] > best * (1 + _SAME_SPEED) else since + 1
        size = min(2 * size, most)
    _check(len(speeds))
    least = max(speeds.values()) * (1 - _SAME_SPEED)
    return _rounded(min(size for size, speed in speeds.items() if speed >= least), most)


def _seconds(trial: Trial, size: int) -> float | None:
    try:
        seconds = trial(size)
    except MemoryShortageError:
        logger.info("a batch of %d does not fit", size)
        return None
    logger.info("a batch of %d: %.3g s, %.3g samples/s", size, seconds, size / max(seconds, 1e-9))
    return seconds


def _check(found: int) -> None:
    if not found:
        raise RayposeError(
            f"train.batch_size: auto: not even {_FEWEST} samples fit into the memory of a worker"
        )


def _rounded(size: int, most: int) -> int:
    """Return a size of whole eights, where there are some; a small data set is taken whole."""
    return size if size < 16 or size == most else size - size % 8
