"""Datasets of several parts, and the transforms of some of them."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from raypose.datasets import CombinedDataset, RepeatDataset
from raypose.errors import ConfigError, DataError
from raypose.registry import DATASETS, TRANSFORMS
from raypose.structures import PoseBatch

PAIR = {"name": "pair", "keypoints": ["left", "right"]}
TRIPLE = {"name": "triple", "keypoints": ["middle", "left_end", "right_end"]}
TO_PAIR = {"type": "KeypointConverter", "num_keypoints": 2, "mapping": [[1, 0]]}


@pytest.fixture
def part(tmp_path: Path) -> Any:
    """Config of a COCO dataset with so many people, keypoint k of person i at (i + 1, k)."""

    def function(skeleton: dict[str, Any], people: int, **more: Any) -> dict[str, Any]:
        count = len(skeleton["keypoints"])
        content = {
            "images": [{"id": 1, "file_name": "1.jpg", "width": 100, "height": 80}],
            "annotations": [
                {
                    "id": i,
                    "image_id": 1,
                    "category_id": 1,
                    "bbox": [0, 0, 9, 9],
                    "keypoints": [v for k in range(count) for v in (i + 1, k, 2)],
                }
                for i in range(people)
            ],
        }
        path = tmp_path / f"{skeleton['name']}.json"
        path.write_text(json.dumps(content))
        return {"type": "CocoDataset", "ann_file": str(path), "skeleton": skeleton, **more}

    return function


def test_parts_come_one_after_the_other(part: Any) -> None:
    parts = [part(PAIR, 2), part(TRIPLE, 3, pipeline=[TO_PAIR])]
    dataset = DATASETS.build({"type": "CombinedDataset", "datasets": parts, "skeleton": PAIR})
    assert len(dataset) == 5
    assert [sample.id for sample in dataset] == ["0/0", "0/1", "1/0", "1/1", "1/2"]
    assert [sample.index for sample in dataset] == list(range(5))
    assert [sample.meta["dataset"] for sample in dataset] == [0, 0, 1, 1, 1]
    np.testing.assert_allclose(dataset[1].keypoints, [[[2, 0], [2, 1]]])
    np.testing.assert_allclose(dataset[3].keypoints, [[[2, 1], [0, 0]]])
    np.testing.assert_allclose(dataset[3].keypoints_visible, [[1, 0]])
    assert {sample.flip_indices for sample in dataset} == {(1, 0)}
    assert dataset[-1].id == "1/2"
    assert [sample.id for sample in dataset[1:3]] == ["0/1", "1/0"]
    assert pickle.loads(pickle.dumps(dataset))[4].id == "1/2"


def test_a_batch_of_all_parts_knows_which_keypoints_were_mapped(part: Any) -> None:
    parts = [part(PAIR, 1), part(TRIPLE, 1, pipeline=[TO_PAIR])]
    batch = PoseBatch.collate(CombinedDataset(parts, PAIR)[:])
    weights = batch.annotations["keypoints_visible_weights"]
    np.testing.assert_allclose(weights, [[[1, 1]], [[1, 0]]])


def test_keypoints_of_another_skeleton_need_a_converter(part: Any) -> None:
    dataset = CombinedDataset([part(PAIR, 1), part(TRIPLE, 1)], PAIR)
    with pytest.raises(DataError, match=r"datasets.1: its samples have 3 keypoints, pair has 2"):
        dataset[1]


def test_other_transforms_belong_elsewhere(part: Any) -> None:
    with pytest.raises(ConfigError, match=r"datasets.0.pipeline.0: 'LoadImage' belongs into"):
        CombinedDataset([part(PAIR, 1, pipeline=[{"type": "LoadImage"}])], PAIR)


def test_repeated_samples_differ_in_their_ids(part: Any) -> None:
    cfg = {"type": "RepeatDataset", "times": 2, "dataset": part(PAIR, 2)}
    dataset = DATASETS.build(cfg)
    assert [sample.id for sample in dataset] == ["0#0", "1#0", "0#1", "1#1"]
    assert [sample.index for sample in dataset] == [0, 1, 2, 3]
    assert dataset.skeleton.name == "pair"
    with pytest.raises(ConfigError, match="times is at least 1, got 0"):
        RepeatDataset(part(PAIR, 1), 0)


def test_a_skeleton_is_handed_to_what_is_repeated(part: Any) -> None:
    inner = part(PAIR, 1)
    del inner["skeleton"]
    assert RepeatDataset(inner, 2, skeleton=PAIR).skeleton is not None


def test_repeated_parts(part: Any) -> None:
    repeated = {
        "type": "RepeatDataset",
        "times": 2,
        "dataset": part(TRIPLE, 1),
        "pipeline": [TO_PAIR],
    }
    dataset = CombinedDataset([repeated, part(PAIR, 1)], PAIR)
    assert [sample.id for sample in dataset] == ["0/0#0", "0/0#1", "1/0"]
    assert dataset[0].keypoints is not None
    assert dataset[0].keypoints.shape == (1, 2, 2)


def test_transforms_of_some_parts(part: Any) -> None:
    dataset = CombinedDataset([part(PAIR, 1), part(PAIR, 1)], PAIR)
    transform = TRANSFORMS.build(
        {
            "type": "ForDatasets",
            "positions": [1],
            "transforms": [{"type": "GetBBoxCenterScale", "padding": 2.0}],
        }
    )
    assert transform(dataset[0]).bbox_scale is None
    np.testing.assert_allclose(transform(dataset[1]).bbox_scale, [[18, 18]])
    dropping = TRANSFORMS.build(
        {"type": "ForDatasets", "positions": [0], "transforms": [lambda sample: None]}
    )
    assert dropping(dataset[0]) is None
    plain = DATASETS.build(part(PAIR, 1))[0]
    with pytest.raises(DataError, match="ForDatasets needs samples of a CombinedDataset"):
        transform(plain)
    with pytest.raises(ConfigError, match="ForDatasets needs transforms"):
        TRANSFORMS.build({"type": "ForDatasets", "positions": [1], "transforms": []})
