from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from raypose.datasets import MocapDataset
from raypose.errors import ConfigError, DataError
from raypose.ops.cameras import camera_to_pixel, camera_to_world
from raypose.structures import PoseBatch, PoseSample

LENGTHS = (5, 3)
VIEWS = 2


def content(**changes: Any) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    clip = np.repeat(np.arange(len(LENGTHS)), LENGTHS)
    angles = rng.uniform(0, 2 * np.pi, (len(LENGTHS), VIEWS))
    rotation = np.zeros((len(LENGTHS), VIEWS, 3, 3))
    rotation[..., 0, 0] = rotation[..., 2, 2] = np.cos(angles)
    rotation[..., 0, 2] = -np.sin(angles)
    rotation[..., 2, 0] = np.sin(angles)
    rotation[..., 1, 1] = 1
    return {
        "pose": rng.uniform(-1, 1, (len(clip), 17, 3)).astype(np.float32),
        "clip": clip.astype(np.int16),
        "cam_R": rotation.astype(np.float32),
        "cam_t": np.tile(np.array([0.1, 0.2, 5], np.float32), (len(LENGTHS), VIEWS, 1)),
        "cam_f": rng.uniform(900, 1100, (len(LENGTHS), VIEWS)).astype(np.float32),
        "clip_names": np.array(["cmu_walking_1", "cmu_jumping_2"]),
        "image_size": np.array([1000, 800]),
        **changes,
    }


@pytest.fixture
def file(tmp_path: Path) -> str:
    np.savez(tmp_path / "data.npz", **content())
    return str(tmp_path / "data.npz")


def test_one_sample_for_each_frame_and_view(file: str) -> None:
    data = content()
    dataset = MocapDataset(file)
    assert len(dataset) == sum(LENGTHS) * VIEWS
    assert len({sample.id for sample in dataset}) == len(dataset)
    position = 0
    for clip, (length, start) in enumerate(zip(LENGTHS, (0, 5), strict=True)):
        for view in range(VIEWS):
            for frame in range(length):
                sample = dataset[position]
                position += 1
                rotation, shift = data["cam_R"][clip, view], data["cam_t"][clip, view]
                pose = data["pose"][start + frame] @ rotation.T + shift
                pixels = pose[:, :2] / pose[:, 2:] * data["cam_f"][clip, view] + [500, 400]
                np.testing.assert_allclose(sample.meta["lifting_target"], pose[None], atol=1e-5)
                np.testing.assert_allclose(sample.keypoints, pixels[None], atol=2e-3)
                name = f"{data['clip_names'][clip]}.{view}_{frame:06d}"
                assert sample.id == name
                assert sample.meta["target_img_path"] == [name]
    sample = dataset[0]
    assert sample.img_shape == (800, 1000)
    assert sample.keypoints_visible is not None
    assert sample.keypoints_visible.shape == (1, 17)
    assert sample.meta["lifting_target_visible"].shape == (1, 17)
    assert sample.flip_indices is not None
    assert len(sample.flip_indices) == 17


def test_camera_follows_the_conventions_of_ops(file: str) -> None:
    data = content()
    sample = MocapDataset(file)[3]
    camera, pose = sample.meta["camera_param"], sample.meta["lifting_target"]
    np.testing.assert_allclose(camera_to_pixel(pose, camera), sample.keypoints, atol=2e-3)
    np.testing.assert_allclose(camera_to_world(pose, camera)[0], data["pose"][3], atol=1e-5)
    assert (camera["w"], camera["h"]) == (1000, 800)


def frames(dataset: MocapDataset) -> list[list[int]]:
    """Frames of every window of a dataset whose keypoints count them."""
    return [np.rint(s.keypoints[:, 0, 0]).astype(int).tolist() for s in dataset]


