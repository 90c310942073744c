"""The table of DeepLabCut's labels, which Lightning Pose has too: a row a picture, columns x and y.

The header has the levels `scorer`, `individuals` (only with several animals), `bodyparts` and
`coords`. A row begins with the path of its picture, in one cell or in three.
Source of the format: DeepLabCut's documentation, "Standard user guide", labelling.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from raypose.errors import DataError

_LEVELS = ("scorer", "individuals", "bodyparts", "coords")
SINGLE = "single"
"""The individual that parts belong to which are there once in a picture of several animals."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LabelTable:
    """R rows and P columns of points.

    Attributes:
        columns: P pairs of individual ("" where there are none) and body part.
        pictures: R paths with forward slashes.
        points: (R, P, 2) pixels; NaN where not labelled.
    """

    columns: list[tuple[str, str]]
    pictures: list[str]
    points: npt.NDArray[np.float64]

    def of(self, individual: str, parts: list[str]) -> npt.NDArray[np.float64]:
        """Return (R, K, 2), the points of an individual, in the order of `parts`."""
        found = np.full((len(self.pictures), len(parts), 2), np.nan)
        for index, part in enumerate(parts):
            if (individual, part) in self.columns:
                found[:, index] = self.points[:, self.columns.index((individual, part))]
        return found


def unique_columns(columns: list[tuple[str, str]], path: Path) -> list[tuple[str, str]]:
    """Return the columns, none of which may be there twice.

    Raises:
        DataError: if one is.
    """
    for column in columns:
        if columns.count(column) > 1:
            name = ".".join(filter(None, column))
            raise DataError(f"{path}: the body part {name} has two columns")
    return columns


def read_csv(path: Path) -> LabelTable:
    """Read a csv file.

    Raises:
        DataError: with the line that is broken.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            lines = [(number, row) for number, row in enumerate(csv.reader(file), 1) if any(row)]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path}: cannot be read as csv: {error}") from error
    header: dict[str, list[str]] = {}
    while lines and lines[0][1][0] in _LEVELS:
        _, row = lines.pop(0)
        header[row[0]] = row
    missing = [name for name in ("scorer", "bodyparts", "coords") if name not in header]
    if missing:
        raise DataError(
            f"{path}: not a table of labels, its header has no row {' and no row '.join(missing)}"
        )
    coords = header["coords"]
    for name, row in header.items():
        if len(row) != len(coords):
            raise DataError(
                f"{path}: header: the row {name} has {len(row)} cells, coords has {len(coords)}"
            )
    lead = next((i for i, cell in enumerate(coords) if cell in ("x", "y")), len(coords))
    kinds = coords[lead:]
    if not kinds or kinds != ["x", "y"] * (len(kinds) // 2):
        raise DataError(f"{path}: the row coords is x, y, x, y, ..., got {', '.join(kinds[:6])}")
    parts = header["bodyparts"][lead::2]
    individuals = header["individuals"][lead::2] if "individuals" in header else [""] * len(parts)
    pictures, points = [], np.empty((len(lines), len(kinds)))
    for at, (number, row) in enumerate(lines):
        if len(row) != len(coords):
            raise DataError(f"{path}:{number}: {len(coords)} cells expected, got {len(row)}")
        pictures.append("/".join(row[:lead]).replace("\\", "/"))
        for column, cell in enumerate(row[lead:]):
            try:
                points[at, column] = float(cell) if cell else np.nan
            except ValueError:
                raise DataError(
                    f"{path}:{number}: {parts[column // 2]}.{kinds[column]}: a number expected, "
                    f"got {cell!r}"
                ) from None
    return LabelTable(
        columns=unique_columns(list(zip(individuals, parts, strict=True)), path),
        pictures=pictures,
        points=points.reshape(len(lines), len(parts), 2),
    )


def write_csv(table: LabelTable, path: Path, scorer: str, split_path: bool) -> None:
    """Write a csv file.

    Args:
        table: what to write.
        path: the file.
        scorer: who has labelled.
        split_path: write the path of a picture into three cells, as DeepLabCut 2.2.1 and later.
    """
    lead = 3 if split_path else 1
    gap = [""] * (lead - 1)
    count = len(table.columns)
    individuals = [name for name, _ in table.columns for _ in "xy"]
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["scorer", *gap, *[scorer] * (2 * count)])
        if any(individuals):
            writer.writerow(["individuals", *gap, *individuals])
        writer.writerow(["bodyparts", *gap, *(part for _, part in table.columns for _ in "xy")])
        writer.writerow(["coords", *gap, *["x", "y"] * count])
        for picture, row in zip(table.pictures, table.points.reshape(-1, 2 * count), strict=True):
            cells = ["" if np.isnan(value) else repr(float(value)) for value in row]
            writer.writerow([*(picture.split("/", 2) if split_path else [picture]), *cells])
