"""`CPMHead` and `MSPNHead`: losses over all outputs, predictions from the last one."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from raypose.codecs import BaseKeypointCodec
from raypose.errors import ConfigError, RayposeError
from raypose.models.heads import CPMHead, MSPNHead, MultiStageHead
from raypose.models.heads.mspn_head import PRM
from raypose.registry import CODECS, MODELS
from raypose.structures import PoseBatch
from tests.models.drawn_weights import draw_weights, normal_input
from tests.models.heads.topdown_heads import FLIP_INDICES, K, encoded_batch
from tests.models.no_host_wait import NoHostWait

SIZES = {"input_size": [96, 128], "heatmap_size": [24, 32]}
LEVELS = [{"type": "MegviiHeatmap", "kernel_size": size} for size in (9, 7, 5)]
CODECS_OF: dict[str, dict[str, Any]] = {
    "cpm": {"type": "MSRAHeatmap", "sigma": 2, **SIZES},
    "mspn": {"type": "MultilevelHeatmap", "levels": LEVELS, **SIZES},
}
MSE = {"type": "KeypointMSELoss", "use_target_weight": True}
CONFIGS: dict[str, dict[str, Any]] = {
    "cpm": {
        "type": "CPMHead",
        "in_channels": 6,
        "out_channels": K,
        "num_stages": 3,
        "deconv_out_channels": [4],
        "deconv_kernel_sizes": [4],
        "loss": MSE,
        "decoder": CODECS_OF["cpm"],
    },
    "mspn": {
        "type": "MSPNHead",
        "num_stages": 2,
        "num_units": 2,
        "out_shape": [32, 24],
        "unit_channels": 6,
        "out_channels": K,
        "use_prm": True,
        "level_indices": [0, 1, 1, 2],
        "loss": [
            {**MSE, "loss_weight": 0.25},
            {**MSE, "loss_weight": 0.5},
            MSE,
            {"type": "KeypointOHKMMSELoss", "use_target_weight": True, "topk": 2},
        ],
        "decoder": CODECS_OF["mspn"],
    },
}
HEADS = pytest.mark.parametrize("name", CONFIGS)


def build(name: str, **changes: Any) -> MultiStageHead:
    return draw_weights(MODELS.build({**CONFIGS[name], **changes})).eval()


def features(name: str, B: int = 3, seed: int = 0) -> Any:
    if name == "cpm":
        return [normal_input((B, 6, 16, 12), seed + i) for i in range(3)]
    sizes = ((16, 12), (32, 24))
    return [
        [normal_input((B, 6, *size), seed + 2 * i + j) for j, size in enumerate(sizes)]
        for i in range(2)
    ]


def part(feats: Any, index: slice) -> Any:
    return feats[index] if isinstance(feats, Tensor) else [part(item, index) for item in feats]


def joined(one: Any, other: Any) -> Any:
    if isinstance(one, Tensor):
        return torch.cat([one, other])
    return [joined(a, b) for a, b in zip(one, other, strict=True)]


def moved(feats: Any, device: str) -> Any:
    return feats.to(device) if isinstance(feats, Tensor) else [moved(f, device) for f in feats]


def codec_of(name: str) -> BaseKeypointCodec:
    return CODECS.build(CODECS_OF[name])


def perfect_outputs(name: str, batch: PoseBatch) -> list[Tensor]:
    heatmaps = batch.targets["heatmaps"]
    return [heatmaps] * 3 if name == "cpm" else [heatmaps[:, level] for level in (0, 1, 1, 2)]


def answer_with(head: MultiStageHead, outputs: list[Tensor]) -> None:
    head.forward = lambda feats: outputs  # type: ignore[method-assign]
    head.last_output = lambda feats: outputs[-1]  # type: ignore[method-assign]


@HEADS
def test_the_last_output_is_the_last(name: str) -> None:
    head = build(name)
    outputs = head(features(name))
    assert [tuple(out.shape) for out in outputs] == [(3, K, 32, 24)] * (3 if name == "cpm" else 4)
    assert torch.equal(head.last_output(features(name)), outputs[-1])


@HEADS
def test_perfect_outputs_cost_nothing_and_are_read_back(name: str) -> None:
    head, batch = build(name), encoded_batch(codec_of(name))
    answer_with(head, perfect_outputs(name, batch))

    losses = head.loss(features(name), batch)
    poses = head.predict(features(name), batch)

    assert losses["loss_kpt"].item() == 0
    assert losses["acc_pose"].item() == 1
    assert batch.keypoints is not None
    seen = slice(0, K - 1)  # the last one is hidden
    for pose, keypoints in zip(poses, batch.keypoints, strict=True):
        np.testing.assert_allclose(pose.keypoints[:, seen], keypoints[:, seen].numpy(), atol=4)


def test_each_unit_learns_its_level_by_its_loss() -> None:
    head, batch = build("mspn"), encoded_batch(codec_of("mspn"))
    feats = features("mspn")
    heatmaps, weights = batch.targets["heatmaps"], batch.targets["keypoint_weights"]
    outputs = head(feats)
    errors = [
        ((out - heatmaps[:, level]) ** 2).mean(dim=(2, 3)) * weights[:, level]
        for out, level in zip(outputs, (0, 1, 1, 2), strict=True)
    ]
    hardest = errors[3].topk(2, dim=1).values.mean()
    want = 0.25 * errors[0].mean() + 0.5 * errors[1].mean() + errors[2].mean() + hardest

    torch.testing.assert_close(head.loss(feats, batch)["loss_kpt"], want)


def test_one_loss_serves_all_stages() -> None:
    head, batch = build("cpm"), encoded_batch(codec_of("cpm"))
    each = build("cpm", loss=[MSE, MSE, {**MSE, "loss_weight": 0.0}])
    feats = features("cpm")
    heatmaps, weights = batch.targets["heatmaps"], batch.targets["keypoint_weights"][:, 0]
    parts = [(((out - heatmaps) ** 2).mean(dim=(2, 3)) * weights).mean() for out in head(feats)]

    torch.testing.assert_close(head.loss(feats, batch)["loss_kpt"], torch.stack(parts).sum())
    torch.testing.assert_close(each.loss(feats, batch)["loss_kpt"], torch.stack(parts[:2]).sum())


@HEADS
def test_loss_trains_every_parameter(name: str) -> None:
    head = build(name)
    head.loss(features(name), encoded_batch(codec_of(name)))["loss_kpt"].backward()
    for key, parameter in head.named_parameters():
        assert parameter.grad is not None, key
        assert parameter.grad.isfinite().all(), key


@HEADS
def test_loss_does_not_wait_for_the_device(name: str) -> None:
    head, batch = build(name).to("meta"), encoded_batch(codec_of(name)).to("meta")
    feats = moved(features(name), "meta")
    with NoHostWait():
        losses = head.loss(feats, batch)
        losses["loss_kpt"].backward()
    assert all(value.shape == () for value in losses.values())


@HEADS
def test_accuracy_can_be_left_out(name: str) -> None:
    head = build(name)
    head.train_cfg = {"compute_acc": False}
    assert list(head.loss(features(name), encoded_batch(codec_of(name)))) == ["loss_kpt"]


@HEADS
def test_predictions_do_not_depend_on_the_batch_size(name: str) -> None:
    head, feats = build(name), features(name)
    together = head.predict(feats, PoseBatch())
    for i, pose in enumerate(together):
        (alone,) = head.predict(part(feats, slice(i, i + 1)), PoseBatch())
        np.testing.assert_allclose(alone.keypoints, pose.keypoints, atol=1e-4)
        np.testing.assert_allclose(alone.keypoint_scores, pose.keypoint_scores, atol=1e-4)


@HEADS
def test_flip_test_averages_two_passes(name: str) -> None:
    head = build(name)
    plain, mirrored = features(name, seed=1), features(name, seed=9)
    batch = PoseBatch(flip_indices=FLIP_INDICES, flip_test=True)

    folded = head.forward_test(joined(plain, mirrored), batch)

    flipped = head(mirrored)[-1][:, list(FLIP_INDICES)].flip(-1)
    torch.testing.assert_close(folded, (head(plain)[-1] + flipped) / 2)


def test_refined_heatmaps_grow_at_most_twofold() -> None:
    prm = draw_weights(PRM(K)).eval()
    x = normal_input((2, K, 12, 9))
    plain = prm.conv_bn_relu_prm_1(x)
    refined = prm(x)
    assert (refined >= plain).all()
    assert (refined <= 2 * plain).all()
    assert (refined > 1.2 * plain).any()


def test_other_features_than_built_for_are_refused() -> None:
    with pytest.raises(RayposeError, match="built for 3 stages, the features have 2"):
        build("cpm")(features("cpm")[:2])
    with pytest.raises(RayposeError, match=r"2 stages of 2 units, .* stages of \[2\]"):
        build("mspn")(features("mspn")[:1])


def test_targets_without_levels_are_refused() -> None:
    head = build("mspn")
    flat = encoded_batch(codec_of("cpm"))
    with pytest.raises(RayposeError, match=r"levels \[0, 1, 2\].*\(3, 5, 32, 24\)"):
        head.loss(features("mspn"), flat)
    two = {**CODECS_OF["mspn"], "levels": LEVELS[:2]}
    with pytest.raises(RayposeError, match=r"levels \[0, 1, 2\]"):
        head.loss(features("mspn"), encoded_batch(CODECS.build(two)))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: CPMHead(6, K, 2, loss=[MSE]), "the 2 outputs .* got a list of 1"),
        (lambda: CPMHead(6, K, 2, [4], [5]), "4, 3 or 2 are supported, got 5"),
        (lambda: MSPNHead(1, 2, level_indices=[0]), r"each of 1 \* 2 units, got \[0\]"),
        (lambda: MSPNHead(1, 2, level_indices=[0, -1]), r"got \[0, -1\]"),
    ],
)
def test_mistakes_are_named(make: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        make()
