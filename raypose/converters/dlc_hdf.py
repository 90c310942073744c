"""DeepLabCut's table of labels in HDF5, as pandas writes it, read by h5py.

pandas itself would unpickle what the file holds, which runs code; here are arrays, and of the
"table" format a pickled list of names, from which anything else is refused. Source of the layout:
pandas' `HDFStore`, `BlockManagerFixed` and `AppendableFrameTable`.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from raypose.converters.dlc_table import LabelTable, unique_columns
from raypose.converters.extras import BROKEN_HDF, require
from raypose.datasets.pickled_arrays import UNREADABLE, unpickle_arrays
from raypose.errors import DataError

_Names = list[tuple[str, ...]]
_Table = tuple[_Names, _Names, npt.NDArray[np.float64]]


def read_hdf(path: Path) -> LabelTable:
    """Read an h5 file.

    Raises:
        DataError: if it is no table of labels.
        RayposeError: if h5py is not installed.
    """
    h5py = require("h5py", "read HDF5 files of DeepLabCut")
    try:
        with h5py.File(path, "r") as file:
            columns, rows, values = _read_table(file, path)
    except DataError:
        raise
    except (*BROKEN_HDF, *UNREADABLE) as error:
        raise DataError(f"{path}: not an HDF5 file of labels: {error}") from error
    if not columns or [column[-1] for column in columns] != ["x", "y"] * (len(columns) // 2):
        raise DataError(f"{path}: its columns are not x, y, x, y, ...")
    if len(columns[0]) not in (3, 4):
        raise DataError(f"{path}: scorer, bodyparts and coords of a column expected: {columns[0]}")
    pairs = [(column[1] if len(column) == 4 else "", column[-2]) for column in columns[::2]]
    return LabelTable(
        columns=unique_columns(pairs, path),
        pictures=["/".join(row).replace("\\", "/") for row in rows],
        points=values.reshape(len(rows), len(pairs), 2),
    )


def _read_table(file: Any, path: Path) -> _Table:
    """Return the columns, the rows and the values (rows, columns) of the first table."""
    for group in file.values():
        if "axis0_level0" in group:
            return _read_fixed(group)
        if "table" in group and "non_index_axes" in group.attrs:
            return _read_appendable(group, path)
    raise DataError(f"{path}: no table of labels that pandas has written")


def _read_fixed(group: Any) -> _Table:
    columns, rows = _levels(group, "axis0"), _levels(group, "axis1")
    values = np.full((len(rows), len(columns)), np.nan)
    # A block has the columns of one type: whole numbers lie apart from others.
    for block in (key[: -len("_values")] for key in group if key.endswith("_values")):
        places = [columns.index(item) for item in _levels(group, f"{block}_items")]
        values[:, places] = np.asarray(group[f"{block}_values"], np.float64)
    return columns, rows, values


def _read_appendable(group: Any, path: Path) -> _Table:
    table = group["table"]
    records = table[()]
    if records["index"].dtype.kind != "S":
        raise DataError(f"{path}: rows without the path of a picture; save the table as csv beside")
    ((_, names),) = unpickle_arrays(io.BytesIO(group.attrs["non_index_axes"]))
    columns: _Names = [tuple(map(str, name)) for name in names]
    values = np.full((len(records), len(columns)), np.nan)
    for block in (name for name in records.dtype.names if name.startswith("values_block_")):
        kind = unpickle_arrays(io.BytesIO(table.attrs[f"{block}_kind"]))
        values[:, [columns.index(tuple(map(str, name))) for name in kind]] = records[block]
    return columns, [(_text(row),) for row in records["index"]], values


def _levels(group: Any, axis: str) -> _Names:
    """Return the entries of an axis, as many strings each as it has levels."""
    if f"{axis}_level0" not in group:
        return [(_text(value),) for value in group[axis][:]]
    count = sum(f"{axis}_level{level}" in group for level in range(8))
    columns = []
    for level in range(count):
        names = [_text(value) for value in group[f"{axis}_level{level}"][:]]
        columns.append([names[code] for code in group[f"{axis}_label{level}"][:]])
    return list(zip(*columns, strict=True))


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
