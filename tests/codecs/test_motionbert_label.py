"""`MotionBERTLabel`: image space and back, what is optional, what is refused."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from raypose.codecs import MotionBERTLabel
from raypose.structures import PoseBatch

CAMERA: dict[str, Any] = {
    "w": 1000,
    "h": 800,
    "f": torch.tensor([[1100.0], [1150.0]]),
    "c": torch.tensor([[510.0], [390.0]]),
}
SIZE = {"w": 1000, "h": 800}


def sequences(B: int = 2, T: int = 3) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    points = 1000 * torch.rand(B, T, 4, 2, generator=generator)
    target = torch.randn(B, T, 4, 3, generator=generator) + torch.tensor([0.0, 0.0, 6.0])
    return points, target


def test_the_input_is_about_the_middle_of_the_image() -> None:
    codec = MotionBERTLabel(4, concat_vis=True)
    points = torch.tensor([[[[500.0, 400], [1000, 800], [0, 0], [500, 0]]]])
    visible = torch.tensor([[[1.0, 0.5, 0.0, 1.0]]])
    encoded = codec.encode(points, visible, camera_param=[SIZE])
    want = [[0.0, 0.0, 1.0], [1.0, 0.8, 0.5], [-1.0, -0.8, 0.0], [0.0, -0.8, 1.0]]
    torch.testing.assert_close(encoded["keypoint_labels"][0, 0], torch.tensor(want))
    assert encoded["factor"].tolist() == [[[4.0]]]
    assert "lifting_target_label" not in encoded


def test_decoding_the_label_returns_the_pose_about_its_root() -> None:
    points, target = sequences()
    codec = MotionBERTLabel(4, root_index=1, mode="train")
    encoded = codec.encode(points, lifting_target=target, camera_param=[CAMERA] * 2)
    width, height = torch.full((2, 1), 1000.0), torch.full((2, 1), 800.0)
    label, factor = encoded["lifting_target_label"], encoded["factor"]
    assert torch.equal(label[:, :, 1], torch.zeros(2, 3, 3))

    poses, scores = codec.decode((label, width, height, factor))
    in_space, _ = codec.decode((label, width, height, factor, encoded["target_root"]))

    # Depth comes back exactly; x and y are those of the image, without perspective.
    depth = target[..., 2] - target[:, :, 1:2, 2]
    torch.testing.assert_close(poses[..., 2], depth, rtol=1e-4, atol=1e-4)
    places = (target[..., :2] / target[..., 2:] * torch.tensor([1.1, 1.15])) * factor[..., None]
    want = places - places[:, :, 1:2]
    torch.testing.assert_close(poses[..., :2], want, rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(in_space, poses + target[:, :, 1:2])
    assert scores.eq(1).all()


def test_labels_for_testing_are_in_camera_space() -> None:
    points, target = sequences()
    train, test = (
        MotionBERTLabel(4, mode=mode).encode(
            points, lifting_target=target, camera_param=[CAMERA] * 2
        )
        for mode in ("train", "test")
    )
    half = 0.5  # thousands of pixels
    want = train["lifting_target_label"] * half * train["factor"][..., None]
    torch.testing.assert_close(test["lifting_target_label"], want, rtol=1e-4, atol=1e-4)


def test_a_given_factor_counts_where_it_is_known() -> None:
    points, target = sequences()
    factor = torch.tensor([[3.0, 3.1, 3.2], [0.0, 0.0, 0.0]])
    encoded = MotionBERTLabel(4).encode(
        points, lifting_target=target, camera_param=[CAMERA] * 2, factor=factor
    )
    computed = MotionBERTLabel(4).encode(points, lifting_target=target, camera_param=[CAMERA] * 2)
    torch.testing.assert_close(encoded["factor"][0, :, 0], factor[0])
    assert torch.equal(encoded["factor"][1], computed["factor"][1])


def test_placeholders_for_a_target_have_the_usual_factor() -> None:
    points, target = sequences()
    encoded = MotionBERTLabel(4).encode(
        points, lifting_target=0 * target[:, :1], camera_param=[CAMERA] * 2
    )
    assert encoded["factor"].eq(4).all()


def test_the_root_can_be_held_at_the_origin() -> None:
    poses = torch.randn(1, 2, 4, 3, generator=torch.Generator().manual_seed(0))
    free, _ = MotionBERTLabel(4, root_index=2).decode(poses)
    held, _ = MotionBERTLabel(4, root_index=2, rootrel=True).decode(poses)
    torch.testing.assert_close(free, (poses - poses[:, :, 2:3]) / 1000)
    want = poses.clone() / 1000
    want[:, :, 2] = 0
    torch.testing.assert_close(held, want)


def test_a_batch_gives_what_single_samples_give() -> None:
    points, target = sequences(B=3)
    cameras = [CAMERA, {**CAMERA, "w": 900}, {**CAMERA, "f": torch.tensor([[900.0], [950.0]])}]
    codec = MotionBERTLabel(4, mode="train")
    together = codec.encode(points, lifting_target=target, camera_param=cameras)
    for i, camera in enumerate(cameras):
        alone = codec.encode(
            points[i : i + 1], lifting_target=target[i : i + 1], camera_param=[camera]
        )
        for name, value in alone.items():
            torch.testing.assert_close(together[name][i], value[0])


def test_encode_batch_makes_the_inputs() -> None:
    points, _ = sequences()
    batch = PoseBatch(keypoints=points, annotations={"camera_param": [SIZE] * 2})
    encoded = MotionBERTLabel(4).encode_batch(batch)
    assert isinstance(encoded.inputs, Tensor)
    assert encoded.inputs.shape == (2, 3, 4, 2)
    assert encoded.targets["factor"].shape == (2, 3, 1)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"mode": "val"}, "mode is 'train' or 'test', got 'val'"),
        ({"remove_root": True}, "the root stays in the pose"),
        ({"root_index": 4}, "not among the 4 keypoints"),
    ],
)
def test_wrong_arguments(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        MotionBERTLabel(4, **arguments)


def test_missing_cameras_are_named() -> None:
    points, _ = sequences()
    with pytest.raises(ValueError, match=r"each of the 2 samples, got none"):
        MotionBERTLabel(4).encode(points)
    with pytest.raises(ValueError, match="lacks h; it has w"):
        MotionBERTLabel(4).encode(points, camera_param=[{"w": 10}] * 2)
