"""The rows that annotation writes: portable Parquet types, one row an image or frame."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from raypose.structures import Poses

_NUMBERS = pa.list_(pa.float32())
_POINTS = pa.list_(_NUMBERS)
SCHEMA = pa.schema(
    [
        pa.field("source", pa.string(), nullable=False),
        pa.field("frame", pa.int64(), nullable=False),
        pa.field("width", pa.int32()),
        pa.field("height", pa.int32()),
        pa.field(
            "instances",
            pa.list_(
                pa.struct(
                    [
                        ("bbox", _NUMBERS),
                        ("bbox_score", pa.float32()),
                        ("keypoints", _POINTS),
                        ("keypoint_scores", _NUMBERS),
                        ("keypoints_visible", _NUMBERS),
                        ("keypoints_3d", _POINTS),
                    ]
                )
            ),
        ),
        pa.field("error", pa.string()),
    ]
)
"""`bbox` is xyxy and `keypoints` (K, 2), both in pixels of the image; `frame` is 0 for images."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Annotation:
    """The answer for one image or frame.

    Attributes:
        source: file, relative to what was annotated.
        frame: number of the frame, 0 for an image.
        size: (w, h) of the image, None if it could not be read.
        poses: what was found, None if the image could not be read.
        error: why not.
    """

    source: str
    frame: int
    size: tuple[int, int] | None = None
    poses: Poses | None = None
    error: str | None = None


def instances_of(poses: Poses) -> list[dict[str, Any]]:
    """Return the instances of an image as plain mappings, those of the `instances` column."""

    def values(array: Any, index: int) -> Any:
        return None if array is None else array[index].tolist()

    return [
        {
            "bbox": values(poses.bboxes, i),
            "bbox_score": values(poses.bbox_scores, i),
            "keypoints": poses.keypoints[i].tolist(),
            "keypoint_scores": poses.keypoint_scores[i].tolist(),
            "keypoints_visible": values(poses.keypoints_visible, i),
            "keypoints_3d": values(poses.keypoints_3d, i),
        }
        for i in range(len(poses))
    ]


def write_part(annotations: Sequence[Annotation], path: Path) -> None:
    """Write annotations to a Parquet file; it appears whole or not at all."""
    rows = [
        {
            "source": item.source,
            "frame": item.frame,
            "width": None if item.size is None else item.size[0],
            "height": None if item.size is None else item.size[1],
            "instances": [] if item.poses is None else instances_of(item.poses),
            "error": item.error,
        }
        for item in annotations
    ]
    partial = path.with_name(f".{path.name}.partial")
    pq.write_table(pa.Table.from_pylist(rows, schema=SCHEMA), partial, compression="zstd")
    partial.replace(path)
