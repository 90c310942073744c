from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from raypose.codecs import VideoPoseLifting
from raypose.structures import PoseBatch

CAMERAS = [
    {"w": 100, "h": 50, "f": [[200.0], [210.0]], "c": [[60.0], [20.0]]},
    {"w": 200, "h": 50, "f": np.array([[1.0], [2.0]]), "c": np.array([[100.0], [25.0]])},
]


def sequences() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    points = 100 * torch.rand(2, 3, 4, 2, generator=generator)
    return points, torch.randn(2, 1, 4, 3, generator=generator)


def test_inputs_are_measured_from_the_middle_of_the_image() -> None:
    points, _ = sequences()

    inputs = VideoPoseLifting(num_keypoints=4).encode(points, camera_param=CAMERAS)

    labels = inputs["keypoint_labels"]
    assert labels.shape == (2, 8, 3)  # (B, K * D, T)
    for sample, half in ((0, 50.0), (1, 100.0)):
        x, y = points[sample, 2, 1].tolist()
        assert labels[sample, 2, 2].item() == pytest.approx((x - half) / half, abs=1e-5)
        assert labels[sample, 3, 2].item() == pytest.approx((y - 25) / half, abs=1e-5)
    assert "lifting_target_label" not in inputs


def test_targets_are_relative_to_the_root() -> None:
    points, target = sequences()
    codec = VideoPoseLifting(num_keypoints=4, root_index=[1, 2])

    encoded = codec.encode(
        points,
        lifting_target=target,
        lifting_target_visible=torch.tensor([[[1.0, 0.0, 1.0, 0.4]]] * 2),
        camera_param=CAMERAS,
    )

    root = target[:, :, 1:3].mean(dim=2)
    assert torch.equal(encoded["target_root"], root)
    assert torch.equal(encoded["lifting_target_label"], target - root[:, :, None])
    assert encoded["lifting_target_weight"].tolist() == [[[1, 0, 1, 0]]] * 2
    assert encoded["trajectory_weights"].tolist() == [[[1, 0, 1, 0]]] * 2


@pytest.mark.parametrize("remove_root", [False, True])
@pytest.mark.parametrize("root_index", [0, 2])
def test_decoding_the_target_restores_the_pose(remove_root: bool, root_index: int) -> None:
    points, target = sequences()
    codec = VideoPoseLifting(num_keypoints=4, root_index=root_index, remove_root=remove_root)
    encoded = codec.encode(points, lifting_target=target, camera_param=CAMERAS)

    poses = encoded["lifting_target_label"]
    keypoints, scores = codec.decode((poses, encoded["target_root"]))

    assert poses.shape[2] == (3 if remove_root else 4)
    torch.testing.assert_close(keypoints, target)
    assert torch.equal(scores, torch.ones(2, 1, 4))
    without_instances, _ = codec.decode((poses[:, 0], encoded["target_root"][:, 0]))
    assert torch.equal(without_instances, keypoints)


def test_poses_without_a_root_stay_as_they_are() -> None:
    poses = torch.randn(2, 4, 3)

    keypoints, _ = VideoPoseLifting(num_keypoints=4).decode(poses)

    assert torch.equal(keypoints[:, 0], poses)


def test_a_target_that_is_not_centred_has_no_root() -> None:
    points, target = sequences()
    codec = VideoPoseLifting(num_keypoints=4, zero_center=False)

    encoded = codec.encode(points, lifting_target=target, camera_param=CAMERAS)

    assert "target_root" not in encoded
    assert torch.equal(encoded["lifting_target_label"], target)


def test_cameras_are_brought_to_the_units_of_the_input() -> None:
    points, _ = sequences()
    codec = VideoPoseLifting(num_keypoints=4, normalize_camera=True)

    cameras = codec.encode(points, camera_param=CAMERAS)["camera_param"]

    torch.testing.assert_close(cameras[0]["f"], torch.tensor([[4.0], [4.2]]))
    torch.testing.assert_close(cameras[0]["c"], torch.tensor([[0.2], [-0.1]]))
    torch.testing.assert_close(cameras[1]["c"], torch.tensor([[0.0], [0.0]]))
    assert CAMERAS[0]["f"] == [[200.0], [210.0]]  # those given stay as they were


def test_encode_batch_makes_the_input_of_the_network() -> None:
    points, target = sequences()
    batch = PoseBatch(
        keypoints=points,
        keypoints_visible=torch.ones(2, 3, 4),
        annotations={"lifting_target": target, "camera_param": CAMERAS, "action": ["a", "b"]},
    )

    encoded = VideoPoseLifting(num_keypoints=4, concat_vis=True).encode_batch(batch)

    assert isinstance(encoded.inputs, torch.Tensor)
    assert encoded.inputs.shape == (2, 12, 3)
    assert torch.equal(encoded.inputs[:, 2::3], torch.ones(2, 4, 3))
    assert encoded.targets["lifting_target_label"].shape == (2, 1, 4, 3)


@pytest.mark.parametrize(
    ("cameras", "normalize", "message"),
    [
        (None, False, "needs 'camera_param' with w, h for each of the 2 samples, got none"),
        (CAMERAS[:1], False, "for each of the 2 samples, got 1"),
        ([{"w": 1, "f": 2}] * 2, False, "'camera_param' lacks h; it has f, w"),
        ([{"w": 1, "h": 2}] * 2, True, "'camera_param' lacks f, c; it has h, w"),
    ],
)
def test_missing_cameras(cameras: Any, normalize: bool, message: str) -> None:
    points, _ = sequences()
    codec = VideoPoseLifting(num_keypoints=4, normalize_camera=normalize)
    with pytest.raises(ValueError, match=message):
        codec.encode(points, camera_param=cameras)


def test_a_root_that_is_no_keypoint_is_refused() -> None:
    with pytest.raises(ValueError, match=r"root_index \[1, 4\] is not among the 4 keypoints"):
        VideoPoseLifting(num_keypoints=4, root_index=[1, 4])
