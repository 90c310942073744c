"""Images as bytes in the rows of Parquet files."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from raypose.errors import DataError, did_you_mean
from raypose.inference.annotation import storage
from raypose.inference.annotation.inputs.boxes import checked_boxes
from raypose.inference.annotation.inputs.decoding import in_order, read_picture, unreadable
from raypose.inference.annotation.inputs.options import InputOptions
from raypose.inference.annotation.shards import Picture, Shard

NAME_COLUMNS = ("source", "path", "file_name", "id", "key", "__key__")
BOXES_COLUMN = "boxes"

_ROWS_AT_ONCE = 16
_BLOCK = 1 << 20


@dataclass(frozen=True, kw_only=True)
class TableShard(Shard):
    """Some rows of one row group of the Parquet file `root`.

    Attributes:
        group: the row group.
        start: first row, counted in the group.
        stop: row of the group before which to end.
        first: row of the file that the group begins with.
        image_column: bytes of the images, or a struct with `bytes`.
        id_column: names of the images; None for those in `path` of the struct, else the numbers
            of the rows.
        boxes_column: boxes xyxy of each image; None if they are not used.
    """

    group: int
    start: int
    stop: int
    first: int
    image_column: str
    id_column: str | None = None
    boxes_column: str | None = None

    def __len__(self) -> int:
        return self.stop - self.start

    def read(self, pool: Executor, ahead: int) -> Iterator[Picture]:
        """Yield the images; see `Shard.read`."""
        return in_order(pool, self._reads(), ahead)

    def _reads(self) -> Iterator[Callable[[], Picture]]:
        table, done = storage.shown(self.root), self.start
        file_name = storage.split(self.root)[1]
        try:
            for row in self._rows():
                source = self._source_of(row, f"{file_name}#{self.first + done}")
                value = row[self.image_column]
                content = value.get("bytes") if isinstance(value, dict) else value
                name = f"{table}: {source}"
                boxes = row.get(self.boxes_column) if self.boxes_column else None
                if self.boxes_column:
                    try:
                        boxes = checked_boxes(boxes or [], name)
                    except DataError as error:
                        yield partial(unreadable, source, str(error), boxes=[])
                        done += 1
                        continue
                yield partial(read_picture, source, name, partial(_present, content, name), boxes)
                done += 1
        except storage.StorageError:
            raise
        except (pa.ArrowException, OSError, DataError) as error:
            for number in range(done, self.stop):
                source = self.prefix + f"{file_name}#{self.first + number}"
                yield partial(unreadable, source, f"{table}: {error}", boxes=self._nobody)
            return

    @property
    def _nobody(self) -> list[list[float]] | None:
        return None if self.boxes_column is None else []

    def _rows(self) -> Iterator[dict[str, Any]]:
        """Yield the rows of the range; pages before it are passed over, a few rows are held."""
        columns = [self.image_column, self.id_column, self.boxes_column]
        with storage.open_input(self.root) as file:
            batches = pq.ParquetFile(file, buffer_size=_BLOCK).iter_batches(
                _ROWS_AT_ONCE,
                row_groups=[self.group],
                columns=[name for name in columns if name is not None],
            )
            begin = 0
            for batch in batches:
                end = begin + batch.num_rows
                if end > self.start:
                    skipped = max(self.start - begin, 0)
                    count = min(end, self.stop) - begin - skipped
                    yield from batch.slice(skipped, count).to_pylist()
                begin = end
                if begin >= self.stop:
                    return

    def _source_of(self, row: dict[str, Any], number: str) -> str:
        value = row[self.image_column]
        if self.id_column is not None:
            name = row[self.id_column]
        else:
            name = value.get("path") if isinstance(value, dict) else None
        name = name.decode("utf-8", "backslashreplace") if isinstance(name, bytes) else name
        return self.prefix + (number if name is None else str(name))


def holds_images(location: str) -> bool:
    """Return whether a Parquet file holds images; one without any bytes is a list.

    Raises:
        DataError: if it is no Parquet file.
    """
    with open_table(location) as table:
        return any(_holds_bytes(field.type) for field in table.schema_arrow)


def plan_table(
    location: str, prefix: str, options: InputOptions, shard_size: int
) -> list[TableShard]:
    """Cut a Parquet file into shards.

    Args:
        location: the file.
        prefix: what the names of its images begin with in the answers.
        options: names of columns.
        shard_size: images of one shard.

    Raises:
        DataError: if it is no Parquet file, or which column to take is not clear.
    """
    with open_table(location) as table:
        schema, metadata = table.schema_arrow, table.metadata
        groups = [metadata.row_group(i).num_rows for i in range(metadata.num_row_groups)]
    image = _image_column(schema, options.image_column, storage.shown(location))
    name = _name_column(schema, options.id_column, storage.shown(location))
    boxes = BOXES_COLUMN if options.use_boxes and BOXES_COLUMN in schema.names else None
    shards = []
    first = 0
    for group, rows in enumerate(groups):
        for start in range(0, rows, shard_size):
            shards.append(
                TableShard(
                    root=location,
                    prefix=prefix,
                    group=group,
                    start=start,
                    stop=min(start + shard_size, rows),
                    first=first,
                    image_column=image,
                    id_column=name,
                    boxes_column=boxes,
                )
            )
        first += rows
    return shards


@contextmanager
def open_table(location: str) -> Iterator[pq.ParquetFile]:
    """Open a Parquet file.

    Raises:
        DataError: if it is none.
    """
    with storage.open_input(location) as file:
        try:
            yield pq.ParquetFile(file)
        except pa.ArrowException as error:
            raise DataError(f"{storage.shown(location)}: {error}") from error


def _image_column(schema: pa.Schema, given: str | None, table: str) -> str:
    names = [field.name for field in schema if _holds_bytes(field.type)]
    if given is None:
        if len(names) == 1:
            return names[0]
        raise DataError(
            f"{table}: several columns hold bytes; name that of the images with "
            f"--image-column ({', '.join(names)})"
            if names
            else f"{table}: no column holds the bytes of images ({', '.join(schema.names)})"
        )
    _check_column(given, schema.names, "--image-column", table)
    if given not in names:
        raise DataError(
            f"{table}: --image-column {given} holds {schema.field(given).type}; bytes of image "
            f"files are in {', '.join(names) or 'no column'}"
        )
    return given


def _name_column(schema: pa.Schema, given: str | None, table: str) -> str | None:
    if given is None:
        return next((name for name in NAME_COLUMNS if name in schema.names), None)
    _check_column(given, schema.names, "--id-column", table)
    return given


def _check_column(given: str, names: Sequence[str], option: str, table: str) -> None:
    if given not in names:
        near = did_you_mean(given, names) or f" There are {', '.join(names)}."
        raise DataError(f"{table}: {option} {given}: there is no such column.{near}")


def _holds_bytes(kind: pa.DataType) -> bool:
    if pa.types.is_struct(kind):
        index = kind.get_field_index("bytes")
        return index >= 0 and _holds_bytes(kind.field(index).type)
    return pa.types.is_binary(kind) or pa.types.is_large_binary(kind)


def _present(content: bytes | None, name: str) -> bytes:
    if content is None:
        raise DataError(f"{name}: the row has no image")
    return content
