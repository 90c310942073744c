"""All annotation files of a config are read: combined, repeated, added, in other layouts."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import yaml

from raypose.config import Config, load_config
from raypose.errors import ConfigError
from raypose.inspection.check import check_labels
from raypose.inspection.sources import read_config_labels, read_file_labels
from tests.inspection.walkers import NAMES, Content, draw_pictures, write_labels
from tests.tiny_runs import experiment

COCO = {"type": "CocoDataset", "ann_file": "train.json"}


def config_of(folder: Path, train: dict, **changes: object) -> Config:
    """Return the config of a training split alone, keypoints as its files say."""
    data = experiment(folder, **{"model__head__out_channels": 8, **changes})
    data["skeleton"] = changes.get("skeleton")
    data["data"] = {"train": {"pipeline": data["data"]["train"]["pipeline"], **train}}
    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump(data), encoding="utf-8")
    return load_config(path)


@pytest.fixture
def folder(train: Content, val: Content, tmp_path: Path) -> Path:
    write_labels(tmp_path, train=train, val=val)
    draw_pictures(tmp_path, train, val)
    return tmp_path


def test_both_splits_of_a_config(synthetic_people: Path, tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump(experiment(synthetic_people)))
    train, val = read_config_labels(load_config(path)).labels
    assert (train.split, train.file) == ("train", str(synthetic_people / "train.json"))
    assert (val.split, val.file) == ("val", str(synthetic_people / "val.json"))
    assert train.skeleton.name == "coco"
    entries = json.loads((synthetic_people / "val.json").read_text())["annotations"]
    assert val.ids == [str(entry["id"]) for entry in entries]
    np.testing.assert_array_equal(
        val.keypoints.reshape(len(val), -1),
        [[v for i, v in enumerate(e["keypoints"]) if i % 3 < 2] for e in entries],
    )


def test_what_is_combined_repeated_and_added(folder: Path) -> None:
    root = str(folder)
    parts = [
        {**COCO, "data_root": root},
        {"type": "RepeatDataset", "times": 3, "dataset": {**COCO, "data_root": root}},
    ]
    walker = {"name": "walker", "keypoints": list(NAMES)}
    combined = {"type": "CombinedDataset", "skeleton": walker, "datasets": parts}
    # Rearranged only later: the file's own keypoints are what is checked.
    swap = {"type": "KeypointConverter", "num_keypoints": 8, "mapping": [[0, 1], [1, 0]]}
    other = {"type": "CocoDataset", "ann_file": "val.json", "data_root": root}
    added = [{**other, "pipeline": [swap]}, other]
    config = config_of(folder, {"dataset": combined, "add": added})
    source = read_config_labels(config)
    assert [labels.split for labels in source.labels] == [
        "train.datasets.0",
        "train.datasets.1",
        "train.add.0",
        "train.add.1",
    ]
    assert [len(labels) for labels in source.labels] == [40, 40, 10, 10]
    assert {labels.skeleton.keypoint_names for labels in source.labels} == {NAMES}
    # A file that is named twice in a split is no picture that is there twice.
    assert check_labels(source) == []


def test_what_is_added_takes_the_skeleton_of_the_others(folder: Path, val: Content) -> None:
    del val["categories"][0]["keypoints"]
    write_labels(folder, val=val)
    added = [{"type": "CocoDataset", "ann_file": "val.json", "data_root": str(folder)}]
    config = config_of(folder, {"dataset": {**COCO, "data_root": str(folder)}, "add": added})
    assert [labels.skeleton.name for labels in read_config_labels(config).labels] == ["walker"] * 2


def test_files_of_another_layout_are_read_through_their_dataset(folder: Path) -> None:
    (folder / "mpii.json").write_text(
        json.dumps(
            [
                {
                    "image": "train1.png",
                    "center": [80, 60],
                    "scale": 0.7,
                    "joints": [[50 + 4 * i, 40 + 4 * i] for i in range(16)],
                    "joints_vis": [1] * 15 + [0],
                }
            ]
        )
    )
    dataset = {"type": "MpiiDataset", "ann_file": "mpii.json", "data_root": str(folder)}
    config = config_of(folder, {"dataset": dataset}, model__head__out_channels=16)
    source = read_config_labels(config)
    (labels,) = source.labels
    assert labels.images[0].path == str(folder / "train1.png")
    assert labels.skeleton.name == "mpii"
    assert labels.labelled.sum() == 15
    # Its box is made from a center and a scale, and may reach beyond the picture.
    assert check_labels(source) == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "not a JSON file"),
        ("[]", "no list of images and of annotations"),
        ('{"images": [], "annotations": []}', "name no keypoints"),
        ('{"images": [], "annotations": 3, "categories": [1]}', "no list of annotations"),
    ],
)
def test_a_file_that_cannot_be_read_is_a_finding(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "broken.json"
    path.write_text(text)
    source = read_file_labels([str(path)])
    assert source.labels == []
    finding = source.findings[-1]
    assert (finding.kind, finding.file, finding.severity) == ("annotation-file", str(path), "error")
    assert message in finding.message


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    (finding,) = read_file_labels([str(tmp_path / "none.json")]).findings
    assert finding.kind == "annotation-file"
    assert "No such file" in finding.message


def test_files_of_one_name_are_told_apart(folder: Path, train: Content) -> None:
    (folder / "other").mkdir()
    paths = [*write_labels(folder, train=train), *write_labels(folder / "other", train=train)]
    assert [labels.split for labels in read_file_labels(paths).labels] == paths


def test_a_config_without_data(tmp_path: Path) -> None:
    data = experiment(tmp_path)
    del data["data"], data["metrics"]
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump(data))
    with pytest.raises(ConfigError, match=r"data.train and data.val are missing"):
        read_config_labels(load_config(path))
