"""Answers of an estimator to the samples of a dataset, in memory and as a Parquet file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from raypose.errors import DataError
from raypose.structures import Poses


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Answer:
    """What was predicted for a sample.

    Attributes:
        index: position of the sample in its dataset.
        poses: in image space; lifters: in the space of the codec.
        bbox_scale: width and height of the crop of each instance, image pixels; None for models
            that see the whole image.
    """

    index: int
    poses: Poses
    bbox_scale: list[list[float]] | None = None


_FIELDS = tuple(field.name for field in fields(Poses) if field.name != "extras")
_SCHEMA = pa.schema(
    [
        ("index", pa.int64()),
        ("bbox_scale", pa.list_(pa.list_(pa.float64()))),
        *((name, pa.list_(pa.float32())) for name in _FIELDS if name != "track_ids"),
        ("track_ids", pa.list_(pa.int64())),
        *((f"{name}.shape", pa.list_(pa.int64())) for name in _FIELDS),
    ]
)


def write_answers(answers: Sequence[Answer], path: Path) -> None:
    """Write answers to a Parquet file, a row each; a reader never sees half of it."""
    rows = [
        {
            "index": answer.index,
            "bbox_scale": answer.bbox_scale,
            **{
                name: value
                for name, value in answer.poses.to_row().items()
                if not name.startswith("extras.")
            },
        }
        for answer in answers
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.partial")
    pq.write_table(pa.Table.from_pylist(rows, schema=_SCHEMA), partial)
    partial.replace(path)


def read_answers(path: Path) -> list[Answer]:
    """Read the answers that `write_answers` wrote.

    Raises:
        DataError: if the file is no such file.
    """
    try:
        rows = pq.read_table(path, schema=_SCHEMA).to_pylist()
    except (OSError, pa.ArrowInvalid) as error:
        raise DataError(f"{path}: no file of predictions ({error})") from error
    return [
        Answer(
            index=row.pop("index"),
            bbox_scale=row.pop("bbox_scale"),
            poses=Poses.from_row(row),
        )
        for row in rows
    ]