@pytest.fixture
def counting(tmp_path: Path) -> str:
    """Clips of 5 and 3 frames, one view, in which the x of a keypoint is the frame's number."""
    count = sum(LENGTHS)
    pose = np.zeros((count, 17, 3), np.float32)
    pose[..., 0] = np.arange(count)[:, None]
    arrays = content(
        pose=pose,
        cam_R=np.tile(np.eye(3, dtype=np.float32), (2, 1, 1, 1)),
        cam_t=np.tile(np.array([0, 0, 1], np.float32), (2, 1, 1)),
        cam_f=np.ones((2, 1), np.float32),
        image_size=np.array([0, 0]),
    )
    np.savez(tmp_path / "counting.npz", **arrays)
    return str(tmp_path / "counting.npz")


def test_windows_stay_inside_of_their_clip(counting: str) -> None:
    assert frames(MocapDataset(counting, seq_len=3)) == [[0, 1, 2], [1, 2, 3], [2, 3, 4], [5, 6, 7]]
    dataset = MocapDataset(counting, seq_len=3, seq_step=2, causal=False)
    assert frames(dataset) == [[0, 2, 4]]


def test_padded_windows_repeat_first_and_last_frame(counting: str) -> None:
    dataset = MocapDataset(counting, seq_len=3, causal=False, pad_video_seq=True)
    assert frames(dataset) == [
        [0, 0, 1],
        [0, 1, 2],
        [1, 2, 3],
        [2, 3, 4],
        [3, 4, 4],
        [5, 5, 6],
        [5, 6, 7],
        [6, 7, 7],
    ]
    causal = MocapDataset(counting, seq_len=3, pad_video_seq=True)
    assert frames(causal)[:2] == [[0, 0, 0], [0, 0, 1]]


@pytest.mark.parametrize(("causal", "target"), [(True, 2), (False, 1)])
def test_target_is_the_last_or_the_middle_frame(counting: str, causal: bool, target: int) -> None:
    sample = MocapDataset(counting, seq_len=3, causal=causal)[0]
    assert sample.meta["lifting_target"].shape == (1, 17, 3)
    assert sample.meta["lifting_target"][0, 0, 0] == target
    assert sample.id.endswith(f"_00000{target}")


def test_poses_of_all_frames_of_a_window(file: str) -> None:
    dataset = MocapDataset(file, seq_len=3, causal=False, pad_video_seq=True, window_poses=True)
    sample = dataset[0]
    assert sample.keypoints is not None
    poses = sample.meta["keypoints_3d"]
    assert poses.shape == (3, 17, 3)
    np.testing.assert_array_equal(sample.meta["keypoints_3d_visible"], np.ones((3, 17)))
    np.testing.assert_array_equal(poses[1:2], sample.meta["lifting_target"])
    np.testing.assert_array_equal(poses[0], poses[1])  # the first frame, repeated
    seen = camera_to_pixel(poses, sample.meta["camera_param"])
    np.testing.assert_allclose(seen, sample.keypoints, atol=2e-3)
    assert "keypoints_3d" not in MocapDataset(file, seq_len=3)[0].meta


def test_multiple_targets(counting: str) -> None:
    dataset = MocapDataset(counting, multiple_target=2)
    assert frames(dataset) == [[0, 1], [2, 3], [5, 6]]
    np.testing.assert_array_equal(dataset[1].meta["lifting_target"][:, 0, 0], [2, 3])
    dataset = MocapDataset(counting, multiple_target=2, multiple_target_step=1)
    assert len(dataset) == 4 + 2


def test_subset_is_spread_evenly_and_the_same_every_time(counting: str) -> None:
    assert frames(MocapDataset(counting, subset_frac=0.5)) == [[0], [2], [4], [6]]
    assert frames(MocapDataset(counting, subset_frac=0.5, indices=1)) == [[0]]


def test_views_can_be_chosen(file: str) -> None:
    both, one = MocapDataset(file), MocapDataset(file, views=[1])
    assert len(one) * 2 == len(both)
    by_id = {sample.id: sample for sample in both}
    for sample in one:
        assert ".1_" in sample.id
        np.testing.assert_array_equal(sample.keypoints, by_id[sample.id].keypoints)


def test_changing_a_sample_does_not_change_the_dataset(file: str) -> None:
    dataset = MocapDataset(file)
    before = dataset[0].meta["lifting_target"].copy()
    dataset[0].meta["lifting_target"][...] = 0
    np.testing.assert_array_equal(dataset[0].meta["lifting_target"], before)


