"""`IntegralRegressionHead` and `DSNTHead`: means of heatmaps, their losses and their weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from raypose.models.checkpoint import load_checkpoint
from raypose.models.heads import DSNTHead, HeatmapHead, IntegralRegressionHead
from raypose.registry import MODELS
from raypose.structures import CropTransform, PoseBatch
from tests.models.drawn_weights import draw_weights, normal_input
from tests.models.heads.topdown_heads import FLIP_INDICES, INPUT_SIZE, K, encoded_batch
from tests.models.no_host_wait import NoHostWait

DECODER = {
    "type": "IntegralRegressionLabel",
    "input_size": INPUT_SIZE,
    "heatmap_size": [24, 32],
    "sigma": 2.0,
}
TYPES = pytest.mark.parametrize("kind", ["IntegralRegressionHead", "DSNTHead"])


def build(kind: str = "IntegralRegressionHead", **changes: Any) -> IntegralRegressionHead:
    cfg = {
        "type": kind,
        "in_channels": 6,
        "in_featuremap_size": [3, 4],
        "num_joints": K,
        "deconv_out_channels": [8, 8, 8],
        "decoder": DECODER,
        **changes,
    }
    return draw_weights(MODELS.build(cfg)).eval().requires_grad_(True)


def bare(**changes: Any) -> IntegralRegressionHead:
    """A head without layers: its features are the heatmaps before the softmax."""
    return IntegralRegressionHead(
        K, [24, 32], K, deconv_out_channels=None, final_layer=None, decoder=DECODER, **changes
    )


def features(B: int = 3, seed: int = 0) -> tuple[Tensor]:
    return (normal_input((B, 6, 4, 3), seed),)


def peaks(*cells: tuple[int, int], height: float = 50.0) -> Tensor:
    logits = torch.zeros(1, len(cells), 32, 24)
    for i, (x, y) in enumerate(cells):
        logits[0, i, y, x] = height
    return logits


def test_the_mean_of_a_sharp_peak_is_its_place() -> None:
    head = bare()
    logits = peaks((3, 5), (0, 0), (23, 31), (12, 16), (7, 1))
    coords, heatmaps = head([logits])
    want = torch.tensor(
        [[3 / 24, 5 / 32], [0, 0], [23 / 24, 31 / 32], [0.5, 0.5], [7 / 24, 1 / 32]]
    )
    torch.testing.assert_close(coords[0], want)
    torch.testing.assert_close(heatmaps.sum(dim=(-1, -2)), torch.ones(1, K))
    (pose,) = head.predict([logits], PoseBatch())
    size = np.array(INPUT_SIZE, np.float32)
    np.testing.assert_allclose(pose.keypoints[0], want.numpy() * size, atol=1e-3)


def test_beta_sharpens() -> None:
    logits = normal_input((1, K, 32, 24))
    soft, sharp = bare()([logits])[1], bare(beta=10.0)([logits])[1]
    assert (sharp.amax(dim=(-1, -2)) > soft.amax(dim=(-1, -2))).all()
    torch.testing.assert_close(bare()([10 * logits])[1], sharp)


def test_debias_by_the_formula_of_the_paper() -> None:
    logits = 0.1 * normal_input((2, K, 32, 24))
    plain, _ = bare()([logits])
    total = logits.double().exp().sum(dim=(-1, -2))[..., None]
    want = total / (total - 1) * (plain - 1 / (2 * total))
    torch.testing.assert_close(bare(debias=True)([logits])[0], want.float())


def test_debias_does_not_overflow() -> None:
    logits = peaks(*[(12, 16)] * K, height=1000.0)
    coords, _ = bare(debias=True)([logits])
    torch.testing.assert_close(coords, torch.full((1, K, 2), 0.5))


@TYPES
@pytest.mark.parametrize("deconv", [[8, 8, 8], None])
def test_loss_trains_every_layer(kind: str, deconv: list[int] | None) -> None:
    size = [3, 4] if deconv else [24, 32]
    head = MODELS.build(
        {
            "type": kind,
            "in_channels": 6,
            "in_featuremap_size": size,
            "num_joints": K,
            "deconv_out_channels": deconv,
            "decoder": DECODER,
        }
    )
    feats = features() if deconv else (normal_input((3, 6, 32, 24)),)
    losses = head.loss(feats, encoded_batch(head.decoder))
    losses["loss_kpt"].backward()
    assert set(losses) == {"loss_kpt", "acc_pose"}
    for key, parameter in head.named_parameters():
        fixed = key.startswith("linspace")
        assert parameter.requires_grad != fixed
        assert fixed or parameter.grad is not None, key


@TYPES
def test_loss_does_not_wait_for_the_device(kind: str) -> None:
    head = build(kind)
    batch = encoded_batch(head.decoder).to("meta")  # type: ignore[arg-type]
    feats = [feat.to("meta") for feat in features()]
    head.to("meta")
    with NoHostWait():
        head.loss(feats, batch)["loss_kpt"].backward()


def test_hidden_keypoints_do_not_count() -> None:
    head = build("DSNTHead")
    batch = encoded_batch(head.decoder)  # type: ignore[arg-type]
    coords, heatmaps = head(features())
    plain = head.loss(features(), batch)["loss_kpt"]
    coords, heatmaps = coords.clone(), heatmaps.clone()
    coords[:, -1] += 1
    heatmaps[:, -1] = heatmaps[:, 0]
    head.forward = lambda feats: (coords, heatmaps)  # type: ignore[method-assign]
    torch.testing.assert_close(head.loss(features(), batch)["loss_kpt"], plain)


def test_heatmaps_are_learned_up_to_an_epoch() -> None:
    losses = []
    for lambda_t, epoch in ((-1, 100), (2, 1), (2, 2), (2, 3)):
        head = build("DSNTHead", lambda_t=lambda_t)
        assert isinstance(head, DSNTHead)
        head.set_epoch(epoch, 210)
        batch = encoded_batch(head.decoder)  # type: ignore[arg-type]
        losses.append(head.loss(features(), batch)["loss_kpt"].item())
        coords_only = build().loss(features(), batch)["loss_kpt"].item()

    assert losses[0] == losses[1] > coords_only
    assert losses[2] == losses[3] == pytest.approx(coords_only)


def test_predictions_do_not_depend_on_the_batch_size() -> None:
    head = build("DSNTHead")
    for i, pose in enumerate(head.predict(features(), PoseBatch())):
        (alone,) = head.predict([features()[0][i : i + 1]], PoseBatch())
        np.testing.assert_allclose(alone.keypoints, pose.keypoints, atol=1e-4)
        assert (pose.keypoint_scores == 1).all()


@pytest.mark.parametrize("shift", [False, True])
def test_flip_test_of_a_mirrored_answer_changes_nothing(shift: bool) -> None:
    head = bare()
    head.test_cfg = {"shift_coords": shift, "shift_heatmap": False}
    logits = peaks((3, 5), (9, 9), (20, 9), (12, 16), (7, 1))
    # Places are cells / W: their mirror image is 1 - x, or a pixel less with the shift.
    coords, heatmaps = head([logits])
    partner = list(FLIP_INDICES)
    mirrored = coords[:, partner].clone()
    mirrored[..., 0] = 1 - mirrored[..., 0] - (1 / INPUT_SIZE[0] if shift else 0)
    both = torch.cat([coords, mirrored]), torch.cat([heatmaps, heatmaps[:, partner].flip(-1)])
    head.forward = lambda feats: both  # type: ignore[method-assign]
    batch = PoseBatch(
        flip_test=True,
        flip_indices=FLIP_INDICES,
        transforms=[CropTransform.identity(INPUT_SIZE)],
    )
    folded = head.forward_test([logits], batch)
    torch.testing.assert_close(folded, (coords, heatmaps))


def test_it_starts_from_the_weights_of_a_heatmap_head(tmp_path: Path) -> None:
    heatmap_head = draw_weights(HeatmapHead(6, K, [8, 8, 8])).eval()
    torch.save(heatmap_head.state_dict(), tmp_path / "head.pth")
    head = IntegralRegressionHead(6, [3, 4], K, deconv_out_channels=[8, 8, 8]).eval()

    load_checkpoint(head, tmp_path / "head.pth", strict=False)

    want = heatmap_head(features()).flatten(2).softmax(dim=2)
    torch.testing.assert_close(head(features())[1].flatten(2), want)
