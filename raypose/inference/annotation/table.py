"""The rows that annotation writes: portable Parquet types only, one row an image or an instance.

N instances of an image, K keypoints.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Literal

import numpy as np
import pyarrow as pa

from raypose.inference.box_stage import ONLY
from raypose.structures import Poses

Row = dict[str, Any]
"""An image or frame with its instances, as plain values; the columns are those of `SCHEMA`."""

Layout = Literal["image", "instance"]

_NUMBERS = pa.list_(pa.float32())
_POINTS = pa.list_(_NUMBERS)
_INSTANCE = [
    pa.field("category", pa.string()),
    pa.field("bbox", _NUMBERS),
    pa.field("bbox_score", pa.float32()),
    pa.field("score", pa.float32()),
    pa.field("keypoints", _POINTS),
    pa.field("keypoint_scores", _NUMBERS),
    pa.field("keypoints_visible", _NUMBERS),
    pa.field("track_id", pa.int64()),
    pa.field("keypoints_3d", _POINTS),
    pa.field("interpolated", pa.bool_()),
]
_PICTURE = [
    pa.field("source", pa.string(), nullable=False),
    pa.field("frame", pa.int64(), nullable=False),
    pa.field("time", pa.float64()),
    pa.field("width", pa.int32()),
    pa.field("height", pa.int32()),
]
_ERROR = pa.field("error", pa.string())
SCHEMA = pa.schema([*_PICTURE, pa.field("instances", pa.list_(pa.struct(_INSTANCE))), _ERROR])
"""One row an image.

`bbox` is xyxy and `keypoints` (K, 2), both in pixels of the image. `frame` is 0 and `time`, seconds
since the start of the video, null for images. `category` is null where there is but one model.
"""
INSTANCE_SCHEMA = pa.schema([*_PICTURE, pa.field("instance", pa.int32()), *_INSTANCE, _ERROR])
"""One row an instance; an image without any has one row in which `instance` is null."""

# Columns of an instance that are fields of `Poses` by another name.
_FIELDS = {
    "bbox": "bboxes",
    "bbox_score": "bbox_scores",
    "score": "scores",
    "keypoints": "keypoints",
    "keypoint_scores": "keypoint_scores",
    "keypoints_visible": "keypoints_visible",
    "track_id": "track_ids",
    "keypoints_3d": "keypoints_3d",
}


@dataclass(frozen=True, kw_only=True, eq=False)
class Annotation:
    """The answer for one image or frame.

    Attributes:
        source: file, relative to what was annotated.
        frame: number of the frame, 0 for an image.
        time: seconds since the start of the video, None for an image.
        size: (w, h) of the image, None if it could not be read.
        found: what was found, by category; nothing if the image could not be read.
        error: why not.
    """

    source: str
    frame: int
    time: float | None = None
    size: tuple[int, int] | None = None
    found: Mapping[str, Poses]
    error: str | None = None

    def to_row(self) -> Row:
        """Return the row of the image."""
        return {
            "source": self.source,
            "frame": self.frame,
            "time": self.time,
            "width": None if self.size is None else self.size[0],
            "height": None if self.size is None else self.size[1],
            "instances": instances_of(self.found),
            "error": self.error,
        }


def instances_of(found: Mapping[str, Poses]) -> list[dict[str, Any]]:
    """Return the instances of an image, by category, as values of the `instances` column."""
    instances = []
    for category, poses in found.items():
        columns = {
            column: None if (array := getattr(poses, name)) is None else array.tolist()
            for column, name in _FIELDS.items()
        }
        if columns["track_id"] is not None:
            # -1 stands for nobody in particular.
            columns["track_id"] = [None if i < 0 else i for i in columns["track_id"]]
        interpolated = poses.extras.get("interpolated")
        columns["interpolated"] = None if interpolated is None else interpolated.tolist()
        for i in range(len(poses)):
            values = {c: None if column is None else column[i] for c, column in columns.items()}
            instances.append({"category": category or None, **values})
    return instances


def poses_of(row: Row, num_keypoints: int, category: str = ONLY) -> Poses:
    """Return the poses of one category in an image, as they were written.

    Args:
        row: of the image.
        num_keypoints: K.
        category: which, the only one by default.
    """
    instances = [each for each in row["instances"] or () if (each["category"] or ONLY) == category]
    if not instances:
        return Poses.empty(num_keypoints)
    fields: dict[str, Any] = {}
    for column, name in _FIELDS.items():
        values = [instance[column] for instance in instances]
        if name == "track_ids" and any(value is not None for value in values):
            values = [-1 if value is None else value for value in values]
        if all(value is not None for value in values):
            kind = np.int64 if name == "track_ids" else np.float32
            fields[name] = np.asarray(values, kind)
    marks = [instance["interpolated"] for instance in instances]
    extras = {} if None in marks else {"interpolated": np.asarray(marks, np.bool_)}
    return Poses(**fields, extras=extras)


def to_table(rows: Iterable[Row], layout: Layout) -> pa.Table:
    """Return rows of images as a table, one row an image or one row an instance."""
    if layout == "image":
        return pa.Table.from_pylist(list(rows), schema=SCHEMA)
    return pa.Table.from_pylist(list(_spread(rows)), schema=INSTANCE_SCHEMA)


def to_rows(table: Iterable[pa.RecordBatch], layout: Layout) -> Iterator[Row]:
    """Yield rows of images from the batches of a table in either layout."""
    flat = (row for batch in table for row in batch.to_pylist())
    yield from flat if layout == "image" else _gather(flat)


def layout_of(schema: pa.Schema) -> Layout:
    """Return whether a table has one row an image or one row an instance."""
    return "image" if "instances" in schema.names else "instance"


def _spread(rows: Iterable[Row]) -> Iterator[Row]:
    nothing = dict.fromkeys(field.name for field in _INSTANCE)
    for row in rows:
        picture = {name: value for name, value in row.items() if name != "instances"}
        for index, instance in enumerate(row["instances"]):
            yield {**picture, "instance": index, **instance}
        if not row["instances"]:
            yield {**picture, "instance": None, **nothing}


def _gather(flat: Iterable[Row]) -> Iterator[Row]:
    columns = [field.name for field in _INSTANCE]
    for _, group in groupby(flat, key=lambda row: (row["source"], row["frame"])):
        rows = list(group)
        picture = {field.name: rows[0][field.name] for field in _PICTURE}
        instances = [{name: row[name] for name in columns} for row in rows]
        yield {
            **picture,
            "instances": [] if rows[0]["instance"] is None else instances,
            "error": rows[0]["error"],
        }
