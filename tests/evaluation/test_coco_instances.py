from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from raypose.evaluation.coco_instances import read_annotations


def _file(path: Path, **changes: Any) -> Path:
    annotation = {"id": 1, "image_id": 3, "category_id": 1, "bbox": [0, 0, 4, 4]}
    annotations = [
        {**annotation, "keypoints": [1, 2, 2, 3, 4, 1, 0, 0, 0], "area": 9, "num_keypoints": 1},
        {**annotation, "id": 2, "iscrowd": 1},
    ]
    data = {"images": [{"id": 3, "crowdIndex": 0.5}, {"id": 4}], "annotations": annotations}
    path.write_text(json.dumps({**data, **changes}))
    return path


def test_keypoints_are_counted_and_may_be_missing(tmp_path: Path) -> None:
    truth = read_annotations(_file(tmp_path / "gt.json"))
    assert truth.image_ids.tolist() == [3, 4]
    assert truth.annotations.num_keypoints.tolist() == [2, 0]
    assert truth.annotations.iscrowd.tolist() == [False, True]
    np.testing.assert_array_equal(truth.annotations.areas, [9, np.nan])
    np.testing.assert_array_equal(truth.annotations.keypoints[1], np.zeros((3, 3)))


def test_counts_of_the_file_where_they_are_asked_for(tmp_path: Path) -> None:
    path = _file(tmp_path / "gt.json")
    data = json.loads(path.read_text())
    data["annotations"][1]["num_keypoints"] = 0
    path.write_text(json.dumps(data))
    truth = read_annotations(path, trust_counts=True)
    assert truth.annotations.num_keypoints.tolist() == [1, 0]


def test_crowdedness_has_a_closed_lower_and_an_open_upper_limit(tmp_path: Path) -> None:
    truth = read_annotations(_file(tmp_path / "gt.json"))
    assert truth.crowdedness(0.5, 0.8).tolist() == [3]
    assert truth.crowdedness(0.2, 0.5).tolist() == []


def test_files_that_cannot_be_used(tmp_path: Path) -> None:
    path = tmp_path / "gt.json"
    with pytest.raises(ValueError, match="no annotation has keypoints"):
        read_annotations(_file(path, annotations=[]))
    with pytest.raises(ValueError, match="annotation 7 has no bbox"):
        read_annotations(_file(path, annotations=[{"id": 7, "keypoints": [1, 1, 2]}]))
    mixed = [{"id": i, "bbox": [0, 0, 1, 1], "keypoints": [1, 1, 2] * i} for i in (1, 2)]
    with pytest.raises(ValueError, match="differ in their number of keypoints"):
        read_annotations(_file(path, annotations=mixed))
    path.write_text(json.dumps({"images": []}))
    with pytest.raises(ValueError, match=r"has no 'annotations'; .* format_only: true"):
        read_annotations(path)
