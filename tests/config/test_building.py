"""Objects from a config, and who gets its skeleton."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from raypose.config import (
    Config,
    Pipeline,
    build_codec,
    build_dataset,
    build_metrics,
    build_model,
    build_pipeline,
    sample_shares,
)
from raypose.errors import ConfigError
from raypose.structures import PoseSample, Skeleton
from tests.config.conftest import MODEL, Write

Load = Callable[..., Config]

MOUSE = "skeleton: {name: mouse, keypoints: [nose, left_ear, right_ear], sigmas: 0.05}\n"
DATA = """\
data:
  val:
    dataset: {type: CocoDataset, ann_file: val.json, data_root: here}
    pipeline: [{type: GetBBoxCenterScale, padding: 1.0}]
metrics: [{type: CocoMetric}, {type: EPE}]
"""
TRAINING = """\
data:
  train:
    dataset: {type: CocoDataset, ann_file: train.json}
    pipeline: [{type: GetBBoxCenterScale, padding: 1.0}]
    sample_ratio_factor: [0.5]
    switch:
      epoch: 3
      pipeline: [{type: GetBBoxCenterScale, padding: 2.0}]
      sample_ratio_factor: [1]
optimizer: {type: Adam, lr: 1.0e-3}
"""


@pytest.fixture
def config(load: Load, write: Write) -> Config:
    keypoints = [10, 10, 2, 20, 10, 2, 30, 10, 2]
    annotation = {
        "id": 1,
        "image_id": 1,
        "category_id": 1,
        "bbox": [5, 5, 30, 20],
        "area": 600,
        "iscrowd": 0,
        "keypoints": keypoints,
        "num_keypoints": 3,
    }
    category = {"id": 1, "name": "mouse", "keypoints": ["nose", "left_ear", "right_ear"]}
    content = {
        "images": [{"id": 1, "file_name": "a.jpg", "width": 64, "height": 48}],
        "annotations": [annotation],
        "categories": [category],
    }
    write("here/val.json", json.dumps(content))
    return load(MOUSE + MODEL.replace("out_channels: 17", "out_channels: 3") + DATA)


def test_the_skeleton_goes_to_all_that_take_one(config: Config) -> None:
    built: list[Any] = [build_model(config), build_dataset(config, "val"), build_metrics(config)[0]]
    assert [item.skeleton.name for item in built] == ["mouse"] * 3


def test_a_config_without_a_skeleton_takes_that_of_the_data(load: Load) -> None:
    config = load(MODEL)
    assert build_model(config).skeleton is None
    assert build_model(config, Skeleton.load("coco")).skeleton.name == "coco"


def test_the_codec_is_that_of_the_config(config: Config, load: Load) -> None:
    codec: Any = build_codec(config)
    assert tuple(codec.input_size) == (192, 256)
    assert build_codec(load("model: {type: TopdownPoseEstimator, backbone: "
                            "{type: ResNet, depth: 18}}\n")) is None  # fmt: skip


def test_a_pipeline_changes_with_the_epoch_also_in_another_process(load: Load) -> None:
    config = load(MODEL + TRAINING)
    pipeline = pickle.loads(pickle.dumps(build_pipeline(config, "train")))
    assert isinstance(pipeline, Pipeline)

    def scale(epoch: int) -> Any:
        sample = PoseSample(id="a", bboxes=np.array([[0, 0, 10, 20]], np.float32))
        done = pipeline(sample, epoch)
        assert done is not None
        return done.bbox_scale

    np.testing.assert_array_equal(scale(0), [[10, 20]])
    np.testing.assert_array_equal(scale(2), [[10, 20]])
    np.testing.assert_array_equal(scale(3), [[20, 40]])


def test_shares_of_datasets_change_with_the_epoch(load: Load) -> None:
    config = load(MODEL + TRAINING)
    assert sample_shares(config) == ((0, (0.5,)), (3, (1.0,)))
    assert sample_shares(load(MODEL)) == ()


def test_metrics_get_the_annotations_beside_detections(load: Load) -> None:
    text = MODEL + DATA.replace("data_root: here", "data_root: here, bbox_file: boxes.json")
    with_sigmas = f"skeleton: coco\n{text}"
    coco, _ = build_metrics(load(with_sigmas))
    assert coco.ann_file == "here/val.json"
    own, _ = build_metrics(load(with_sigmas, "metrics.0.ann_file=own.json"))
    assert own.ann_file == "own.json"
    without, _ = build_metrics(load(f"skeleton: coco\n{MODEL}{DATA}"))
    assert without.ann_file is None


def test_a_split_that_is_not_there(config: Config) -> None:
    with pytest.raises(ConfigError, match=r"data.train is missing"):
        build_dataset(config, "train")
    with pytest.raises(ConfigError, match=r"data.train is missing"):
        build_pipeline(config, "train")


@pytest.fixture
def mouse_files(write: Write) -> Callable[[str, int, int], None]:
    """Write COCO files of so many mice, in the folder of the config."""

    def function(name: str, count: int, num_keypoints: int) -> None:
        people = [
            {
                "id": i,
                "image_id": 1,
                "category_id": 1,
                "bbox": [5, 5, 30, 20],
                "keypoints": [10 + i, 10, 2] * num_keypoints,
            }
            for i in range(count)
        ]
        image = {"id": 1, "file_name": "1.jpg", "width": 64, "height": 64}
        write(f"here/{name}", json.dumps({"images": [image], "annotations": people}))

    return function


def test_one_line_adds_a_dataset(load: Load, mouse_files: Callable[[str, int, int], None]) -> None:
    mouse_files("train.json", 3, 3)
    mouse_files("corrected.json", 2, 3)
    mouse_files("rat.json", 4, 2)
    text = (
        MOUSE
        + MODEL.replace("out_channels: 17", "out_channels: 3")
        + TRAINING.replace("train.json", "train.json, data_root: here")
    )
    rat = (
        "{type: CocoDataset, ann_file: rat.json, data_root: here, skeleton: {keypoints: [a, b]}, "
        "pipeline: [{type: KeypointConverter, num_keypoints: 3, mapping: [[[0, 1], 2], [1, 0]]}]}"
    )
    corrected = "{type: CocoDataset, ann_file: corrected.json, data_root: here}"
    config = load(text, f"data.train.add=[{corrected}, {rat}]")
    dataset = build_dataset(config, "train")
    assert [sample.id for sample in dataset] == [
        *("0/0", "0/1", "0/2"),
        *("1/0", "1/1"),
        *("2/0", "2/1", "2/2", "2/3"),
    ]
    assert getattr(dataset, "skeleton", None) == config.skeleton
    last = dataset[8]
    assert last.keypoints is not None
    assert last.keypoints_visible is not None
    np.testing.assert_allclose(last.keypoints[0], [[13, 10], [0, 0], [13, 10]])
    np.testing.assert_allclose(last.keypoints_visible, [[1, 0, 1]])
    # An epoch takes half of what was there and all of what was added.
    assert sample_shares(config) == ((0, (0.5, 1, 1)), (3, (1, 1, 1)))


def test_what_is_added_to_a_combined_dataset_is_one_more_of_its_parts(
    load: Load, mouse_files: Callable[[str, int, int], None]
) -> None:
    mouse_files("train.json", 3, 3)
    part = "{type: CocoDataset, ann_file: train.json, data_root: here, skeleton: '${skeleton}'}"
    text = (
        MOUSE
        + MODEL.replace("out_channels: 17", "out_channels: 3")
        + TRAINING.replace(
            "{type: CocoDataset, ann_file: train.json}",
            f"{{type: CombinedDataset, datasets: [{part}, {part}]}}",
        )
        .replace("[0.5]", "[0.5, 0]")
        .replace("[1]", "[1, 1, 0]")
    )
    config = load(text, f"data.train.add=[{part}]")
    assert getattr(build_dataset(config, "train"), "sizes", None) == (3, 3, 3)
    assert sample_shares(config) == ((0, (0.5, 0, 1)), (3, (1, 1, 0)))


def test_mistakes_in_what_is_added_are_at_their_line(load: Load) -> None:
    text = TRAINING.replace(
        "    switch:", "    add:\n      - {type: CocoDataset, ann_fil: a}\n    switch:"
    )
    with pytest.raises(ConfigError, match=r"data\.train\.add\.0\.ann_fil: .*'ann_file'"):
        load(MODEL + MOUSE + text)
