"""`CsvLog`: the numbers of a run as a table, `log.csv`."""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from raypose.training.logs.run_log import Image, Number


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
