"""Small pictures of known brightness, and what reads them."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from raypose.inference.annotation import storage
from raypose.inference.annotation.inputs import InputOptions, plan_shards
from raypose.inference.annotation.shards import Picture, Shard

NAMES = ["a/z.png", "b.PNG", "c.png", "d.png", "e.png"]
BOXES = {
    "a/z.png": [[1.0, 2.0, 11.0, 22.0], [0.0, 0.0, 4.0, 4.0]],
    "b.PNG": [],
    "c.png": [[5.5, 5.0, 9.0, 9.0]],
    "d.png": [],
    "e.png": [[2.0, 2.0, 3.0, 3.0]],
}

Read = Callable[..., list[Picture]]
Seen = list[tuple[str, int, int | None]]


def grey(value: int) -> np.ndarray:
    return np.full((24, 32, 3), value, np.uint8)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Five pictures, the n-th of brightness 10 n."""
    root = tmp_path / "pictures"
    (root / "a").mkdir(parents=True)
    for number, name in enumerate(NAMES, 1):
        assert cv2.imwrite(str(root / name), grey(10 * number))
    return root


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(2) as pool:
        yield pool


@pytest.fixture
def read(pool: ThreadPoolExecutor) -> Read:
    """Plan, send each shard through its text, and read all of them."""

    def read(*inputs: Any, shard_size: int = 2, boxes: Any = None, **options: Any) -> list[Picture]:
        shards = plan_shards(inputs, shard_size, boxes, options=InputOptions(**options))
        names = [shard.part_name for shard in shards]
        assert names == sorted(set(names))
        pictures: list[Picture] = []
        for shard in shards:
            copy = Shard.from_json(shard.to_json())
            assert copy == shard
            found = list(copy.read(pool, 4))
            assert len(shard) in (0, len(found))
            pictures += found
        return pictures

    return read


def seen(pictures: list[Picture]) -> Seen:
    """Return name, index and brightness, None for what cannot be read."""
    return [
        (
            picture.frame.source,
            picture.frame.index,
            None if picture.frame.image is None else round(float(picture.frame.image.mean())),
        )
        for picture in pictures
    ]


EXPECTED: Seen = [(name, 0, 10 * number) for number, name in enumerate(NAMES, 1)]


def coco_json(path: Path, boxes: dict[str, list[list[float]]]) -> Path:
    content = {
        "images": [{"id": 10 + i, "file_name": name} for i, name in enumerate(boxes)],
        "annotations": [
            {"id": 7, "image_id": 10 + i, "bbox": [x1, y1, x2 - x1, y2 - y1]}
            for i, name in enumerate(boxes)
            for x1, y1, x2, y2 in boxes[name]
        ],
    }
    path.write_text(json.dumps(content))
    return path


def csv_list(path: Path, boxes: dict[str, list[list[float]]]) -> Path:
    """One row a box."""
    lines = ["path,x1,y1,x2,y2"]
    for name, each in boxes.items():
        lines += [",".join([name, *map(str, box)]) for box in each] or [f"{name},,,,"]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8-sig")
    return path


def image_table(path: Path, folder: Path, **columns: Any) -> Path:
    table = pa.table(
        {
            "source": NAMES,
            "image": pa.array([(folder / name).read_bytes() for name in NAMES], pa.binary()),
            **columns,
        }
    )
    pq.write_table(table, path, row_group_size=3)
    return path


def tar_of(path: Path, folder: Path, names: list[str] = NAMES, mode: Any = "w") -> Path:
    """Pictures with what else is in a WebDataset shard between them."""
    with tarfile.open(path, mode) as tar:
        for name in names:
            tar.add(folder / name, name)
            note = folder.parent / "note.json"
            note.write_text('{"label": 3}')
            tar.add(note, f"{name.rpartition('.')[0]}.json")
    return path


def write_video(
    path: Path, count: int, code: str = "MJPG", rate: float = 10.0, first: int = 0
) -> Path:
    """The n-th frame has brightness 10 (first + n)."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*code), rate, (64, 48))
    assert writer.isOpened()
    for index in range(first, first + count):
        writer.write(np.full((48, 64, 3), 10 * index % 256, np.uint8))
    writer.release()
    return path


def upload(folder: Path, target: str) -> str:
    """Copy a folder to a store."""
    for name in storage.list_files(folder):
        storage.write_whole(storage.join(target, name), (folder / name).read_bytes())
    return target
