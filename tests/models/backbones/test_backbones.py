"""Backbones beyond the reference numbers: freezing, starting values, refusals, sizes."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from raypose.errors import ConfigError
from raypose.models.backbones import (
    TCN,
    CSPNeXt,
    HRNet,
    MobileNetV2,
    ResNet,
    StagedBackbone,
    VisionTransformer,
)
from raypose.models.layers.residual import ResidualBlock
from raypose.registry import MODELS
from tests.models.drawn_weights import draw_weights, normal_input

TINY_HRNET: dict[str, Any] = {
    f"stage{n}": {
        "num_modules": 1,
        "num_branches": n,
        "block": "BASIC",
        "num_blocks": [1] * n,
        "num_channels": [4 * 2**i for i in range(n)],
    }
    for n in (1, 2, 3, 4)
}
TINY_VIT: dict[str, int] = {
    "embed_dims": 8,
    "num_layers": 3,
    "num_heads": 2,
    "feedforward_channels": 16,
}
CONFIGS: dict[str, dict[str, Any]] = {
    "ResNet": {"type": "ResNet", "depth": 18, "stem_channels": 8, "base_channels": 8},
    "deep stem": {"type": "ResNet", "depth": 18, "base_channels": 8, "deep_stem": True},
    "HRNet": {"type": "HRNet", "extra": TINY_HRNET},
    "CSPNeXt": {"type": "CSPNeXt", "deepen_factor": 0.1, "widen_factor": 0.125},
    "MobileNetV2": {"type": "MobileNetV2", "widen_factor": 0.25},
    "VisionTransformer": {
        "type": "VisionTransformer",
        "arch": TINY_VIT,
        "img_size": 32,
        "patch_size": 8,
        "with_cls_token": False,
        "out_type": "featmap",
    },
}
# The first weights that are trained with two frozen stages, and the last frozen ones.
BORDER = {
    "ResNet": ("layer3", ("conv1", "bn1", "layer1", "layer2")),
    "deep stem": ("layer3", ("stem", "layer1", "layer2")),
    "HRNet": ("stage3", ("conv1", "conv2", "bn1", "bn2", "layer1", "transition1", "stage2")),
    "CSPNeXt": ("stage3", ("stem", "stage1", "stage2")),
    "MobileNetV2": ("layer3", ("conv1", "layer1", "layer2")),
    "VisionTransformer": ("layers.2", ("pos_embed", "patch_embed", "layers.0", "layers.1")),
}


@pytest.mark.parametrize("name", CONFIGS)
def test_frozen_stages_do_not_learn(name: str) -> None:
    torch.manual_seed(0)
    backbone: StagedBackbone = MODELS.build({**CONFIGS[name], "frozen_stages": 2}).train()
    before = copy.deepcopy(backbone.state_dict())
    optimizer = torch.optim.SGD(backbone.parameters(), lr=0.1)
    loss = sum(out.square().mean() for out in backbone(normal_input((2, 3, 32, 32))))
    assert isinstance(loss, torch.Tensor)
    loss.backward()
    optimizer.step()

    changed = {
        key for key, value in backbone.state_dict().items() if not torch.equal(value, before[key])
    }
    first, frozen = BORDER[name]
    assert any(key.startswith(first) for key in changed)
    assert {key for key in changed if key.startswith(frozen)} == set()
    trained = {key for key, p in backbone.named_parameters() if p.requires_grad}
    assert all(not key.startswith(frozen) for key in trained)


@pytest.mark.parametrize("name", [n for n in CONFIGS if n != "VisionTransformer"])
def test_norm_eval_keeps_running_statistics(name: str) -> None:
    backbone: StagedBackbone = MODELS.build({**CONFIGS[name], "norm_eval": True}).train()
    before = copy.deepcopy(backbone.state_dict())
    backbone(normal_input((2, 3, 32, 32)))
    torch.testing.assert_close(backbone.state_dict(), before, rtol=0, atol=0)
    assert backbone.training
    norms = [module for module in backbone.modules() if isinstance(module, _BatchNorm)]
    assert norms
    assert not any(norm.training for norm in norms)


@pytest.mark.parametrize("name", CONFIGS)
def test_samples_do_not_meet(name: str) -> None:
    backbone = draw_weights(MODELS.build(CONFIGS[name])).eval()
    images = normal_input((3, 3, 32, 32))
    together = backbone(images)
    alone = backbone(images[1:2])
    for one, all_ in zip(alone, together, strict=True):
        torch.testing.assert_close(one[0], all_[1], rtol=1e-4, atol=1e-4)


def test_residual_blocks_start_as_the_identity() -> None:
    for backbone in (ResNet(18), HRNet(TINY_HRNET, zero_init_residual=True)):
        backbone.init_weights()
        blocks = [m for m in backbone.modules() if isinstance(m, ResidualBlock)]
        assert blocks
        for block in blocks:
            assert not block.last_norm.weight.any()  # type: ignore[union-attr, operator]
    kept = ResNet(18, zero_init_residual=False)
    kept.init_weights()
    norms = [m for m in kept.modules() if isinstance(m, nn.BatchNorm2d)]
    assert all(norm.weight.eq(1).all() for norm in norms)


def test_strides_of_resnet() -> None:
    backbone = ResNet(18, stem_channels=4, base_channels=4, out_indices=(0, 1, 2, 3)).eval()
    shapes = [tuple(out.shape[1:]) for out in backbone(normal_input((1, 3, 64, 96)))]
    assert shapes == [(4, 16, 24), (8, 8, 12), (16, 4, 6), (32, 2, 3)]


def test_stages_of_cspnext_of_ones_own() -> None:
    stages = [[16, 32, 1, True, False], [32, 48, 2, False, True]]
    backbone = CSPNeXt(arch_ovewrite=stages, out_indices=[0, 1, 2]).eval()
    shapes = [tuple(out.shape[1:]) for out in backbone(normal_input((1, 3, 32, 32)))]
    assert shapes == [(16, 16, 16), (32, 8, 8), (48, 4, 4)]
    assert len(backbone.get_submodule("stage2.2.blocks")) == 2  # type: ignore[arg-type]


def vit(**arguments: Any) -> VisionTransformer:
    return draw_weights(VisionTransformer(TINY_VIT, 32, 8, **arguments)).eval()  # type: ignore


def test_outputs_of_the_vision_transformer() -> None:
    images = normal_input((2, 3, 32, 24))
    (tokens,) = vit(out_type="raw")(images)
    assert tokens.shape == (2, 13, 8)
    (token,) = vit(out_type="cls_token")(images)
    torch.testing.assert_close(token, tokens[:, 0])
    (maps,) = vit(out_type="featmap")(images)
    torch.testing.assert_close(maps.flatten(2).transpose(1, 2), tokens[:, 1:])
    averaging = vit(out_type="avg_featmap")
    (mean,) = averaging(images)
    torch.testing.assert_close(mean, averaging.ln2(tokens[:, 1:].mean(dim=1)))


def test_layers_of_the_vision_transformer() -> None:
    model = vit(out_indices=[0, 2], out_type="raw", drop_path_rate=0.4, layer_scale_init_value=0.1)
    outs = model(normal_input((1, 3, 32, 32)))
    assert len(outs) == 2
    # Only the last layer's output is normalised.
    assert outs[1].shape == outs[0].shape
    torch.testing.assert_close(model.ln1(model.layers[2](model.layers[1](outs[0]))), outs[1])
    rates = [layer.attn.out_drop.drop_prob for layer in model.layers]  # type: ignore[union-attr]
    assert rates == pytest.approx([0, 0.2, 0.4])
    assert "layers.0.attn.gamma1.weight" in model.state_dict()
    assert "layers.0.ffn.gamma2.weight" in model.state_dict()


def test_positions_start_narrow() -> None:
    model = VisionTransformer(TINY_VIT, 64, 4)
    model.init_weights()
    assert model.pos_embed.std().item() == pytest.approx(0.02, rel=0.1)


@pytest.mark.parametrize("causal", [False, True])
def test_tcn_with_strides_gives_the_frame_that_dilations_give(causal: bool) -> None:
    arguments: dict[str, Any] = {"in_channels": 6, "stem_channels": 8, "causal": causal}
    dilated = draw_weights(TCN(**arguments)).eval()
    strided = draw_weights(TCN(**arguments, use_stride_conv=True)).eval()
    x = normal_input((2, 6, 27))
    assert [out.shape[2] for out in dilated(x)] == [19, 1]
    assert [out.shape[2] for out in strided(x)] == [3, 1]
    torch.testing.assert_close(dilated(x)[-1], strided(x)[-1])


def test_causal_tcn_takes_the_residual_from_the_last_frame() -> None:
    model = draw_weights(TCN(4, 8, num_blocks=1, kernel_sizes=(1, 3), causal=True)).eval()
    symmetric = draw_weights(TCN(4, 8, num_blocks=1, kernel_sizes=(1, 3))).eval()
    x = normal_input((1, 4, 3))
    (causal,), (middle,) = model(x), symmetric(x)
    stem = model.expand_conv(x)
    torch.testing.assert_close(causal - middle, stem[..., 2:] - stem[..., 1:2])


def test_tcn_limits_norms_of_weights() -> None:
    model = draw_weights(TCN(4, 8, max_norm=0.5)).eval()
    model(normal_input((1, 4, 40)))
    norms = [p.norm().item() for key, p in model.named_parameters() if key.endswith("conv.weight")]
    assert norms == pytest.approx([0.5] * 5, rel=1e-4)
    model(normal_input((1, 4, 40)))
    again = [p.norm().item() for key, p in model.named_parameters() if key.endswith("conv.weight")]
    assert again == norms


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: ResNet(51), "depth is one of"),
        (lambda: ResNet(18, out_indices=[4]), r"out_indices are within 0 \.\.\. 3, got \[4\]"),
        (lambda: ResNet(18, strides=(1, 2)), "one entry for each of num_stages"),
        (lambda: HRNet({}), "extra needs 'stage1'\n.*extra needs 'stage2'"),
        (lambda: HRNet({**TINY_HRNET, "stag5": 1}), "no 'stag5'. Did you mean"),
        (
            lambda: HRNet({**TINY_HRNET, "stage2": {**TINY_HRNET["stage2"], "num_blocks": [1]}}),
            r"stage2.num_blocks: one for each of the 2 branches, got \[1\]",
        ),
        (
            lambda: HRNet({**TINY_HRNET, "stage2": {**TINY_HRNET["stage2"], "block": "BASC"}}),
            "unknown block 'BASC'. Did you mean 'BASIC'",
        ),
        (lambda: HRNet({**TINY_HRNET, "stage2": {"block": "BASIC"}}), "stage2 needs num_modules"),
        (lambda: CSPNeXt("P4"), "arch is one of P5, P6"),
        (lambda: CSPNeXt(out_indices=[5]), r"within 0 \.\.\. 4"),
        (lambda: CSPNeXt(frozen_stages=5), r"frozen_stages is within -1 \.\.\. 4"),
        (lambda: MobileNetV2(out_indices=[8]), r"within 0 \.\.\. 7"),
        (lambda: MobileNetV2(frozen_stages=8), r"frozen_stages is within -1 \.\.\. 7"),
        (lambda: VisionTransformer("bas"), "unknown arch 'bas'. Did you mean 'base'"),
        (lambda: VisionTransformer({"embed_dims": 8}), "arch needs num_layers, num_heads"),
        (lambda: VisionTransformer(TINY_VIT, out_type="map"), "got 'map'"),  # type: ignore
        (lambda: VisionTransformer(TINY_VIT, with_cls_token=False), "needs with_cls_token"),
        (lambda: VisionTransformer(TINY_VIT, out_indices=[3]), r"within 0 \.\.\. 2"),
        (lambda: TCN(34, kernel_sizes=(3, 3)), r"one more than num_blocks, got \[3, 3\] for 2"),
        (lambda: TCN(34, kernel_sizes=(3, 2, 3)), "are odd"),
    ],
)
def test_mistakes_are_named(build: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        build()
