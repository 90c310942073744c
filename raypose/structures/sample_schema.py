"""`SAMPLE_SCHEMA`: the rows of `PoseSample.to_row` as an Arrow schema."""

from __future__ import annotations

import pyarrow as pa

from raypose.structures.pose_sample import ROW_COLUMNS

_TYPES = {
    "string": pa.string(),
    "int64": pa.int64(),
    "list<int64>": pa.list_(pa.int64()),
    "list<double>": pa.list_(pa.float64()),
    "binary": pa.large_binary(),
}
# Given in full: Arrow would guess another type for a column that is empty in one block.
SAMPLE_SCHEMA = pa.schema([(name, _TYPES[kind]) for name, kind in ROW_COLUMNS.items()])
"""Columns and types, all of them, in their order."""
