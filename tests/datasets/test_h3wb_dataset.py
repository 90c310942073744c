"""`H36MWholeBodyDataset`: views of a person, units, subjects, files that are no such file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from raypose.datasets import H36MWholeBodyDataset
from raypose.errors import ConfigError, DataError
from raypose.structures import PoseBatch

FRAMES = [10, 25]
CAMERAS = ("54138969", "60457274")


def content(**changes: Any) -> dict[str, Any]:
    """Two frames of S1 and of S7, each seen by two cameras."""

    def views(offset: float) -> dict[str, Any]:
        cameras = {
            camera: {
                "pose_2d": np.arange(2.0)[:, None, None] + np.full((2, 133, 2), offset + number),
                "camera_3d": np.full((2, 133, 3), 1000 * (offset + number)),
            }
            for number, camera in enumerate(CAMERAS)
        }
        return {"global_3d": np.zeros((2, 133, 3)), "frame_id": np.array(FRAMES), **cameras}

    matrix = np.array([[[1.1, 0, 0.5], [0, 1.2, 0.6], [0, 0, 1]]], np.float32)
    return {
        "train_data": {"S1": {"Walking 1": views(5)}, "S7": {"Eating": views(7)}},
        "metadata": {s: {camera: {"K": matrix} for camera in CAMERAS} for s in ("S1", "S7")},
        "bbox": {
            (subject, action, camera, frame): {"x_min": 1, "y_min": 2, "x_max": 30, "y_max": frame}
            for subject, action in (("S1", "Walking 1"), ("S7", "Eating"))
            for camera in CAMERAS
            for frame in FRAMES
        },
        **changes,
    }


def save(folder: Path, **changes: Any) -> str:
    np.savez(folder / "h3wb.npz", **content(**changes))
    return str(folder)


def test_each_camera_and_frame_is_a_sample_in_metres(tmp_path: Path) -> None:
    dataset = H36MWholeBodyDataset("h3wb.npz", data_root=save(tmp_path))

    assert [sample.id for sample in dataset] == [
        f"S1/Walking 1.{camera}/{frame}" for camera in CAMERAS for frame in FRAMES
    ]
    sample = dataset[3]
    assert sample.img_path == str(
        tmp_path / "original" / "S1" / "Images" / "Walking 1.60457274" / "frame_25.jpg"
    )
    assert sample.bboxes is not None
    assert sample.bboxes.tolist() == [[1, 2, 30, 25]]
    assert sample.keypoints is not None
    assert np.unique(sample.keypoints).tolist() == [7]
    for name in ("keypoints_3d", "lifting_target"):
        assert sample.meta[name].shape == (1, 133, 3)
        assert np.unique(sample.meta[name]).tolist() == [6]
    np.testing.assert_allclose(sample.meta["camera_param"]["f"], [1100, 1200])
    np.testing.assert_allclose(sample.meta["camera_param"]["c"], [500, 600])
    assert dataset.skeleton.name == "h3wb"


def test_s7_is_for_evaluation(tmp_path: Path) -> None:
    dataset = H36MWholeBodyDataset(
        "h3wb.npz", data_root=save(tmp_path), test_mode=True, indices=2, data_prefix={"img": "x"}
    )

    assert [sample.id for sample in dataset] == [f"S7/Eating.54138969/{f}" for f in FRAMES]
    assert str(dataset[0].img_path).startswith(str(tmp_path / "x" / "S7"))


def test_beside_samples_without_depth_theirs_are_nan(tmp_path: Path) -> None:
    first, second = H36MWholeBodyDataset("h3wb.npz", data_root=save(tmp_path))[:2]
    second.meta = {"category_id": 1}

    space = PoseBatch.collate([second, first]).annotations["keypoints_3d"]

    assert space.shape == (2, 1, 133, 3)
    assert space[0].isnan().all()
    assert (space[1] == 5).all()
    assert "keypoints_3d" not in PoseBatch.collate([second]).annotations


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"bbox": {}}, r"S1, Walking 1, 54138969: no bbox for frame 10\n.*frame 25"),
        ({"train_data": {"S9": {}}}, "nothing of S1, S5, S6; it has S9"),
        ({"train_data": np.zeros(3)}, "'train_data' is an array of numbers"),
        ({"train_data": {"S1": {"a": {}}}}, "not laid out as H3WB is: KeyError"),
        ({"metadata": {"S1": Path("x")}}, r"it refers to pathlib"),
        ({"metadata": None}, "'metadata' holds no mapping"),
    ],
)
def test_what_is_wrong_in_a_file(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        H36MWholeBodyDataset("h3wb.npz", data_root=save(tmp_path, **changes))


def test_files_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="No such file"):
        H36MWholeBodyDataset("none.npz", data_root=str(tmp_path))
    (tmp_path / "text.npz").write_text("text")
    with pytest.raises(DataError, match="not an npz file of mappings"):
        H36MWholeBodyDataset("text.npz", data_root=str(tmp_path))
    np.savez(tmp_path / "part.npz", train_data=np.zeros(1))
    with pytest.raises(DataError, match="no array metadata, bbox"):
        H36MWholeBodyDataset("part.npz", data_root=str(tmp_path))
    with pytest.raises(ConfigError, match="data_prefix has 'img' only, got image"):
        H36MWholeBodyDataset("h3wb.npz", data_root=save(tmp_path), data_prefix={"image": "x"})


def test_the_file_of_the_authors(shared_data: Path) -> None:
    folder = shared_data / "formats" / "h3wb"
    (sample,) = H36MWholeBodyDataset("h3wb_train_bbox_subset.npz", data_root=str(folder))

    assert sample.id == "S5/Directions 1.60457274/2190"
    assert sample.bboxes is not None
    assert sample.bboxes.tolist() == [[346, 180, 523, 581]]
    np.testing.assert_allclose(sample.meta["camera_param"]["c"], [514.9682, 501.882], rtol=1e-5)
