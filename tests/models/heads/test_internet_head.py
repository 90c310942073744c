"""The head of InterNet: both hands, their distance, which hands there are, and the flip test."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from raypose.errors import ConfigError
from raypose.models.heads import InternetHead
from raypose.structures import PoseBatch
from tests.models.drawn_weights import draw_weights
from tests.models.no_host_wait import NoHostWait

K, D = 4, 8  # two keypoints of each hand
FLIP_INDICES = (2, 3, 0, 1)


def build(**options: Any) -> Any:
    head = InternetHead(
        **{
            "keypoint_head_cfg": {
                "in_channels": 6,
                "out_channels": K // 2 * D,
                "depth_size": D,
                "deconv_out_channels": [5],
                "deconv_kernel_sizes": [4],
            },
            "root_head_cfg": {"in_channels": 6, "heatmap_size": 10, "hidden_dims": [7]},
            "hand_type_head_cfg": {"in_channels": 6, "hidden_dims": [7]},
            "decoder": {
                "type": "Hand3DHeatmap",
                "image_size": [32, 32],
                "heatmap_size": [8, 8, D],
                "depth_size": D,
                "root_heatmap_size": 10,
                "heatmap_size_root": 10,
                "sigma": 1,
            },
            **options,
        }
    )
    return draw_weights(head).eval()


def encoded() -> PoseBatch:
    low, high = torch.tensor([4.0, 4.0, -150.0]), torch.tensor([24.0, 24.0, 120.0])
    keypoints = low + torch.rand(2, 1, K, 3, generator=torch.manual_seed(0)) * (high - low)
    return build().decoder.encode_batch(
        PoseBatch(
            keypoints=keypoints,
            keypoints_visible=torch.ones(2, 1, K),
            annotations={
                "rel_root_depth": torch.tensor([40.0, -80.0]),
                "rel_root_valid": torch.tensor([1.0, 0.0]),
                "hand_type": torch.tensor([[[1, 1]], [[0, 1]]]),
                "hand_type_valid": torch.ones(2, 1),
            },
            flip_indices=FLIP_INDICES,
        )
    )


def outputs_of(batch: PoseBatch) -> tuple[Tensor, Tensor, Tensor]:
    """Return the outputs that say what the targets say."""
    targets = batch.targets
    hands = (targets["type"].flatten(1) - 0.5) * 100
    return targets["heatmaps"].unflatten(1, (K, D)), targets["root_depth"], hands


def features(seed: int = 0) -> tuple[Tensor]:
    return (torch.randn(2, 6, 4, 4, generator=torch.Generator().manual_seed(seed)),)


def test_each_hand_has_a_branch_of_its_own() -> None:
    head = build()
    volumes, root, hands = head(features())

    assert volumes.shape == (2, K, D, 8, 8)
    assert root.shape == (2, 1)
    assert hands.shape == (2, 2)
    assert ((root > 0) & (root < 9)).all()
    torch.nn.init.zeros_(head.left_hand_head.final_layer.weight)
    changed, *_ = head(features())
    torch.testing.assert_close(changed[:, : K // 2], volumes[:, : K // 2])
    assert not torch.allclose(changed[:, K // 2 :], volumes[:, K // 2 :])


def test_perfect_outputs_cost_nothing_and_are_read_back() -> None:
    head, batch = build(), encoded()
    head.forward = lambda feats: outputs_of(batch)

    losses = head.loss(features(), batch)
    poses = head.predict(features(), batch)

    assert losses.pop("acc_pose").item() == 1
    assert [value.item() for value in losses.values()] == pytest.approx([0, 0, 0])
    assert batch.keypoints is not None
    for i, pose in enumerate(poses):
        half_a_cell = np.array([2.01, 2.01, 25.01])
        assert (np.abs(pose.keypoints - batch.keypoints[i].numpy()) <= half_a_cell).all()
        assert pose.extras["rel_root_depth"][0] == pytest.approx([40, -80][i], abs=1e-3)
        assert pose.extras["hand_type"].tolist() == [[[1, 1]], [[0, 1]]][i]


def test_what_is_not_annotated_does_not_count() -> None:
    head, batch, feats = build(), encoded(), features()
    want = head.loss(feats, batch)
    batch.targets["root_depth"][1] += 5  # not valid
    torch.testing.assert_close(head.loss(feats, batch), want)

    batch.targets["type_weight"][1] = 0
    batch.targets["keypoint_weights"][0, 0, 1] = 0
    want = head.loss(feats, batch)
    batch.targets["type"][1] = 1 - batch.targets["type"][1]
    batch.targets["heatmaps"].unflatten(1, (K, D))[0, 1] += 1
    torch.testing.assert_close(head.loss(feats, batch), want)


def test_the_flip_test_swaps_hands() -> None:
    head, batch = build(), encoded()
    volumes, root, hands = outputs_of(batch)
    mirrored = volumes[:, list(FLIP_INDICES)].flip(-1), -root, hands.flip(-1)
    both = zip((volumes, root, hands), mirrored, strict=True)
    doubled = tuple(torch.cat(pair) for pair in both)

    folded = head.fold_flip_test(doubled, batch.replace(flip_test=True))

    torch.testing.assert_close(folded, (volumes, root, hands))


def test_loss_does_not_wait_for_the_device() -> None:
    # Meta tensors take the way of a GPU, and have no values that one could wait for.
    head, batch = build().to("meta"), encoded().to("meta")

    with NoHostWait():
        losses = head.loss([feat.to("meta") for feat in features()], batch)
        total = [value for name, value in losses.items() if name.startswith("loss")]
        torch.stack(total).sum().backward()

    assert all(p.grad is not None for p in head.parameters())


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(ConfigError, match="out_channels is a multiple of depth_size, 64, got 7"):
        build(keypoint_head_cfg={"in_channels": 6, "out_channels": 7})
    with pytest.raises(ConfigError, match="root_head_cfg: Heatmap1DHead takes no argument 'bins'"):
        build(root_head_cfg={"bins": 3})
