"""How input is cut into shards, and the boxes that come with it."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from raypose.errors import DataError
from raypose.inference.annotation.shards import Shard, plan_shards, read_boxes


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Files that are named like pictures; nobody opens them here."""
    folder = tmp_path / "pictures"
    (folder / "below").mkdir(parents=True)
    for name in (*(f"00000{i}.jpg" for i in range(7)), "below/last.jpg"):
        (folder / name).touch()
    return folder


@pytest.fixture
def video(tmp_path: Path) -> Path:
    """Seven black frames."""
    path = tmp_path / "walk.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 5.0, (32, 32))
    for _ in range(7):
        writer.write(np.zeros((32, 32, 3), np.uint8))
    writer.release()
    return path


def test_shards_travel_and_keep_their_names(pictures: Path, video: Path) -> None:
    shards = [
        *plan_shards(pictures, 3),
        *plan_shards(pictures, 3, {"000000.jpg": ((0.0, 0.0, 5.0, 6.0),)}),
        *plan_shards(video, 4),
        *plan_shards(pictures / "000000.jpg", 4),
    ]
    assert [len(shard) for shard in shards] == [3, 3, 2, 3, 3, 2, 4, 3, 1]
    assert len({shard.part_name for shard in shards}) == len(shards)
    for shard in shards:
        assert Shard.from_json(shard.to_json()) == shard


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("missing", "no such file or folder"),
        ("note.txt", "a folder of images, an image or a video"),
    ],
)
def test_what_cannot_be_annotated(tmp_path: Path, name: str, reason: str) -> None:
    (tmp_path / "note.txt").write_text("")
    with pytest.raises(DataError, match=rf"{name}: {reason}"):
        plan_shards(tmp_path / name, 3)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("{", "Expecting"),
        ("{}", "'images' is missing"),
        (
            '{"images": [{"id": 1, "file_name": "a.jpg"}], '
            '"annotations": [{"id": 3, "image_id": 1, "bbox": [0, 0, NaN, 1]}]}',
            "annotation 3: bbox",
        ),
    ],
)
def test_boxes_that_cannot_be_used(tmp_path: Path, content: str, reason: str) -> None:
    path = tmp_path / "boxes.json"
    path.write_text(content)
    with pytest.raises(DataError, match=rf"boxes.json: boxes are read from a COCO json; {reason}"):
        read_boxes(path)


def test_boxes_of_other_pictures(pictures: Path) -> None:
    with pytest.raises(DataError, match=r"none of the boxes .* they name 'x.jpg', the images are"):
        plan_shards(pictures, 3, {"x.jpg": ((0.0, 0.0, 1.0, 1.0),)})
