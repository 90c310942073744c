"""The head of CID: which people losses are for, and who is found."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from raypose.errors import RayposeError
from raypose.models.heads import CIDHead
from raypose.models.losses import InfoNCELoss
from raypose.structures import PoseBatch
from tests.models.drawn_weights import draw_weights
from tests.models.no_host_wait import NoHostWait

K = 3
FLIP_INDICES = (0, 2, 1)
SIZE, CELLS = 64, 16
IMAGES = PoseBatch(inputs=torch.zeros(2, 3, SIZE, SIZE))


def build(**options: Any) -> Any:
    head = CIDHead(
        in_channels=6,
        gfd_channels=4,
        num_keypoints=K,
        decoder={
            "type": "DecoupledHeatmap",
            "input_size": [SIZE, SIZE],
            "heatmap_size": [CELLS, CELLS],
        },
        **options,
    )
    return draw_weights(head).eval()


def encoded() -> PoseBatch:
    """Return targets of two people in the first image, one in the second, and padding."""
    one = torch.tensor([[10.0, 12.0], [24.0, 30.0], [4.0, 27.0]])
    first = torch.stack([one, one + torch.tensor([30.0, 20.0])])
    keypoints = torch.stack([first, torch.stack([one, one * 0])])
    visible = torch.ones(2, 2, K)
    visible[1, 1] = 0
    torch.manual_seed(0)
    return build().decoder.encode_batch(
        PoseBatch(keypoints=keypoints, keypoints_visible=visible, flip_indices=FLIP_INDICES)
    )


def features(seed: int = 0, B: int = 2) -> tuple[Tensor]:
    return (torch.randn(B, 6, CELLS, CELLS, generator=torch.Generator().manual_seed(seed)),)


def padded(batch: PoseBatch) -> PoseBatch:
    """Return targets with places for three people more."""
    targets = dict(batch.targets)
    targets["instance_coords"] = F.pad(targets["instance_coords"], (0, 0, 0, 3), value=-1)
    targets["keypoint_weights"] = F.pad(targets["keypoint_weights"], (0, 0, 0, 3))
    targets["instance_heatmaps"] = F.pad(targets["instance_heatmaps"], (0, 0, 0, 0, 0, 3 * K))
    return batch.replace(targets=targets)


def test_padding_changes_no_loss() -> None:
    head, batch = build(), encoded()

    torch.testing.assert_close(head.loss(features(), padded(batch)), head.loss(features(), batch))


def test_losses_of_people_are_those_of_their_own_heatmaps() -> None:
    head, batch, feats = build(), encoded(), features()
    coords = batch.targets["instance_coords"]
    samples = torch.tensor([0, 0, 1])
    people = torch.cat([coords[0], coords[1, :1]])
    own = feats[0][samples, :, people[:, 1], people[:, 0]]
    heatmaps = head.gfd_module(feats[0], own, people, samples)
    targets = batch.targets["instance_heatmaps"].view(4, K, CELLS, CELLS)[:3]

    losses = head.loss(feats, batch)

    want = head.loss_module["heatmap_decoupled"](heatmaps, targets, torch.ones(3, K))
    torch.testing.assert_close(losses["loss/heatmap_decoupled"], want)
    contrast = InfoNCELoss()(own[:2]) + InfoNCELoss()(own[2:])
    torch.testing.assert_close(losses["loss/contrastive"], contrast / 3)


def test_masked_regions_do_not_count() -> None:
    head, batch, feats = build(), encoded(), features()
    mask = torch.ones(2, SIZE, SIZE)
    mask[..., : SIZE // 2] = 0
    batch.annotations["heatmap_mask"] = mask
    want = head.loss(feats, batch)
    batch.targets["heatmaps"][..., : CELLS // 2] = 0.5

    torch.testing.assert_close(head.loss(feats, batch), want)


@pytest.mark.parametrize("N", [0, 1])
def test_an_image_without_people_gives_a_finite_loss(N: int) -> None:
    batch = PoseBatch(keypoints=torch.zeros(2, N, K, 2), keypoints_visible=torch.zeros(2, N, K))
    head = build().train()

    losses = head.loss(features(), head.decoder.encode_batch(batch))
    torch.stack(list(losses.values())).sum().backward()

    assert all(value.isfinite() for value in losses.values())
    assert all(p.grad is None or p.grad.isfinite().all() for p in head.parameters())


def test_people_beyond_the_limit_are_drawn_from_those_there_are() -> None:
    head, batch = build(), padded(encoded())
    head.train_cfg = {"max_train_instances": 3}
    torch.testing.assert_close(
        sorted(value.item() for value in head.loss(features(), batch).values()),
        sorted(value.item() for value in build().loss(features(), batch).values()),
    )
    head.train_cfg = {"max_train_instances": 1}
    seen = {head.loss(features(), batch)["loss/heatmap_decoupled"].item() for _ in range(20)}
    assert len(seen) == 3


def test_loss_does_not_wait_for_the_device() -> None:
    # Meta tensors take the way of a GPU, and have no values that one could wait for.
    head, batch = build().to("meta"), encoded().to("meta")
    head.train_cfg = {"max_train_instances": 3}

    with NoHostWait():
        losses = head.loss([feat.to("meta") for feat in features()], batch)
        torch.stack(list(losses.values())).sum().backward()

    assert all(p.grad is not None for p in head.parameters())


def test_an_image_alone_gives_what_it_gives_in_a_batch() -> None:
    head, (feats,) = build(), features()
    head.test_cfg = {"max_instances": 4, "score_threshold": 0.5}

    together = head.predict((feats,), IMAGES)

    assert 0 < len(together[0]) <= 4
    for i, poses in enumerate(together):
        (alone,) = head.predict((feats[i : i + 1],), IMAGES)
        np.testing.assert_allclose(alone.keypoints, poses.keypoints, atol=1e-4)
        np.testing.assert_allclose(alone.keypoint_scores, poses.keypoint_scores, atol=1e-5)
        assert (np.diff(poses.scores) <= 0).all()
    assert len(head((feats,))) == sum(len(poses) for poses in build().predict((feats,), IMAGES))


def test_the_flip_test_averages_with_the_mirrored_image() -> None:
    head, (feats,) = build(), features()
    batch = PoseBatch(inputs=torch.zeros(2, 3, SIZE, SIZE), flip_indices=(0, 1, 2), flip_test=True)

    # Features that the mirrored image shares change nothing.
    same = head.predict((torch.cat([feats, feats.flip(-1)]),), batch)

    for poses, plain in zip(same, head.predict((feats,), IMAGES), strict=True):
        np.testing.assert_allclose(poses.keypoints, plain.keypoints, atol=1e-4)
        np.testing.assert_allclose(poses.keypoint_scores, plain.keypoint_scores, atol=1e-5)
    swapped = head.predict(
        (torch.cat([feats, feats.flip(-1)]),), batch.replace(flip_indices=FLIP_INDICES)
    )
    scores = swapped[0].keypoint_scores
    np.testing.assert_allclose(scores[:, 1], scores[:, 2], atol=1e-5)


def test_nobody_is_found() -> None:
    head = build()
    head.test_cfg = {"score_threshold": 1.0}

    found = head.predict(features(), IMAGES)

    assert [poses.keypoints.shape for poses in found] == [(0, K, 2)] * 2
    head.test_cfg = {"multiscale_test": True}
    with pytest.raises(RayposeError, match="CIDHead predicts at one scale"):
        head.predict(features(), IMAGES)


def test_contrast_with_padding_is_that_of_the_others() -> None:
    vectors = torch.randn(2, 5, 8, generator=torch.manual_seed(0)).requires_grad_()
    counted = torch.tensor([[True, False, True, True, False], [False, True, True, True, True]])
    loss = InfoNCELoss(temperature=0.3)

    alone = [loss(vectors[i][counted[i]]) for i in range(2)]
    torch.testing.assert_close(loss(vectors, counted), sum(alone))
    nobody = loss(vectors, counted & False)
    nobody.backward()
    assert nobody.item() == 0
    assert vectors.grad is not None
    assert vectors.grad.abs().max() == 0