def test_samples_make_a_batch_also_from_rows(file: str) -> None:
    dataset = MocapDataset(file, seq_len=3, causal=False, pad_video_seq=True)
    batch = PoseBatch.collate([PoseSample.from_row(s.to_row()) for s in dataset[:4]])
    assert batch.keypoints is not None
    assert batch.keypoints.shape == (4, 3, 17, 2)
    assert batch.annotations["lifting_target"].shape == (4, 1, 17, 3)
    assert [camera["w"] for camera in batch.annotations["camera_param"]] == [1000] * 4
    np.testing.assert_array_equal(
        batch.annotations["lifting_target"][2], dataset[2].meta["lifting_target"]
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"seq_len": 4, "causal": False}, "seq_len is odd"),
        ({"seq_len": 0}, "at least 1"),
        ({"subset_frac": 0}, "subset_frac"),
        ({"multiple_target": 3, "seq_len": 3}, "multiple_target needs seq_len 1"),
        ({"multiple_target": 3, "pad_video_seq": True}, "not padded"),
    ],
)
def test_arguments_that_contradict_each_other(
    file: str, arguments: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        MocapDataset(file, **arguments)


def test_broken_files(tmp_path: Path, file: str) -> None:
    def read(name: str, **changes: Any) -> MocapDataset:
        np.savez(tmp_path / name, **content(**changes))
        return MocapDataset(name, data_root=str(tmp_path))

    np.savez(tmp_path / "other.npz", imgname=np.zeros(3))
    with pytest.raises(DataError, match=r"no array pose, clip.*; it has imgname"):
        MocapDataset("other.npz", data_root=str(tmp_path))
    pose = content()["pose"]
    pose[[2, 4]] = np.nan
    with pytest.raises(DataError, match=r"'pose' holds NaN or infinity in 2 of 8 rows, .* row 2"):
        read("nan.npz", pose=pose)
    with pytest.raises(DataError, match="'pose' has the shape 8 x 5 x 3, expected 8 x 17 x 3"):
        read("five.npz", pose=np.zeros((8, 5, 3), np.float32))
    with pytest.raises(DataError, match="outside of the 2 clips"):
        read("clip.npz", clip=np.full(8, 2))
    with pytest.raises(DataError, match="8 poses are behind a camera"):
        read("behind.npz", cam_t=np.zeros((2, VIEWS, 3), np.float32) - 9)
    with pytest.raises(DataError, match="2 cameras a clip, views are"):
        MocapDataset(file, views=[2])
    with pytest.raises(DataError, match=r"nowhere\.npz: No such file"):
        MocapDataset("nowhere.npz", data_root=str(tmp_path))
    (tmp_path / "text.npz").write_text("text")
    with pytest.raises(DataError, match="not an npz file of plain arrays"):
        MocapDataset("text.npz", data_root=str(tmp_path))


def test_real_motion_capture(shared_data: Path) -> None:
    path = shared_data / "mocap3d" / "val.npz"
    dataset = MocapDataset(str(path))
    assert len(dataset) == 21_188
    data = np.load(path)
    rotation, shift, focal = (data[k][data["clip"]] for k in ("cam_R", "cam_t", "cam_f"))
    seen = np.einsum("nvij,nkj->nvki", rotation, data["pose"]) + shift[:, :, None]
    pixels = seen[..., :2] / seen[..., 2:] * focal[:, :, None, None] + 500
    starts = np.concatenate([[0], np.cumsum(np.bincount(data["clip"]))])
    for index in range(0, len(dataset), 1009):
        sample = dataset[index]
        name, _, rest = sample.id.rpartition(".")
        view, frame = (int(part) for part in rest.split("_"))
        row = starts[list(data["clip_names"]).index(name)] + frame
        np.testing.assert_allclose(sample.keypoints, pixels[row, view][None], atol=1e-2)
        np.testing.assert_allclose(sample.meta["lifting_target"], seen[row, view][None], atol=1e-5)
