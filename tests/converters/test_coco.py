"""COCO json: written and read again, entries by hand, configs that load, broken files."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from raypose.config import build_dataset, build_pipeline, load_config
from raypose.converters import convert_labels, read_labels, split_labels
from raypose.converters.coco import write_coco
from raypose.errors import DataError
from raypose.structures import Skeleton
from tests.converters.samples import (
    FIRST,
    MOUSE,
    SECOND,
    assert_same,
    draw,
    labels_of,
    mean_of,
    mouse,
    write_video,
)


@pytest.fixture
def content(tmp_path: Path) -> dict[str, Any]:
    """A file with one mouse; its picture is there."""
    draw(tmp_path / "images" / "m1" / "a.png")
    return {
        "categories": [{"id": 3, "name": "mouse", "keypoints": ["snout", "tail"]}],
        "images": [{"id": 7, "file_name": "images/m1/a.png", "width": 64, "height": 48}],
        "annotations": [
            {
                "id": 1,
                "image_id": 7,
                "category_id": 3,
                "bbox": [5, 6, 20, 10],
                "keypoints": [10.5, 8.25, 2, 20, 12, 1],
            }
        ],
    }


def write(folder: Path, content: Any, name: str = "mice.json") -> Path:
    (folder / name).write_text(json.dumps(content))
    return folder / name


def test_read(tmp_path: Path, content: dict[str, Any]) -> None:
    crowd = {**content["annotations"][0], "id": 2, "iscrowd": 1}
    content["annotations"].append(crowd)
    labels = read_labels(write(tmp_path, content))
    (image,) = labels.images
    assert image.name == "m1/a.png"
    assert image.split is None
    (instance,) = image.instances
    np.testing.assert_array_equal(instance.keypoints, [[10.5, 8.25], [20, 12]])
    assert instance.visibility.tolist() == [2, 1]
    assert instance.bbox == (5, 6, 25, 16)
    assert instance.category == "mouse"
    assert labels.notes == [f"{tmp_path / 'mice.json'}: 1 crowds or instances without keypoints"]


def test_round_trip_keeps_everything(tmp_path: Path) -> None:
    labels = labels_of(
        tmp_path / "in",
        {
            "m1/a.png": [
                mouse(bbox=[4.5, 5, 40, 44], track="8"),
                mouse(SECOND, category="rat", visibility=[2, 1, 2, 2], track="3"),
            ],
            "m1/b.png": [],
            "m2/a.png": [mouse(SECOND, track="8")],
        },
    )
    splits = {"m1/a.png": "train", "m1/b.png": "val", "m2/a.png": "train"}
    images = [
        replace(image, split=splits[image.name], video="m1.mp4", frame=number)
        for number, image in enumerate(labels.images)
    ]
    labels = replace(labels, images=images)
    write_coco(labels, tmp_path / "out")
    again = read_labels(tmp_path / "out")
    assert_same(again, labels)
    assert again.skeleton.links == MOUSE.links
    assert again.skeleton.flip_indices == (0, 2, 1, 3)
    assert {image.name: image.split for image in again.images} == splits
    assert {image.name: image.frame for image in again.images}["m2/a.png"] == 2
    first, second = again.images[0].instances
    assert first.bbox == (4.5, 5, 40, 44)
    assert second.category == "rat"


def test_entries(tmp_path: Path) -> None:
    write_coco(
        labels_of(tmp_path / "in", {"a.png": [mouse(bbox=[4, 5, 40, 44])]}), tmp_path / "out"
    )
    content = json.loads((tmp_path / "out" / "train.json").read_text())
    assert content["images"] == [{"id": 1, "file_name": "images/a.png", "width": 64, "height": 48}]
    assert content["annotations"] == [
        {
            "id": 1,
            "image_id": 1,
            "category_id": 1,
            "bbox": [4, 5, 36, 39],
            "area": 1404,
            "iscrowd": 0,
            "keypoints": [10.5, 20.25, 2, 12, 18.5, 2, 0, 0, 0, 30, 40.75, 2],
            "num_keypoints": 3,
        }
    ]
    (category,) = content["categories"]
    assert category["keypoints"] == ["snout", "left_ear", "right_ear", "tail"]
    assert category["skeleton"] == [[1, 2], [1, 3], [2, 4]]


def test_written_config_is_ready_to_train(tmp_path: Path) -> None:
    labels = split_labels(labels_of(tmp_path / "in", {f"{i}.png": [mouse()] for i in range(5)}))
    write_coco(labels, tmp_path / "out")
    config = load_config(tmp_path / "out" / "config.yaml")
    for dataset, count in ((build_dataset(config, "train"), 4), (build_dataset(config, "val"), 1)):
        assert len(dataset) == count
        assert dataset[0].keypoints is not None
        np.testing.assert_array_equal(dataset[0].keypoints[0][3], FIRST[3])
        assert dataset[0].img_path is not None
        assert Path(dataset[0].img_path).is_file()
    write_coco(labels_of(tmp_path / "in", {"a.png": [mouse()]}), tmp_path / "all")
    build_dataset(load_config(tmp_path / "all" / "config.yaml"), "train")


def test_the_crop_of_one_animal_without_a_box_is_the_picture(tmp_path: Path) -> None:
    one = split_labels(labels_of(tmp_path / "in", {f"{i}.png": [mouse()] for i in range(5)}))
    write_coco(one, tmp_path / "one")
    config = load_config(tmp_path / "one" / "config.yaml")
    ((width, height),) = {image.picture.size for image in one.images}
    sample = build_pipeline(config, "val")(build_dataset(config, "val")[0], 0)
    assert sample is not None
    np.testing.assert_array_equal(sample.bboxes, [[0, 0, width, height]])
    assert config.data["codec"]["input_size"] == [256, 192]

    write_coco(labels_of(tmp_path / "in", {"a.png": [mouse(), mouse()]}), tmp_path / "two")
    config = load_config(tmp_path / "two" / "config.yaml")
    steps = [step["type"] for step in config.data["data"]["train"]["pipeline"]]
    assert "WholeImageBBox" not in steps


def test_keypoints_without_names(tmp_path: Path, content: dict[str, Any]) -> None:
    del content["categories"][0]["keypoints"]
    labels = read_labels(write(tmp_path, content))
    assert labels.skeleton.keypoint_names == ("keypoint_0", "keypoint_1")
    pair = {"name": "pair", "keypoints": ["snout", "tail"]}
    assert labels.with_skeleton(Skeleton.load(pair)).skeleton.keypoint_names == ("snout", "tail")
    with pytest.raises(DataError, match=r"2 keypoints without names, the skeleton 'mouse' has 4"):
        labels.with_skeleton(MOUSE)
    assert convert_labels(tmp_path / "mice.json", "coco", tmp_path / "out").is_unnamed


def test_links_that_do_not_fit_are_left_out(tmp_path: Path, content: dict[str, Any]) -> None:
    content["categories"][0]["skeleton"] = [[0, 1]]
    labels = read_labels(write(tmp_path, content))
    assert labels.skeleton.links == ()
    assert len(labels.images[0].instances) == 1
    assert "skeleton.0: two numbers from 1 to 2 expected, got [0, 1]" in labels.notes[0]


def test_folder_of_another_skeleton_is_refused(tmp_path: Path, content: dict[str, Any]) -> None:
    write(tmp_path, content, "train.json")
    content["categories"][0]["keypoints"] = ["nose", "tail"]
    write(tmp_path, content, "val.json")
    with pytest.raises(DataError, match=r"keypoints of different names or order"):
        read_labels(tmp_path)


@pytest.mark.parametrize(
    ("part", "change", "message"),
    [
        ("images", {"file_name": "b.png"}, "mice.json: image 7: no picture b.png"),
        ("images", {"file_name": 5}, "image 7: 'file_name' is a text, got 5"),
        ("annotations", {"keypoints": [1, 2, 2]}, "annotation 1: 'keypoints' are 2 times x"),
        ("annotations", {"keypoints": [1, "2", 2, 1, 1, 1]}, "annotation 1: 'keypoints' is a list"),
        ("annotations", {"keypoints": [1, 2, 3, 1, 1, 1]}, "annotation 1: keypoints: the visibi"),
        ("annotations", {"bbox": [1, 2, 3]}, "annotation 1: 'bbox' is x, y, width and height"),
        ("annotations", {"image_id": 9}, "annotation 1: no image has the id 9"),
        ("categories", {"keypoints": ["tail", "tail"]}, "mice.json: .*'tail' is there twice"),
        ("categories", {"flip_indices": [0]}, r"mice.json: .*flip_indices: each number from 0 to"),
    ],
)
def test_broken_file(
    tmp_path: Path, content: dict[str, Any], part: str, change: dict[str, Any], message: str
) -> None:
    content[part][0].update(change)
    with pytest.raises(DataError, match=message):
        read_labels(write(tmp_path, content), "coco")


def test_file_of_something_else(tmp_path: Path) -> None:
    (tmp_path / "cut.json").write_text('{"images": [')
    with pytest.raises(DataError, match=r"cut.json: not a JSON file"):
        read_labels(tmp_path / "cut.json", "coco")
    with pytest.raises(DataError, match=r"no list of images and of annotations"):
        read_labels(write(tmp_path, {}), "coco")
    (tmp_path / "out").mkdir()
    with pytest.raises(DataError, match=r"no COCO-keypoints json in this folder"):
        read_labels(tmp_path / "out", "coco")


def test_picture_that_is_a_frame_of_a_video(tmp_path: Path, content: dict[str, Any]) -> None:
    write_video(tmp_path / "m1.avi", 5)
    content["images"][0].update(file_name="images/m1/3.png", video="m1.avi", frame_id=3)
    labels = convert_labels(write(tmp_path, content), "coco", tmp_path / "out", val_fraction=0)
    (image,) = read_labels(tmp_path / "out").images
    assert image.name == "m1/3.png"
    assert (image.video, image.frame) == ("m1.avi", 3)
    assert mean_of(tmp_path / "out/images/m1/3.png") == pytest.approx(60, abs=3)
    assert labels.images[0].picture.size == (64, 48)


@pytest.mark.parametrize("name", ["openfield", "fly_pair"])
def test_real_files(shared_data: Path, tmp_path: Path, name: str) -> None:
    labels = convert_labels(shared_data / name, "coco", tmp_path / "out", link=True)
    assert_same(read_labels(tmp_path / "out"), labels, atol=5e-4)
    wanted = json.loads((shared_data / name / "val.json").read_text())
    written = json.loads((tmp_path / "out" / "val.json").read_text())
    for ours, theirs in zip(written["annotations"], wanted["annotations"], strict=True):
        np.testing.assert_allclose(ours["keypoints"], theirs["keypoints"], atol=1e-3)
        np.testing.assert_allclose(ours["bbox"], theirs["bbox"], atol=2e-3)


@pytest.mark.parametrize(
    "name",
    [
        *("aic/test_aic", "ak/test_animalkingdom", "animalpose/test_animalpose"),
        *("ap10k/test_ap10k", "atrw/test_atrw", "coco/test_coco", "cofw/test_cofw"),
        *("crowdpose/test_crowdpose", "fly/test_fly", "freihand/test_freihand"),
        *("horse10/test_horse10", "jhmdb/test_jhmdb_sub1", "lapa/test_lapa", "mhp/test_mhp"),
        *("ochuman/test_ochuman", "onehand10k/test_onehand10k", "rhd/test_rhd", "wflw/test_wflw"),
        "posetrack18/annotations/test_posetrack18_val",
    ],
)
def test_files_of_public_data_sets(shared_data: Path, tmp_path: Path, name: str) -> None:
    labels = read_labels(shared_data / "formats" / f"{name}.json")
    write_coco(labels, tmp_path / "out", link=True)
    assert_same(read_labels(tmp_path / "out"), labels, atol=1e-3)
