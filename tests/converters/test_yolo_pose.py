"""YOLO-pose: lines by hand, round trips, splits, broken files."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from raypose.converters import guess_format, read_labels
from raypose.converters.yolo_pose import write_yolo_pose
from raypose.errors import DataError
from tests.converters.samples import (
    SECOND,
    assert_same,
    draw,
    labels_of,
    mouse,
)

CONFIG = {
    "train": "images/train",
    "val": "images/val",
    "kpt_shape": [2, 3],
    "flip_idx": [1, 0],
    "names": {0: "mouse", 1: "rat"},
    "kpt_names": {0: ["nose", "tail"], 1: ["nose", "tail"]},
}
# Of a picture of 64 x 48: the box has its middle at (32, 24) and is 16 x 24 large.
LINE = "1 0.5 0.5 0.25 0.5 0.25 0.75 2 0 0 0\n"


def data_set(folder: Path, line: str = LINE, **change: Any) -> Path:
    for split in ("train", "val"):
        draw(folder / "images" / split / "a.png")
        (folder / "labels" / split).mkdir(parents=True)
    (folder / "labels" / "train" / "a.txt").write_text(line)
    (folder / "data.yaml").write_text(yaml.safe_dump({**CONFIG, **change}))
    return folder


def test_read(tmp_path: Path) -> None:
    source = data_set(tmp_path)
    assert guess_format(source) == guess_format(source / "data.yaml") == "yolo-pose"
    labels = read_labels(source)
    assert labels.skeleton.keypoint_names == ("nose", "tail")
    assert labels.skeleton.flip_indices == (1, 0)
    first, second = labels.images
    # The same name in both splits.
    assert (first.name, first.split) == ("train/a.png", "train")
    assert (second.name, second.split, second.instances) == ("val/a.png", "val", [])
    (rat,) = first.instances
    assert rat.category == "rat"
    assert rat.bbox == (24, 12, 40, 36)
    assert rat.keypoints[0].tolist() == [16, 36]
    assert rat.visibility.tolist() == [2, 0]


def test_without_visibility_and_names(tmp_path: Path) -> None:
    source = data_set(
        tmp_path,
        "0 0.5 0.5 0.25 0.5 0.25 0.75 0 0\n",
        kpt_shape=[2, 2],
        kpt_names=None,
        flip_idx=None,
    )
    labels = read_labels(source)
    assert labels.skeleton.keypoint_names == ("keypoint_0", "keypoint_1")
    assert labels.images[0].instances[0].visibility.tolist() == [2, 0]


def test_round_trip(tmp_path: Path) -> None:
    instances = {
        "m1/a.png": [mouse(bbox=[4, 6, 36, 42]), mouse(SECOND, visibility=[2, 1, 2, 2])],
        "m1/b.png": [],
        "m2/a.png": [mouse(category="rat")],
    }
    labels = labels_of(tmp_path / "in", instances)
    images = [
        replace(image, split="val" if image.name == "m2/a.png" else "train")
        for image in labels.images
    ]
    write_yolo_pose(replace(labels, images=images), tmp_path / "out")
    again = read_labels(tmp_path / "out")
    # A millionth of the picture.
    assert_same(again, labels, atol=1e-4)
    assert [image.split for image in again.images] == ["train", "train", "val"]
    assert again.images[0].instances[0].bbox == pytest.approx((4, 6, 36, 42), abs=1e-4)
    assert again.skeleton.flip_indices == (0, 2, 1, 3)
    text = (tmp_path / "out" / "labels" / "train" / "m1" / "a.txt").read_text()
    assert text.splitlines()[0].startswith("0 0.312500 0.500000 0.500000 0.750000 0.164062 ")


def test_list_of_pictures(tmp_path: Path) -> None:
    source = data_set(tmp_path, train="train.txt", val=None)
    (source / "train.txt").write_text("images/train/a.png\n\n")
    assert [image.name for image in read_labels(source).images] == ["a.png"]
    (source / "train.txt").write_text("images/train/a.png\nb.png\n")
    with pytest.raises(DataError, match=r"train.txt:2: no picture at .*b.png"):
        read_labels(source)


@pytest.mark.parametrize(
    ("line", "change", "message"),
    [
        ("1 0.5 0.5\n", {}, r"a.txt:1: 11 numbers expected, got 3"),
        (LINE + "x" + LINE[1:], {}, r"a.txt:2: numbers expected: .*'x'"),
        (LINE.replace("0.75 2", "0.75 3"), {}, r"a.txt:1: the visibility of a keypoint is 0, 1 or"),
        ("7" + LINE[1:], {}, r"a.txt:1: names: the class 7 has none"),
        (LINE, {"kpt_shape": 2}, r"data.yaml: kpt_shape: .* expected, got 2"),
        (LINE, {"kpt_shape": ["2", 3]}, r"data.yaml: kpt_shape"),
        (LINE, {"kpt_names": {0: ["nose"]}}, r"data.yaml: kpt_names: 2 names expected, got 1"),
        (LINE, {"flip_idx": [0, 2]}, r"data.yaml: flip_idx: each number from 0 to 1 once"),
        (LINE, {"names": "mouse"}, r"data.yaml: names: a list expected, got 'mouse'"),
        (LINE, {"val": "images/none"}, r"data.yaml: val: no folder of pictures or list"),
        (LINE, {"train": None, "val": None}, r"data.yaml: train, val and test: no pictures below"),
    ],
)
def test_broken_files(tmp_path: Path, line: str, change: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_labels(data_set(tmp_path, line, **change), "yolo-pose")


def test_two_pictures_with_one_file_of_labels(tmp_path: Path) -> None:
    labels = labels_of(tmp_path / "in", {"a.png": [mouse()], "a.jpg": [mouse()]})
    with pytest.raises(DataError, match=r"a.jpg: another picture's labels are in .*a.txt already"):
        write_yolo_pose(labels, tmp_path / "out")


def test_openfield(shared_data: Path, tmp_path: Path) -> None:
    labels = read_labels(shared_data / "openfield")
    write_yolo_pose(labels, tmp_path / "out", link=True)
    assert_same(read_labels(tmp_path / "out"), labels, atol=5e-4)
    again = read_labels(tmp_path / "out").images
    assert [image.split for image in again] == [image.split for image in labels.images]
