"""The same pictures give the same rows, whatever they come in."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from raypose.distributed.annotate import annotate
from raypose.inference.annotation import storage
from raypose.inference.annotation.parts import read_annotations
from tests.distributed.conftest import Jobs

BOX = [20.0, 10.0, 120.0, 110.0]
KINDS = ["glob", "list.txt", "coco.json", "table.parquet", "shard.tar", "shard.tar.gz", "s3"]


def rows_of(out: Any) -> list[dict[str, Any]]:
    """Return rows with whether there is an error, which names the place of the picture."""
    return [{**row, "error": row["error"] is not None} for row in read_annotations(out)]


def make_input(kind: str, pictures: Path, folder: Path, bucket: str) -> str | Path:
    names = storage.list_files(pictures)
    path = folder / kind
    if kind == "glob":
        return pictures / "**" / "*.*g"
    if kind == "list.txt":
        path.write_text("\n".join(names))
    elif kind == "coco.json":
        images = [{"id": i, "file_name": name} for i, name in enumerate(names)]
        path.write_text(json.dumps({"images": images, "annotations": []}))
    elif kind == "table.parquet":
        content = [(pictures / name).read_bytes() for name in names]
        pq.write_table(pa.table({"path": names, "jpg": content}), path, row_group_size=5)
    elif kind == "s3":
        for name in names:
            storage.write_whole(storage.join(bucket, "in", name), (pictures / name).read_bytes())
        return f"{bucket}/in"
    else:
        with tarfile.open(path, "w:gz" if kind.endswith("gz") else "w") as tar:
            for name in names:
                tar.add(pictures / name, name)
    return path


@pytest.mark.parametrize("kind", KINDS)
def test_rows_are_those_of_the_folder(
    job: Jobs, pictures: Path, tmp_path: Path, bucket: str, kind: str
) -> None:
    annotate(job(out=tmp_path / "folder"))
    source = make_input(kind, pictures, tmp_path, bucket)
    reading = job().reading
    if kind in ("list.txt", "coco.json"):
        reading = type(reading)(images=str(pictures))
    out = f"{bucket}/out" if kind == "s3" else tmp_path / "other"
    other = job(source=source, reading=reading, out=out)
    progress = annotate(other)
    assert (progress.done, progress.instances) == (8, 6)
    assert rows_of(out) == rows_of(tmp_path / "folder")


def test_boxes_of_the_input_are_those_of_a_json(job: Jobs, pictures: Path, tmp_path: Path) -> None:
    x1, y1, x2, y2 = BOX
    path = tmp_path / "coco.json"
    content = {
        "images": [{"id": 3, "file_name": "000001.jpg"}, {"id": 4, "file_name": "below/last.jpg"}],
        "annotations": [
            {"id": 1, "image_id": 4, "bbox": [x1, y1, x2 - x1, y2 - y1]},
            {"id": 2, "image_id": 4, "bbox": [0, 0, 50, 50]},
        ],
    }
    path.write_text(json.dumps(content))
    annotate(job(boxes=path, out=tmp_path / "beside"))
    wanted = {row["source"]: row for row in rows_of(tmp_path / "beside")}
    reading = type(job().reading)(images=str(pictures))
    annotate(job(source=path, reading=reading, out=tmp_path / "within"))
    rows = rows_of(tmp_path / "within")
    assert [row["source"] for row in rows] == ["000001.jpg", "below/last.jpg"]
    assert rows == [wanted[row["source"]] for row in rows]
    assert [instance["bbox"] for instance in rows[1]["instances"]] == [BOX, [0, 0, 50, 50]]
