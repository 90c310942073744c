"""Where the numbers of a run go while it trains: `log.csv`, TensorBoard.

Rows are known by the optimizer step. A run that goes on from a checkpoint first drops what was
written after it, so no step is there twice.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy.typing as npt

from raypose.errors import ConfigError

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


class CsvLog:
    """`log.csv`: a row for each time numbers are noted, a column for each name.

    Args:
        folder: of the file.
        done: batches of the run so far; later rows of the file are dropped, all of them for 0.
    """

    def __init__(self, folder: Path, done: int) -> None:
        self._path = folder / "log.csv"
        self._columns = ["step"]
        rows = read_csv_log(self._path) if done and self._path.is_file() else []
        self._rewrite([row for row in rows if row["step"] <= done])

    def write(self, step: int, numbers: Mapping[str, Number]) -> None:
        """Append a row."""
        row = {"step": step, **numbers}
        if row.keys() <= set(self._columns):
            with self._path.open("a", encoding="utf-8", newline="") as file:
                csv.DictWriter(file, self._columns).writerow(row)
        else:
            self._rewrite([*read_csv_log(self._path), row])

    def show(self, step: int, name: str, image: Image) -> None:
        """Do nothing: a table has no room for pictures."""

    def close(self) -> None:
        """Do nothing: every row is in the file already."""

    def _rewrite(self, rows: Sequence[Mapping[str, Number]]) -> None:
        """Write all rows, with columns for whatever they have; a reader never sees half a file."""
        self._columns = list(dict.fromkeys(["step", *(name for row in rows for name in row)]))
        partial = self._path.with_name(".log.csv.partial")
        with partial.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, self._columns)
            writer.writeheader()
            writer.writerows(rows)
        partial.replace(self._path)


class TensorBoardLog:
    """Event files in `tensorboard/`.

    Args:
        folder: of the run.
        done: batches of the run so far; TensorBoard drops what was noted after them.

    Raises:
        ConfigError: if tensorboardX is not installed.
    """

    def __init__(self, folder: Path, done: int) -> None:
        try:
            from tensorboardX import SummaryWriter
        except ImportError as error:
            raise ConfigError(
                "train.loggers: 'tensorboard' needs the package tensorboardX: "
                "pip install 'raypose[logs]'"
            ) from error
        # Without a checkpoint to go on from, everything that is there is of another run.
        self._writer: Any = SummaryWriter(str(folder / "tensorboard"), purge_step=done + 1)

    def write(self, step: int, numbers: Mapping[str, Number]) -> None:
        """Note each number under its name."""
        for name, value in numbers.items():
            self._writer.add_scalar(name, value, step)
        self._writer.flush()

    def show(self, step: int, name: str, image: Image) -> None:
        """Note a picture under its name."""
        self._writer.add_image(name, image[..., ::-1], step, dataformats="HWC")

    def close(self) -> None:
        """Close the event file."""
        self._writer.close()


def open_logs(names: Sequence[str], folder: Path, done: int) -> list[RunLog]:
    """Open the logs of a run.

    Args:
        names: those of `train.loggers`.
        folder: of the run, made if missing.
        done: batches of the run that its checkpoint has seen.

    Raises:
        ConfigError: if a package is missing.
    """
    kinds = {"csv": CsvLog, "tensorboard": TensorBoardLog}
    folder.mkdir(parents=True, exist_ok=True)
    return [kinds[name](folder, done) for name in dict.fromkeys(names)]


def read_csv_log(path: Path) -> list[dict[str, float]]:
    """Return the rows of a `log.csv`, each with the numbers it has; half a last row is left out."""
    with path.open(encoding="utf-8", newline="") as file:
        return [
            {name: _number(value) for name, value in row.items() if value}
            for row in csv.DictReader(file)
            if row.get("step") and None not in row.values()
        ]


def _number(text: str) -> float:
    value = float(text)
    return int(value) if math.isfinite(value) and value == int(value) and "." not in text else value
