"""The written set: files, JSON, and the same bytes from one process or two."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import pytest

from raypose.datasets import CocoDataset
from raypose.datasets.synthetic import render_scene, write_synthetic_people


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_synthetic_people(tmp_path_factory.mktemp("set"), 6, seed=2, split_name="val")


def test_json_describes_the_pictures_that_lie_beside_it(written: Path) -> None:
    content = json.loads(written.read_text())
    assert written.name == "val.json"
    assert [image["id"] for image in content["images"]] == list(range(6))
    for image in content["images"]:
        picture = cv2.imread(str(written.parent / "images" / image["file_name"]))
        assert picture is not None
        assert picture.shape[:2] == (image["height"], image["width"])
    ids = [annotation["id"] for annotation in content["annotations"]]
    assert ids == list(range(1, len(ids) + 1))
    category = content["categories"][0]
    assert category["keypoints"][0] == "nose"
    assert category["keypoints"][16] == "right_ankle"
    assert [16, 14] in category["skeleton"]


def test_annotations_are_those_of_the_rendered_scene(written: Path) -> None:
    content = json.loads(written.read_text())
    expected = [person.to_coco() for person in render_scene(2, 3, "val").people]
    found = [a for a in content["annotations"] if a["image_id"] == 3]
    assert [{k: v for k, v in a.items() if k not in ("id", "image_id")} for a in found] == expected


def test_coco_dataset_reads_it(written: Path) -> None:
    dataset = CocoDataset(str(written), data_prefix={"img": str(written.parent / "images")})
    content = json.loads(written.read_text())
    assert len(dataset) == len(content["annotations"])
    assert dataset.skeleton.num_keypoints == 17
    assert dataset[0].keypoints.shape == (1, 17, 2)
    assert dataset[0].keypoints[0, 0].tolist() == pytest.approx(
        content["annotations"][0]["keypoints"][:2]
    )


def test_processes_do_not_change_what_is_written(written: Path, tmp_path: Path) -> None:
    done: list[int] = []
    path = write_synthetic_people(
        tmp_path, 6, seed=2, split_name="val", num_workers=2, on_image=done.append
    )
    assert done == [1, 2, 3, 4, 5, 6]
    assert path.read_bytes() == written.read_bytes()
    for picture in sorted((tmp_path / "images" / "val").iterdir()):
        twin = written.parent / "images" / "val" / picture.name
        assert picture.read_bytes() == twin.read_bytes()


def test_a_set_needs_a_picture(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="num_images is a positive number, got 0"):
        write_synthetic_people(tmp_path, 0)
