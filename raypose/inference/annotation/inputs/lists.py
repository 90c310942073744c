"""Lists of pictures: txt (one path a line), csv and Parquet with a column of paths, and boxes."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Sequence
from typing import Any

from raypose.errors import DataError, did_you_mean
from raypose.inference.annotation import storage
from raypose.inference.annotation.inputs.boxes import checked_boxes
from raypose.inference.annotation.inputs.tables import BOXES_COLUMN, open_table
from raypose.inference.annotation.shards import Boxes

LIST_SUFFIXES = frozenset({".txt", ".csv"})

_PATH_COLUMNS = ("path", "source", "file_name")
_CORNERS = ("x1", "y1", "x2", "y2")


def read_list(location: str, use_boxes: bool) -> tuple[list[str], list[Boxes] | None]:
    """Read the pictures that a list names.

    A picture that is named several times, such as once for each of its boxes, is one picture.

    Args:
        location: txt, csv or Parquet. The two latter have a column `path`, `source` or
            `file_name`, and may have `boxes` (a list of xyxy, in csv as JSON), or `x1`, `y1`,
            `x2` and `y2`; empty ones are no box.
        use_boxes: whether to read the boxes.

    Returns:
        Names as they are written, and the boxes of each; None if the list has none.

    Raises:
        DataError: if it cannot be read, has no such column, or something is no box.
    """
    where = storage.shown(location)
    if location.lower().endswith(".txt"):
        lines = (line.strip() for line in _text(location).splitlines())
        return list(dict.fromkeys(line for line in lines if line)), None
    if location.lower().endswith(".csv"):
        reader = csv.DictReader(io.StringIO(_text(location), newline=""))
        columns = [name for name in reader.fieldnames or () if name]
        path, corners, boxes = _columns(columns, use_boxes, where)
        rows: Iterable[dict[str, Any]] = reader
    else:
        with open_table(location) as table:
            path, corners, boxes = _columns(table.schema_arrow.names, use_boxes, where)
            wanted = [path, *(_CORNERS if corners else ()), *([BOXES_COLUMN] if boxes else ())]
            rows = table.read(columns=wanted).to_pylist()
    found: dict[str, Boxes] = {}
    for number, row in enumerate(rows, 1):
        name = str(row[path] or "").strip()
        if not name:
            raise DataError(f"{where}: row {number} has no {path}")
        given = found.setdefault(name, [])
        if corners or boxes:
            given += _boxes_of(row, corners, f"{where}: row {number}")
    return list(found), list(found.values()) if corners or boxes else None


def _text(location: str) -> str:
    try:
        return storage.read_bytes(location).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{storage.shown(location)}: a list is UTF-8 text ({error})") from error


def _columns(names: Sequence[str], use_boxes: bool, where: str) -> tuple[str, bool, bool]:
    """Return the column of paths, and whether there are corners and lists of boxes."""
    path = next((name for name in _PATH_COLUMNS if name in names), None)
    if path is None:
        near = next(filter(None, (did_you_mean(each, names) for each in _PATH_COLUMNS)), "")
        raise DataError(
            f"{where}: a list has a column {', '.join(_PATH_COLUMNS[:-1])} or "
            f"{_PATH_COLUMNS[-1]}, this one has {', '.join(names) or 'none'}.{near}"
        )
    if not use_boxes:
        return path, False, False
    corners = [name for name in _CORNERS if name in names]
    if corners and len(corners) < 4:
        raise DataError(f"{where}: a box has the columns x1, y1, x2 and y2, here are {corners}")
    if corners and BOXES_COLUMN in names:
        raise DataError(f"{where}: boxes are in x1, y1, x2 and y2 or in boxes, not in both")
    return path, bool(corners), BOXES_COLUMN in names


def _boxes_of(row: dict[str, Any], corners: bool, where: str) -> Boxes:
    if corners:
        box = [row[name] for name in _CORNERS]
        return [] if all(value in (None, "") for value in box) else checked_boxes([box], where)
    value = row[BOXES_COLUMN]
    if isinstance(value, str):
        try:
            value = json.loads(value or "[]")
        except ValueError as error:
            raise DataError(f"{where}: boxes are [[x1, y1, x2, y2], ...] ({error})") from error
    return checked_boxes(value or [], where)
