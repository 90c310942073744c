from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from raypose.datasets import Human36mDataset
from raypose.datasets.human36m_dataset import parse_h36m_imgname
from raypose.errors import ConfigError, DataError

# Two videos, interleaved as nothing forbids.
NAMES = [
    "S1/x/S1_Walking_1.55_000001.jpg",
    "S1_Eating.54_000001.jpg",
    "S1_Walking_1.55_000002.jpg",
    "S1_Walking_1.55_000003.jpg",
]
CAMERA = {
    "R": np.eye(3),
    "T": np.zeros((3, 1)),
    "f": np.full((2, 1), 1000.0),
    "c": np.full((2, 1), 500.0),
    "w": 1000,
    "h": 1002,
}


@pytest.fixture
def root(tmp_path: Path) -> str:
    count = len(NAMES)
    part = np.ones((count, 17, 3))
    part[..., 0] = np.arange(count)[:, None]
    part[1, 3, 2] = 0
    poses = np.ones((count, 17, 4))
    poses[..., 2] = np.arange(count)[:, None] + 4
    np.savez(tmp_path / "data.npz", imgname=np.array(NAMES), part=part, S=poses)
    np.save(tmp_path / "found.npy", part * 2)
    np.save(tmp_path / "factor.npy", np.arange(count) + 0.5)
    (tmp_path / "cameras.pkl").write_bytes(
        pickle.dumps({("S1", "55"): CAMERA, ("S1", "54"): CAMERA}, protocol=2)
    )
    return str(tmp_path)


def test_frames_of_a_video_belong_together(root: str) -> None:
    dataset = Human36mDataset("data.npz", data_root=root, seq_len=3, causal=False)
    assert len(dataset) == 1
    sample = dataset[0]
    assert sample.keypoints is not None
    np.testing.assert_array_equal(sample.keypoints[:, 0, 0], [0, 2, 3])
    np.testing.assert_array_equal(sample.meta["lifting_target"][:, 0, 2], [6])
    assert sample.meta["target_img_path"] == [NAMES[2]]
    assert sample.id == NAMES[2]
    assert "camera_param" not in sample.meta


def test_videos_are_ordered_by_subject_action_and_camera(root: str) -> None:
    dataset = Human36mDataset("data.npz", data_root=root)
    assert [s.id for s in dataset] == [NAMES[1], NAMES[0], NAMES[2], NAMES[3]]
    assert dataset[0].keypoints_visible is not None
    assert dataset[0].keypoints_visible[0, 3] == 0


def test_detections_factors_and_cameras(root: str) -> None:
    dataset = Human36mDataset(
        "data.npz",
        data_root=root,
        keypoint_2d_src="detection",
        keypoint_2d_det_file="found.npy",
        factor_file="factor.npy",
        camera_param_file="cameras.pkl",
    )
    sample = dataset[2]
    assert sample.keypoints is not None
    np.testing.assert_array_equal(sample.keypoints[0, 0], [4, 2])
    np.testing.assert_array_equal(sample.meta["factor"], [2.5])
    np.testing.assert_array_equal(sample.meta["camera_param"]["f"], CAMERA["f"])
    assert sample.img_shape == (1002, 1000)


def test_names_that_say_nothing_are_reported(tmp_path: Path) -> None:
    names, part, poses = np.array(["a.jpg", "b.jpg"]), np.zeros((2, 17, 3)), np.zeros((2, 17, 4))
    np.savez(tmp_path / "bad.npz", imgname=names, part=part, S=poses)
    with pytest.raises(DataError) as caught:
        Human36mDataset("bad.npz", data_root=str(tmp_path))
    assert len(str(caught.value).splitlines()) == 2
    assert "imgname 1: SUBJECT_ACTION.CAMERA_FRAME expected, got 'b.jpg'" in str(caught.value)


def test_parse_h36m_imgname() -> None:
    assert parse_h36m_imgname("a/S11_WalkDog_1.55011271_000026.jpg") == (
        "S11",
        "WalkDog_1",
        "55011271",
    )


class Evil:
    def __reduce__(self) -> Any:
        return print, ("executed",)


def test_a_camera_file_cannot_run_code(root: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path(root, "evil.pkl").write_bytes(pickle.dumps({("S1", "55"): {"R": Evil()}}))
    with pytest.raises(DataError, match=r"evil\.pkl: .*it refers to builtins\.print"):
        Human36mDataset("data.npz", data_root=root, camera_param_file="evil.pkl")
    assert capsys.readouterr().out == ""


def test_files_that_do_not_belong_together(root: str) -> None:
    Path(root, "one.pkl").write_bytes(pickle.dumps({("S1", "55"): CAMERA}))
    with pytest.raises(DataError, match=r"one\.pkl: no camera 54 of S1"):
        Human36mDataset("data.npz", data_root=root, camera_param_file="one.pkl")
    np.save(Path(root, "short.npy"), np.zeros((3, 17, 3)))
    with pytest.raises(DataError, match="the shape 3 x 17 x 3, expected 4 x 17 x 3"):
        Human36mDataset(
            "data.npz",
            data_root=root,
            keypoint_2d_src="detection",
            keypoint_2d_det_file="short.npy",
        )
    with pytest.raises(DataError, match="not a file of camera arrays"):
        Human36mDataset("data.npz", data_root=root, camera_param_file="factor.npy")


def test_source_of_keypoints(root: str) -> None:
    with pytest.raises(ConfigError, match="Did you mean 'detection'"):
        Human36mDataset("data.npz", data_root=root, keypoint_2d_src="detections")
    with pytest.raises(ConfigError, match="belong together"):
        Human36mDataset("data.npz", data_root=root, keypoint_2d_src="detection")


def test_real_file(shared_data: Path) -> None:
    root = shared_data / "formats" / "h36m"
    dataset = Human36mDataset(
        "test_h36m_body3d.npz", data_root=str(root), camera_param_file="cameras.pkl"
    )
    assert [s.meta["target_img_path"][0].split("/")[0] for s in dataset] == ["S1", "S5", "S7", "S8"]
    # The annotated 2D keypoints are the poses seen by these cameras, lens distortion included.
    from raypose.ops.cameras import camera_to_pixel

    for sample in dataset:
        seen = camera_to_pixel(sample.meta["lifting_target"], sample.meta["camera_param"])
        assert sample.keypoints is not None
        assert np.abs(seen - sample.keypoints).max() < 0.5
