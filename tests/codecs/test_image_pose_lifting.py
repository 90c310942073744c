from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from raypose.codecs import ImagePoseLifting


def poses() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return 100 * torch.rand(3, 1, 4, 2, generator=generator), torch.randn(
        3, 1, 4, 3, generator=generator
    )


def statistics(rows: int, columns: int, seed: int) -> list[list[float]]:
    return np.random.default_rng(seed).uniform(1, 2, (rows, columns)).tolist()


def test_inputs_and_targets_are_normalised() -> None:
    points, target = poses()
    mean, std = statistics(4, 2, 0), statistics(4, 2, 1)
    target_mean, target_std = statistics(3, 3, 2), statistics(3, 3, 3)
    codec = ImagePoseLifting(
        num_keypoints=4,
        root_index=1,
        remove_root=True,
        reshape_keypoints=False,
        keypoints_mean=mean,
        keypoints_std=std,
        target_mean=target_mean,
        target_std=target_std,
    )

    encoded = codec.encode(points, lifting_target=target)

    expected = (points - torch.tensor(mean)) / torch.tensor(std)
    torch.testing.assert_close(encoded["keypoint_labels"], expected)
    relative = (target - target[:, :, 1:2])[:, :, [0, 2, 3]]
    torch.testing.assert_close(
        encoded["lifting_target_label"],
        (relative - torch.tensor(target_mean)) / torch.tensor(target_std),
    )
    assert encoded["target_root_removed"].tolist() == [True] * 3

    keypoints, _ = codec.decode((encoded["lifting_target_label"], encoded["target_root"]))
    torch.testing.assert_close(keypoints, target, rtol=1e-4, atol=1e-5)


def test_the_root_stays_where_it_is_the_mean_of_several_keypoints() -> None:
    points, target = poses()
    codec = ImagePoseLifting(num_keypoints=4, root_index=[0, 1], remove_root=True)

    encoded = codec.encode(points, lifting_target=target)

    assert encoded["lifting_target_label"].shape == (3, 1, 4, 3)
    assert "target_root_removed" not in encoded


def test_without_a_target_only_the_input_is_made() -> None:
    points, _ = poses()

    encoded = ImagePoseLifting(num_keypoints=4).encode(points)

    assert set(encoded) == {"keypoint_labels", "keypoint_labels_visible"}
    assert torch.equal(encoded["keypoint_labels"], points.flatten(2).transpose(1, 2))


def test_additional_keys_are_handed_through() -> None:
    codec = ImagePoseLifting(num_keypoints=4, additional_encode_keys=["depth"])
    points, _ = poses()

    encoded = codec.encode(points, depth="d")

    assert codec.auxiliary_encode_keys == ("lifting_target", "lifting_target_visible", "depth")
    assert ImagePoseLifting.auxiliary_encode_keys == ("lifting_target", "lifting_target_visible")
    assert encoded["depth"] == "d"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"keypoints_mean": [[0.0, 0.0]] * 4}, "keypoints_mean and keypoints_std are given tog"),
        (
            {"target_mean": [[0.0]] * 4, "target_std": [[1.0, 1.0]] * 4},
            r"target_mean \(4, 1\) and target_std \(4, 2\) have one shape, \(4, dimensions\)",
        ),
        (
            {"target_mean": [[0.0]] * 4, "target_std": [[1.0]] * 4, "remove_root": True},
            "target_mean has 4 rows for 3 keypoints",
        ),
    ],
)
def test_wrong_statistics(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ImagePoseLifting(num_keypoints=4, **arguments)
