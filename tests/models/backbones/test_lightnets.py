"""Lite-HRNet and V2VNet beyond the reference numbers: kinds of blocks, gradients, refusals."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import nn

from raypose.errors import ConfigError
from raypose.models.backbones import LiteHRNet, V2VNet
from raypose.models.backbones.litehrnet_blocks import CrossResolutionWeighting, LiteLayers
from raypose.models.layers.norm import BN
from tests.models.drawn_weights import draw_weights, normal_input

EXTRA: dict[str, Any] = {
    "stem": {"stem_channels": 8, "out_channels": 8, "expand_ratio": 1},
    "num_stages": 2,
    "stages_spec": {
        "num_modules": [1, 2],
        "num_branches": [2, 3],
        "num_blocks": [1, 2],
        "module_type": ["LITE", "LITE"],
        "with_fuse": [True, True],
        "reduce_ratios": [2, 2],
        "num_channels": [[8, 16], [8, 16, 32]],
    },
    "with_head": True,
}


def changed(**spec: Any) -> dict[str, Any]:
    extra = copy.deepcopy(EXTRA)
    for key, value in spec.items():
        (extra if key in extra else extra["stages_spec"])[key] = value
    return extra


KINDS = {
    "lite": EXTRA,
    "naive": changed(module_type=["NAIVE", "NAIVE"]),
    "without head": changed(with_head=False),
    "naive, without fusing": changed(module_type=["NAIVE", "NAIVE"], with_fuse=[False, False]),
    "wide stem": changed(stem={"stem_channels": 8, "out_channels": 12, "expand_ratio": 2}),
}


@pytest.mark.parametrize("kind", KINDS)
def test_one_map_of_stride_4(kind: str) -> None:
    backbone = draw_weights(LiteHRNet(KINDS[kind])).eval()
    images = normal_input((3, 3, 64, 32))
    (together,) = backbone(images)
    assert together.shape == (3, 8, 16, 8)
    (alone,) = backbone(images[1:2])
    torch.testing.assert_close(alone[0], together[1], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("kind", ["lite", "naive", "without head", "wide stem"])
def test_everything_that_is_trained_has_a_gradient(kind: str) -> None:
    backbone = draw_weights(LiteHRNet(KINDS[kind]))
    backbone(normal_input((2, 3, 64, 64)))[0].square().mean().backward()
    for key, parameter in backbone.named_parameters():
        assert (parameter.grad is not None) == parameter.requires_grad, key
    fixed = [key for key, p in backbone.named_parameters() if not p.requires_grad]
    assert bool(fixed) == (kind == "without head")
    assert all(
        key.startswith(("stage1.1.fuse_layers.1", "stage1.1.fuse_layers.2")) for key in fixed
    )


@pytest.mark.parametrize("kind", ["lite", "naive"])
def test_computing_blocks_again_changes_nothing(kind: str) -> None:
    kept, again = LiteHRNet(KINDS[kind]), LiteHRNet(KINDS[kind], with_cp=True)
    images, grads = normal_input((2, 3, 32, 32)), []
    for backbone in (kept, again):
        draw_weights(backbone).eval()(images)[0].sum().backward()
        grads.append(backbone.get_parameter("stem.conv1.conv.weight").grad)
    torch.testing.assert_close(*grads)


def test_norm_eval_keeps_running_statistics() -> None:
    backbone = LiteHRNet(EXTRA, norm_eval=True).train()
    before = copy.deepcopy(backbone.state_dict())
    backbone(normal_input((2, 3, 32, 32)))
    torch.testing.assert_close(backbone.state_dict(), before, rtol=0, atol=0)


def test_gates_lie_within_0_and_1_and_follow_all_resolutions() -> None:
    layers = LiteLayers(None, BN, False, {})
    weighting = draw_weights(CrossResolutionWeighting([4, 8], 2, layers)).eval()
    high, low = normal_input((1, 4, 8, 8)).abs(), normal_input((1, 8, 4, 4), 1).abs()
    outs = weighting([high, low])
    for x, out in zip((high, low), outs, strict=True):
        assert ((out > 0) & (out < x)).all()
    disturbed = weighting([high, low + 1])
    assert not torch.allclose(disturbed[0], outs[0])


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        ({}, "extra needs stem, num_stages, stages_spec, with_head"),
        ({**EXTRA, "with_heads": 1}, "no 'with_heads'. Did you mean 'with_head'"),
        (changed(stem={"stem_channels": 8}), "extra.stem needs out_channels, expand_ratio"),
        (changed(num_blocks=[1]), r"num_blocks has an entry for each of the 2 stages, got \[1\]"),
        (changed(num_channels=[[8], [8, 16, 32]]), r"stage 0 has 2 branches, got \[8\]"),
        (changed(module_type=["LITE", "LIGHT"]), "LITE or NAIVE, got 'LIGHT'"),
    ],
)
def test_mistakes_are_named(extra: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        LiteHRNet(extra)


def test_volumes_keep_their_size() -> None:
    net = draw_weights(V2VNet(3, 2, mid_channels=4)).eval()
    volumes = normal_input((2, 3, 8, 4, 12))
    (out,) = net(volumes)
    assert out.shape == (2, 2, 8, 4, 12)
    torch.testing.assert_close(net(volumes[1:])[0][0], out[1], rtol=1e-4, atol=1e-4)
    out.sum().backward()
    assert all(parameter.grad is not None for parameter in net.parameters())


def test_volumes_start_narrow() -> None:
    net = V2VNet(3, 2)
    net.init_weights()
    convs = [m for m in net.modules() if isinstance(m, (nn.Conv3d, nn.ConvTranspose3d))]
    assert convs
    for conv in convs:
        assert conv.weight.std().item() == pytest.approx(0.001, rel=0.2)
        assert conv.bias is not None
        assert not conv.bias.any()
