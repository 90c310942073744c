"""`UBody3dDataset`: COCO annotations with poses in space."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from raypose.datasets import UBody3dDataset
from raypose.errors import ConfigError, DataError


def save(folder: Path, count: int = 4, **changes: Any) -> str:
    """People of 133 points, the first of which is not valid."""
    annotations = [
        {
            "id": number,
            "image_id": 0,
            "category_id": 1,
            "bbox": [10, 20, 30, 40],
            "keypoints": np.full((133, 2), 15.0 + number).tolist(),
            "keypoints_valid": [0] + [1] * 132,
            "keypoints_3d": np.full((133, 3), 5.0 + number).tolist(),
            "camera_param": {"focal": [900, 800], "princpt": [60, 50]},
            **changes,
        }
        for number in range(count)
    ]
    content = {
        "images": [{"id": 0, "file_name": "a/0.png", "width": 100, "height": 100}],
        "annotations": annotations,
        "categories": [{"id": 1, "name": "person"}],
    }
    (folder / "ubody.json").write_text(json.dumps(content))
    return str(folder)


def test_people_have_their_pose_in_space_and_their_camera(tmp_path: Path) -> None:
    dataset = UBody3dDataset("ubody.json", data_root=save(tmp_path), data_prefix={"img": "images"})

    assert len(dataset) == 4
    sample = dataset[2]
    assert sample.img_path == str(tmp_path / "images" / "a/0.png")
    assert sample.bboxes is not None
    assert sample.bboxes.tolist() == [[10, 20, 40, 60]]
    assert sample.keypoints is not None
    assert np.unique(sample.keypoints).tolist() == [17]
    assert sample.keypoints_visible is not None
    assert sample.keypoints_visible[0, :2].tolist() == [0, 1]
    for name in ("keypoints_3d", "lifting_target"):
        assert sample.meta[name].shape == (1, 133, 3)
        assert np.unique(sample.meta[name]).tolist() == [7]
    np.testing.assert_array_equal(sample.meta["lifting_target_visible"], sample.keypoints_visible)
    assert sample.meta["camera_param"]["f"].tolist() == [900, 800]
    assert sample.meta["camera_param"]["c"].tolist() == [60, 50]


def test_a_share_is_spread_evenly(tmp_path: Path) -> None:
    root = save(tmp_path, 10)
    dataset = UBody3dDataset("ubody.json", data_root=root, subset_frac=0.5)
    assert [sample.id for sample in dataset] == ["0", "2", "4", "6", "8"]
    assert len(UBody3dDataset("ubody.json", data_root=root, subset_frac=0.5, indices=2)) == 2
    with pytest.raises(ConfigError, match="subset_frac is above 0 and at most 1, got 2"):
        UBody3dDataset("ubody.json", data_root=root, subset_frac=2)


@pytest.mark.parametrize("name", ["keypoints_3d", "camera_param", "keypoints_valid"])
def test_people_without_a_pose_in_space_are_named(tmp_path: Path, name: str) -> None:
    with pytest.raises(DataError, match=r"annotation 0: no pose in space.*\n.*annotation 1"):
        UBody3dDataset("ubody.json", data_root=save(tmp_path, 2, **{name: None}))


def test_the_file_of_the_authors(shared_data: Path) -> None:
    folder = shared_data / "formats" / "ubody3d"
    (sample,) = UBody3dDataset("ubody3d_train.json", data_root=str(folder))
    assert sample.meta["keypoints_3d"].shape == (1, 133, 3)
    assert sample.meta["camera_param"]["f"] == pytest.approx([34553.93, 34553.93], rel=1e-6)
