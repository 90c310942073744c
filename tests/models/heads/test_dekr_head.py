"""The head of DEKR: losses, flip test, rescoring, and each person once."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from raypose.errors import ConfigError, RayposeError
from raypose.models.heads import DEKRHead
from raypose.structures import PoseBatch, Skeleton
from tests.models.drawn_weights import draw_weights
from tests.models.no_host_wait import NoHostWait

K = 3
FLIP_INDICES = (0, 2, 1)
SIZE, CELLS = 64, 16
SKELETON = Skeleton.load(
    {
        "name": "bird",
        "keypoints": ["beak", "left_wing", "right_wing"],
        "links": [["beak", "left_wing"], ["beak", "right_wing"]],
    }
)


def build(**options: Any) -> Any:
    head = DEKRHead(
        in_channels=4,
        num_keypoints=K,
        num_heatmap_filters=6,
        num_displacement_filters_per_keypoint=5,
        decoder={
            "type": "SPR",
            "input_size": [SIZE, SIZE],
            "heatmap_size": [CELLS, CELLS],
            "sigma": [2, 1],
            "minimal_diagonal_length": 2,
            "generate_keypoint_heatmaps": True,
        },
        **options,
    )
    return draw_weights(head).eval()


def two_people() -> Tensor:
    """Return keypoints (2, 2, K, 2): two people in the first image, one in the second."""
    one = torch.tensor([[10.0, 12.0], [24.0, 30.0], [4.0, 27.0]])
    return torch.stack(
        [torch.stack([one, one + torch.tensor([30.0, 20.0])]), torch.stack([one] * 2)]
    )


def encoded(keypoints: Tensor | None = None) -> PoseBatch:
    visible = torch.ones(2, 2, K)
    visible[1, 1] = 0  # padding
    batch = PoseBatch(
        inputs=torch.zeros(2, 3, SIZE, SIZE),
        keypoints=two_people() if keypoints is None else keypoints,
        keypoints_visible=visible,
        flip_indices=FLIP_INDICES,
    )
    return build().decoder.encode_batch(batch)


def mirrored() -> Tensor:
    keypoints = two_people()[:, :, list(FLIP_INDICES)]
    return torch.stack([SIZE - 1 - keypoints[..., 0], keypoints[..., 1]], dim=-1)


def outputs_of(batch: PoseBatch) -> tuple[Tensor, Tensor]:
    return batch.targets["heatmaps"], batch.targets["displacements"]


def features(seed: int = 0) -> tuple[Tensor]:
    return (torch.randn(2, 4, CELLS, CELLS, generator=torch.Generator().manual_seed(seed)),)


def test_losses_are_those_of_both_branches() -> None:
    head, batch, feats = build(), encoded(), features()
    heatmaps, displacements = head(feats)
    assert heatmaps.shape == (2, K + 1, CELLS, CELLS)
    assert displacements.shape == (2, 2 * K, CELLS, CELLS)

    losses = head.loss(feats, batch)

    targets = batch.targets
    error = (heatmaps - targets["heatmaps"]).square() * targets["heatmap_weights"]
    torch.testing.assert_close(losses["loss/heatmap"], error.mean())
    head.forward = lambda feats: outputs_of(batch)
    assert [value.item() for value in head.loss(feats, batch).values()] == [0, 0]


def test_masked_regions_do_not_count() -> None:
    head, batch, feats = build(), encoded(), features()
    mask = torch.ones(2, SIZE, SIZE, dtype=torch.bool)
    mask[..., : SIZE // 2] = False
    batch.annotations["heatmap_mask"] = mask
    want = head.loss(feats, batch)["loss/heatmap"]
    batch.targets["heatmaps"][..., : CELLS // 2] += 3

    torch.testing.assert_close(head.loss(feats, batch)["loss/heatmap"], want)


def test_an_image_without_people_gives_a_finite_loss() -> None:
    batch = PoseBatch(keypoints=torch.zeros(2, 0, K, 2), keypoints_visible=torch.zeros(2, 0, K))
    losses = build().loss(features(), build().decoder.encode_batch(batch))

    assert all(value.isfinite() for value in losses.values())


def test_loss_does_not_wait_for_the_device() -> None:
    # Meta tensors take the way of a GPU, and have no values that one could wait for.
    head, batch = build().to("meta"), encoded().to("meta")

    with NoHostWait():
        losses = head.loss([feat.to("meta") for feat in features()], batch)
        torch.stack(list(losses.values())).sum().backward()

    assert all(p.grad is not None for p in head.parameters())


def test_mirrored_outputs_become_those_of_the_image() -> None:
    head, plain, other = build(), encoded(), encoded(mirrored())

    flipped = head.flip_outputs(outputs_of(other), plain)

    # Squares round a root may be off by a cell.
    both = other.targets["displacement_weights"].unflatten(1, (K, 2))[:, list(FLIP_INDICES)]
    shown = (plain.targets["displacement_weights"] > 0) & (both.flatten(1, 2).flip(-1) > 0)
    assert shown.float().mean() > 0.05
    near = flipped[1][shown], plain.targets["displacements"][shown]
    torch.testing.assert_close(*near, atol=1e-4, rtol=0)


@pytest.mark.parametrize("flip_test", [False, True])
def test_people_are_told_apart(flip_test: bool) -> None:
    head, batch = build(), encoded()
    head.test_cfg = {"shift_heatmap": True, "nms_dist_thr": 0.1}
    outputs = outputs_of(batch)
    if flip_test:
        both = zip(outputs, outputs_of(encoded(mirrored())), strict=True)
        outputs = tuple(torch.cat(pair) for pair in both)
    head.forward = lambda feats: outputs

    found = head.predict(features(), batch.replace(flip_test=flip_test))

    assert [len(poses) for poses in found] == [2, 1]
    for i, poses in enumerate(found):
        order = np.argsort(poses.keypoints[:, 0, 0])
        people = two_people()[i].numpy()[: len(poses)]
        np.testing.assert_allclose(poses.keypoints[order], people, atol=0.5 if flip_test else 1e-3)
        assert poses.scores is not None
        assert (poses.scores > 0.7).all()


def test_each_person_is_kept_once() -> None:
    head, batch = build(), encoded()
    batch.targets["heatmaps"][0, -1, 0, 15] = 0.9  # another root ...
    _, displacements = outputs_of(batch)
    keypoints = two_people()[0, 0] / 4 - torch.tensor([15.0, 0.0])
    displacements[0, :, 0, 15] = keypoints.flatten()  # ... of the first person
    head.forward = lambda feats: outputs_of(batch)

    assert [len(poses) for poses in head.predict(features(), batch)] == [3, 1]
    head.test_cfg = {"nms_dist_thr": 0.05}
    assert [len(poses) for poses in head.predict(features(), batch)] == [2, 1]
    head.test_cfg = {"nms_dist_thr": 0.05, "max_num_people": 1}
    assert [len(poses) for poses in head.predict(features(), batch)] == [1, 1]


def test_scores_are_those_that_the_shape_deserves() -> None:
    head, batch = build(rescore_cfg={"in_channels": 9, "norm_indexes": [0, 1]}), encoded()
    head.forward = lambda feats: outputs_of(batch)
    plain = head.predict(features(), batch)[0]
    head.skeleton = SKELETON

    found = head.predict(features(), batch)[0]

    own_scores = plain.keypoint_scores / plain.scores[:, None]
    factors = []
    for points, scores in zip(plain.keypoints, own_scores, strict=True):
        limbs = np.stack([points[0] - points[1], points[0] - points[2]])
        lengths = np.linalg.norm(limbs, axis=1)
        values = [limbs.ravel() / lengths.mean(), lengths / lengths.mean(), scores]
        x = torch.from_numpy(np.concatenate(values)).float()
        net = head.rescore_net
        factors.append(net.l3(net.l2(net.l1(x).relu()).relu()).item())
    np.testing.assert_allclose(found.scores, plain.scores * factors, rtol=1e-4)
    np.testing.assert_allclose(
        found.keypoint_scores, plain.keypoint_scores * np.array(factors)[:, None], rtol=1e-4
    )


def test_what_does_not_fit_is_refused() -> None:
    head, batch = build(rescore_cfg={"in_channels": 12, "norm_indexes": [0, 1]}), encoded()
    head.forward = lambda feats: outputs_of(batch)
    head.skeleton = SKELETON
    with pytest.raises(RayposeError, match=r"in_channels is 12, .* 2 links needs 9"):
        head.predict(features(), batch)
    with pytest.raises(ConfigError, match=r"rescore_cfg: .* no argument 'norm_indices'"):
        build(rescore_cfg={"in_channels": 9, "norm_indices": [0, 1]})
    head.test_cfg = {"multiscale_test": True}
    with pytest.raises(RayposeError, match="DEKRHead predicts at one scale"):
        head.predict(features(), batch)
