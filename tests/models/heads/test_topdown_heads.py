"""What every top-down head does, whatever it predicts: losses, predictions, flip test."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from raypose.errors import ConfigError, RayposeError
from raypose.models.heads import BaseHead
from raypose.registry import MODELS
from raypose.structures import PoseBatch, Poses
from tests.models.heads.topdown_heads import (
    CONFIGS,
    FLIP_INDICES,
    INPUT_SIZE,
    TEST_CFGS,
    K,
    build,
    encoded_batch,
    features,
)
from tests.models.no_host_wait import NoHostWait

HEADS = pytest.mark.parametrize("name", list(CONFIGS))


def codec_of(head: BaseHead) -> Any:
    assert head.decoder is not None
    return head.decoder


def answer_with(head: BaseHead, outputs: Any) -> None:
    """Let the network of a head return `outputs` whatever it sees."""
    head.forward = lambda feats: outputs  # type: ignore[method-assign]


def perfect_outputs(name: str, batch: PoseBatch) -> Any:
    """Return the outputs that say exactly what the targets of a batch say."""
    targets = batch.targets
    if "heatmaps" in targets:
        return targets["heatmaps"]
    if "keypoint_x_labels" in targets:
        labels = [targets[f"keypoint_{axis}_labels"].flatten(0, 1) for axis in ("x", "y")]
        return tuple((values + 1e-9).log() + 25 for values in labels)
    coords = targets["keypoint_labels"].flatten(0, 1)
    return coords if name == "regression" else torch.cat([coords, 0 * coords], dim=-1)


@HEADS
def test_perfect_outputs_have_full_accuracy_and_are_read_back(name: str) -> None:
    head = build(name)
    batch = encoded_batch(codec_of(head))
    answer_with(head, perfect_outputs(name, batch))

    losses = head.loss(features(name), batch)
    poses = head.predict(features(name), batch)

    assert losses["acc_pose"].item() == 1
    if name != "rle":
        assert losses["loss_kpt"].item() == pytest.approx(0, abs=1e-3)
    assert batch.keypoints is not None
    seen = slice(0, K - 1)  # the last one is hidden: no target to read back
    for pose, keypoints in zip(poses, batch.keypoints, strict=True):
        np.testing.assert_allclose(pose.keypoints[:, seen], keypoints[:, seen].numpy(), atol=2)


@HEADS
def test_better_outputs_have_a_lower_loss(name: str) -> None:
    head = build(name)
    batch = encoded_batch(codec_of(head))
    good = perfect_outputs(name, batch)
    losses = []
    for share in (0.0, 0.5, 1.0):
        answer_with(head, _mixed(good, share))
        losses.append(head.loss(features(name), batch)["loss_kpt"].item())

    assert losses[0] > losses[1] > losses[2]


@HEADS
def test_hidden_keypoints_do_not_count(name: str) -> None:
    head = build(name)
    batch = encoded_batch(codec_of(head))
    plain = head.loss(features(name), batch)
    outputs = head(features(name))

    def disturb(values: Tensor) -> Tensor:
        per_keypoint = values.shape[1] // K if name == "combined" else 1
        values = values.clone()
        values[:, -per_keypoint:] += 3
        return values

    answer_with(
        head, tuple(map(disturb, outputs)) if isinstance(outputs, tuple) else disturb(outputs)
    )
    disturbed = head.loss(features(name), batch)

    torch.testing.assert_close(disturbed, plain)


@HEADS
def test_loss_trains_every_parameter(name: str) -> None:
    head = build(name)
    losses = head.loss(features(name), encoded_batch(codec_of(head)))

    losses["loss_kpt"].backward()

    assert not losses["acc_pose"].requires_grad
    for key, parameter in head.named_parameters():
        assert parameter.grad is not None, key
        assert parameter.grad.isfinite().all(), key


@HEADS
@pytest.mark.parametrize("wrapped", [False, True])
def test_loss_does_not_wait_for_the_device(name: str, wrapped: bool) -> None:
    # Meta tensors take the way of a GPU, and have no values that one could wait for.
    head = build(name)
    batch = encoded_batch(codec_of(head)).to("meta")
    if wrapped:
        head = MODELS.build({"type": "VisPredictHead", "pose_cfg": head})

    with NoHostWait():
        losses = head.to("meta").loss([feat.to("meta") for feat in features(name)], batch)
        losses["loss_kpt"].backward()

    assert all(value.shape == () for value in losses.values())


@pytest.mark.gpu
@HEADS
def test_loss_does_not_wait_for_a_gpu(name: str) -> None:
    head = build(name).cuda()
    batch = encoded_batch(codec_of(head)).to("cuda")
    feats = [feat.cuda() for feat in features(name)]
    head.loss(feats, batch)["loss_kpt"].backward()
    torch.cuda.synchronize()

    torch.cuda.set_sync_debug_mode("error")
    try:
        losses = head.loss(feats, batch)
        losses["loss_kpt"].backward()
    finally:
        torch.cuda.set_sync_debug_mode("default")

    assert losses["loss_kpt"].isfinite()


@HEADS
def test_accuracy_can_be_left_out(name: str) -> None:
    head = build(name)
    head.train_cfg = {"compute_acc": False}

    assert list(head.loss(features(name), encoded_batch(codec_of(head)))) == ["loss_kpt"]


@HEADS
def test_predictions_do_not_depend_on_the_batch_size(name: str) -> None:
    head = build(name)
    feats = features(name, B=4)

    together = head.predict(feats, PoseBatch())
    alone = [head.predict([feat[i : i + 1] for feat in feats], PoseBatch())[0] for i in range(4)]

    for one, other in zip(together, alone, strict=True):
        assert one.keypoints.shape == (1, K, 2)
        np.testing.assert_allclose(one.keypoints, other.keypoints, atol=1e-4)
        np.testing.assert_allclose(one.keypoint_scores, other.keypoint_scores, atol=1e-5)


@HEADS
def test_flip_test_averages_two_passes(name: str) -> None:
    head = build(name)
    plain, mirrored = features(name, seed=1), features(name, seed=2)
    batch = encoded_batch(codec_of(head)).replace(flip_test=True)
    both = [torch.cat(pair) for pair in zip(plain, mirrored, strict=True)]

    folded = head.forward_test(both, batch)

    want = _averaged(name, head(plain), head(mirrored))
    torch.testing.assert_close(folded, want)


@HEADS
def test_flip_test_of_a_symmetric_network_changes_nothing(name: str) -> None:
    head = build(name)
    head.test_cfg = {**TEST_CFGS.get(name, {}), "shift_heatmap": False, "shift_coords": False}
    batch = encoded_batch(codec_of(head))
    plain = _activated(name, head(features(name)))
    mirrored = head.flip_outputs(head(features(name)), batch)
    answer_with(head, _joined(head(features(name)), mirrored))

    folded = head.forward_test(features(name), batch.replace(flip_test=True))

    torch.testing.assert_close(folded, plain)


@HEADS
def test_flip_test_needs_to_know_the_partners(name: str) -> None:
    head = build(name)

    with pytest.raises(RayposeError, match="flip_indices"):
        head.predict(features(name, B=2), PoseBatch(flip_test=True))


@HEADS
@pytest.mark.parametrize("use_sigmoid", [True, False])
def test_vis_predict_head_wraps(name: str, use_sigmoid: bool) -> None:
    inner = build(name)
    wrapper = MODELS.build(
        {
            "type": "VisPredictHead",
            "pose_cfg": CONFIGS[name],
            "loss": {"type": "BCELoss", "use_target_weight": True, "use_sigmoid": use_sigmoid},
        }
    ).eval()
    wrapper.pose_head.load_state_dict(inner.state_dict())
    wrapper.pose_head.test_cfg = inner.test_cfg
    feats, batch = features(name, B=4), encoded_batch(codec_of(inner), B=4)

    outputs, visible = wrapper(feats)
    torch.testing.assert_close(outputs, inner(feats))
    pooled = feats[-1].mean(dim=(2, 3))
    logits = torch.nn.functional.linear(
        pooled, wrapper.vis_head[2].weight, wrapper.vis_head[2].bias
    )
    torch.testing.assert_close(visible, logits.sigmoid() if use_sigmoid else logits)

    losses = wrapper.loss(feats, batch)
    torch.testing.assert_close(losses["loss_kpt"], inner.loss(feats, batch)["loss_kpt"])
    labels = batch.targets["keypoint_weights"].flatten(0, 1)
    want = torch.nn.functional.binary_cross_entropy_with_logits(logits, labels)
    torch.testing.assert_close(losses["loss_vis"], want)
    right = ((logits > 0) == (labels > 0)).float().mean()
    torch.testing.assert_close(losses["acc_vis"], right, rtol=1e-5, atol=0)

    _same_keypoints(wrapper.predict(feats, batch), inner.predict(feats, batch))
    found = wrapper.predict(feats, batch.replace(flip_test=True))
    _same_keypoints(found, inner.predict(feats, batch.replace(flip_test=True)))
    value = visible[:2] + visible[2:][:, list(FLIP_INDICES)]
    value = 0.5 * value if use_sigmoid else (0.5 * value).sigmoid()
    for pose, row in zip(found, value.detach(), strict=True):
        np.testing.assert_allclose(pose.keypoints_visible, row[None].numpy(), atol=1e-6)


def test_vis_predict_head_weighs_its_labels() -> None:
    head = MODELS.build(
        {
            "type": "VisPredictHead",
            "pose_cfg": CONFIGS["regression"],
            "loss": {"type": "BCELoss", "use_target_weight": True, "use_sigmoid": True},
        }
    )
    batch = encoded_batch(codec_of(head.pose_head))
    batch.targets["keypoints_visible_weights"] = torch.zeros(3, 1, K)

    losses = head.loss(features("regression"), batch)

    assert losses["loss_vis"].item() == 0
    assert losses["acc_vis"].item() == 0


def test_vis_predict_head_accepts_a_built_head_and_says_what_it_misses() -> None:
    inner = build("heatmap")
    assert MODELS.build({"type": "VisPredictHead", "pose_cfg": inner}).pose_head is inner

    del inner.in_channels
    with pytest.raises(ConfigError, match="must tell in_channels"):
        MODELS.build({"type": "VisPredictHead", "pose_cfg": inner})


@pytest.mark.parametrize(
    ("name", "changes", "message"),
    [
        ("heatmap", {"deconv_kernel_sizes": [4]}, "deconv_out_channels and deconv_kernel_sizes"),
        ("heatmap", {"deconv_kernel_sizes": [4, 4, 5]}, "4, 3 or 2 are supported, got 5"),
        ("heatmap", {"conv_out_channels": [8]}, "conv_out_channels and conv_kernel_sizes"),
        (
            "heatmap",
            {"final_layer": {"kernel": 1}},
            "Conv2d takes no argument 'kernel'",
        ),
        ("heatmap", {"loss": {"type": "KeypointMSELos"}}, "Did you mean 'KeypointMSELoss'"),
        ("simcc", {"deconv_type": "heatmaps"}, "Did you mean 'heatmap'"),
        ("rtmcc", {"gau_cfg": {"hidden_dim": 8}}, "no option 'hidden_dim'. Did you mean"),
    ],
)
def test_mistakes_of_a_config_are_named(name: str, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        build(name, **changes)


def test_several_people_in_one_crop_are_refused() -> None:
    head = build("heatmap")
    batch = encoded_batch(codec_of(head))
    batch.targets["keypoint_weights"] = torch.ones(3, 2, K)

    with pytest.raises(RayposeError, match="target_weights of shape"):
        head.loss(features("heatmap"), batch)


def _mixed(good: Any, share: float) -> Any:
    if isinstance(good, tuple):
        return tuple(_mixed(item, share) for item in good)
    noise = torch.rand(good.shape, generator=torch.Generator().manual_seed(3))
    return share * good + (1 - share) * noise


def _activated(name: str, outputs: Any) -> Any:
    if name != "rle":
        return outputs
    return torch.cat([outputs[..., :2], outputs[..., 2:].sigmoid()], dim=-1)


def _joined(one: Any, other: Any) -> Any:
    if isinstance(one, tuple):
        return tuple(torch.cat(pair) for pair in zip(one, other, strict=True))
    return torch.cat([one, other])


def _averaged(name: str, plain: Any, mirrored: Any) -> Any:
    """Undo the mirroring by hand and average."""
    flips = list(FLIP_INDICES)
    if name in ("simcc", "simcc_deconv", "rtmcc"):
        return (
            (plain[0] + mirrored[0][:, flips].flip(-1)) / 2,
            (plain[1] + mirrored[1][:, flips]) / 2,
        )
    if name in ("regression", "rle"):
        plain, mirrored = _activated(name, plain), _activated(name, mirrored)[:, flips]
        mirrored = torch.cat([1 - 1 / INPUT_SIZE[0] - mirrored[..., :1], mirrored[..., 1:]], -1)
        return (plain + mirrored) / 2
    fields = 3 if name == "combined" else 1
    maps = mirrored.flip(-1).unflatten(1, (K, fields))[:, flips].clone()
    if name == "combined":
        maps[:, :, 1] *= -1
    else:
        maps[..., 1:] = maps[..., :-1].clone()
    return (plain + maps.flatten(1, 2)) / 2


def _same_keypoints(one: list[Poses], other: list[Poses]) -> None:
    for a, b in zip(one, other, strict=True):
        np.testing.assert_array_equal(a.keypoints, b.keypoints)
        np.testing.assert_array_equal(a.keypoint_scores, b.keypoint_scores)
