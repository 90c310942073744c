"""`RunLog`: a place that the numbers and pictures of a run go to while it trains.

Rows are known by the optimizer step. A run that goes on from a checkpoint first drops what was
written after it, so no step is there twice, where the place can do that.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy.typing as npt

Number = float | int
Image = npt.NDArray[Any]


class RunLog(Protocol):
    """One place that numbers go to."""

    def write(self, step: int, numbers: Mapping[str, Number]) -> None:
        """Note numbers after `step` batches of the run."""
        ...

    def show(self, step: int, name: str, image: Image) -> None:
        """Note a picture, (H, W, 3) uint8 BGR, after `step` batches of the run."""
        ...

    def close(self) -> None:
        """Finish; nothing is written afterwards."""
        ...


def noted_id(note: Path, done: int, make: Callable[[], str]) -> str:
    """Return the id that a run has elsewhere: the one noted if it goes on, else a new one.

    Args:
        note: the file that keeps it.
        done: batches of the run so far, 0 for a new one.
        make: makes an id.
    """
    if done and note.is_file():
        return note.read_text(encoding="utf-8").strip()
    identity = make()
    note.write_text(f"{identity}\n", encoding="utf-8")
    return identity
