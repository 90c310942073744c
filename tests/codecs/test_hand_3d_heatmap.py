"""`Hand3DHeatmap`: volumes there and back, depths that do not fit, and labels."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from raypose.codecs import Hand3DHeatmap
from raypose.errors import RayposeError

K = 6


def build(**options: Any) -> Hand3DHeatmap:
    return Hand3DHeatmap(
        **{
            "image_size": [64, 96],
            "heatmap_size": [16, 24, 20],
            "depth_size": 20,
            "heatmap3d_depth_bound": 200.0,
            "max_bound": 255,
            **options,
        }
    )


def labels(B: int = 3) -> dict[str, Tensor]:
    return {
        "rel_root_depth": torch.linspace(-150, 250, B),
        "rel_root_valid": torch.ones(B),
        "hand_type": torch.tensor([[[1, 0]], [[0, 1]], [[1, 1]]])[:B],
        "hand_type_valid": torch.ones(B, 1),
        "dataset_keypoint_weights": torch.linspace(1, 2, K).expand(B, K),
    }


def points(B: int = 3) -> Tensor:
    low, high = torch.tensor([4.0, 4.0, -90.0]), torch.tensor([56.0, 88.0, 80.0])
    return low + torch.rand(B, 1, K, 3, generator=torch.manual_seed(0)) * (high - low)


def test_decoding_the_target_returns_the_keypoints() -> None:
    codec, keypoints = build(), points()
    targets = codec.encode(keypoints, None, **labels())
    volumes = targets["heatmaps"].unflatten(1, (K, 20))
    hands = targets["type"].flatten(1) - 0.5

    found, (scores, distance, types) = codec.decode([volumes, targets["root_depth"], hands])

    # Half a cell: of four pixels, and of ten millimetres.
    assert ((found - keypoints).abs() <= torch.tensor([2.01, 2.01, 5.01])).all()
    assert ((scores > 120) & (scores <= 255)).all()
    torch.testing.assert_close(distance[:, 0], labels()["rel_root_depth"])
    assert torch.equal(types, labels()["hand_type"])


def test_samples_do_not_know_each_other() -> None:
    codec, keypoints = build(), points()
    targets = codec.encode(keypoints, None, **labels())

    for i in range(3):
        one = {name: value[i : i + 1] for name, value in labels().items()}
        for name, value in codec.encode(keypoints[i : i + 1], None, **one).items():
            torch.testing.assert_close(value[0], targets[name][i])


def test_depths_outside_do_not_count() -> None:
    keypoints, visible = points(), torch.ones(3, 1, K)
    visible[:, :, 0] = 0
    keypoints[0, 0, 1, 2] = -101
    keypoints[1, 0, 2, 2] = 100

    targets = build().encode(keypoints, visible, **labels())

    expected = visible.clone()
    expected[0, 0, 1] = expected[1, 0, 2] = 0
    assert torch.equal(targets["keypoint_weights"], expected)
    # Of -150, 50 and 250 millimetres the last is beyond the 200 that bins span.
    assert targets["root_depth_weight"][:, 0].tolist() == [1, 1, 0]


def test_some_keypoints_with_weights_of_their_own() -> None:
    chosen = [0, 3]
    codec = build(joint_indices=chosen, use_different_joint_weights=True)

    targets = codec.encode(points(), None, **labels())

    everything = build().encode(points(), None, **labels())["heatmaps"].unflatten(1, (K, 20))
    assert torch.equal(targets["heatmaps"].unflatten(1, (2, 20)), everything[:, chosen])
    wanted = labels()["dataset_keypoint_weights"][:, None, chosen]
    torch.testing.assert_close(targets["keypoint_weights"], wanted)


def test_what_does_not_fit_is_refused() -> None:
    known = labels()
    del known["hand_type"]
    with pytest.raises(RayposeError, match="missing: hand_type"):
        build().encode(points(), None, **known)
    with pytest.raises(RayposeError, match="encodes one instance in each sample"):
        build().encode(points().expand(3, 2, K, 3), None, **labels())
    with pytest.raises(RayposeError, match=r"heatmap_size of Hand3DHeatmap is \(w, h, d\)"):
        build(heatmap_size=[64, 64])
