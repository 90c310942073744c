"""Part files: rows in Parquet that appear whole or not at all; the footer says what they are of."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from itertools import islice
from pathlib import Path
from typing import BinaryIO

import pyarrow.parquet as pq

from raypose.inference.annotation import storage
from raypose.inference.annotation.table import (
    INSTANCE_SCHEMA,
    SCHEMA,
    Layout,
    Row,
    layout_of,
    to_rows,
    to_table,
)

Place = str | Path
_KEY = b"raypose"
_ROWS_AT_ONCE = 256


@dataclass(frozen=True, kw_only=True)
class PartInfo:
    """What is in a part; kept in its footer.

    Attributes:
        rows: images or frames.
        instances: instances in all of them.
        errors: how many could not be read, by reason.
        seconds: what each stage took; see `StageClock`.
        fingerprint: of the job, models and weights among it; see `AnnotationJob`.
    """

    rows: int = 0
    instances: int = 0
    errors: dict[str, int] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    fingerprint: dict[str, str] = field(default_factory=dict)


def write_part(
    rows: Iterable[Row],
    path: Place,
    layout: Layout = "image",
    *,
    seconds: Mapping[str, float] | None = None,
    fingerprint: Mapping[str, str] | None = None,
) -> PartInfo:
    """Write rows to a part; it appears whole or not at all.

    Args:
        rows: taken as they come, so that there may be more than fit into memory.
        path: of the part.
        layout: of the table.
        seconds: what each stage took; read when the rows have ended.
        fingerprint: of the job.

    Raises:
        DataError: if it cannot be written, such as on a full disk; nothing is left of it then.
    """
    info = PartInfo(fingerprint=dict(fingerprint or {}))

    def write(file: BinaryIO) -> None:
        nonlocal info
        counts = _Counts()
        schema = SCHEMA if layout == "image" else INSTANCE_SCHEMA
        waiting = iter(rows)
        with pq.ParquetWriter(file, schema, compression="zstd") as writer:
            while chunk := list(islice(waiting, _ROWS_AT_ONCE)):
                writer.write_table(to_table(chunk, layout))
                counts.add(chunk)
            info = PartInfo(
                rows=counts.rows,
                instances=counts.instances,
                errors=dict(counts.errors),
                seconds=dict(seconds or {}),
                fingerprint=info.fingerprint,
            )
            writer.add_key_value_metadata({_KEY: json.dumps(asdict(info)).encode()})

    storage.write_whole(path, write)
    return info


def read_part(path: Place) -> Iterator[Row]:
    """Yield the rows of a part, one for each image, in either layout."""
    with storage.open_input(path) as file:
        parquet = pq.ParquetFile(file)
        batches = parquet.iter_batches(batch_size=_ROWS_AT_ONCE)
        yield from to_rows(batches, layout_of(parquet.schema_arrow))


def read_info(path: Place) -> PartInfo:
    """Return what is in a part, from its footer."""
    with storage.open_input(path) as file:
        metadata = pq.read_metadata(file).metadata or {}
    return PartInfo(**json.loads(metadata[_KEY]))


def list_parts(folder: Place) -> list[str]:
    """Return the names of the parts in a folder, in the order of the input."""
    names = storage.list_files(folder, recursive=False) if storage.exists(folder) else []
    return [name for name in names if name.startswith("part-") and name.endswith(".parquet")]


def read_annotations(folder: Place) -> Iterator[Row]:
    """Yield the rows of a folder of annotations, one for each image, in the order of the input."""
    for name in list_parts(folder):
        yield from read_part(storage.join(folder, name))


def reason_of(row: Row) -> str:
    """Return why an image could not be read, without its name, so that reasons can be counted."""
    error = str(row["error"])
    before, found, after = error.rpartition(row["source"])
    return after.lstrip("': ") if found and after.lstrip("': ") else before or error


class _Counts:
    def __init__(self) -> None:
        self.rows = 0
        self.instances = 0
        self.errors: Counter[str] = Counter()

    def add(self, rows: Iterable[Row]) -> None:
        for row in rows:
            self.rows += 1
            self.instances += len(row["instances"])
            if row["error"] is not None:
                self.errors[reason_of(row)] += 1
