"""ResNet's relatives beyond the reference numbers: what tells them apart, freezing, refusals."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from raypose.errors import ConfigError
from raypose.models.backbones import (
    RegNet,
    ResNeSt,
    ResNet,
    ResNetV1d,
    ResNeXt,
    SCNet,
    SEResNet,
    SEResNeXt,
    StagedBackbone,
    ViPNAS_ResNet,
)
from raypose.models.backbones.resnest import SplitAttentionConv2d
from raypose.models.backbones.scnet import SCConv
from raypose.registry import MODELS, argument_problems
from tests.models.drawn_weights import draw_weights, normal_input

_SMALL = {"depth": 50, "stem_channels": 8, "base_channels": 8, "num_stages": 3}
_SMALL |= {"dilations": [1, 1, 1], "strides": [1, 1, 2], "out_indices": [0, 1, 2]}
_SEARCHED: dict[str, Any] = {
    "wid": [8, 8, 16, 16],
    "expan": [None, 1, 1, 2],
    "dep": [None, 1, 2, 2],
    "ks": [5, 3, 5, 3],
    "group": [None, 2, 4, 4],
    "att": [None, False, True, True],
}
_THREE_STAGES = {"w0": 8, "wa": 8, "wm": 2, "group_w": 4, "depth": 5, "bot_mul": 1.0}
CONFIGS: dict[str, dict[str, Any]] = {
    "ResNetV1d": {**_SMALL, "type": "ResNetV1d"},
    "ResNeXt": {**_SMALL, "type": "ResNeXt", "groups": 2},
    "ResNeSt": {**_SMALL, "type": "ResNeSt", "groups": 2, "strides": [1, 2, 2]},
    "SEResNet": {**_SMALL, "type": "SEResNet", "se_ratio": 4},
    "SEResNeXt": {**_SMALL, "type": "SEResNeXt", "se_ratio": 4, "groups": 2},
    "SCNet": {**_SMALL, "type": "SCNet"},
    "RegNet": {
        "type": "RegNet",
        "arch": _THREE_STAGES,
        "strides": [2, 2, 2],
        "dilations": [1, 1, 1],
        "out_indices": [0, 1, 2],
    },
    "ViPNAS_ResNet": {
        "type": "ViPNAS_ResNet",
        "depth": 50,
        "num_stages": 3,
        "strides": [1, 2, 2],
        "dilations": [1, 1, 1],
        "out_indices": [0, 1, 2],
        **_SEARCHED,
    },
}


def build(name: str, **arguments: Any) -> StagedBackbone:
    return draw_weights(MODELS.build({**CONFIGS[name], **arguments}))


@pytest.mark.parametrize("name", CONFIGS)
def test_frozen_stages_do_not_learn(name: str) -> None:
    backbone = build(name, frozen_stages=2).train()
    before = copy.deepcopy(backbone.state_dict())
    optimizer = torch.optim.SGD(backbone.parameters(), lr=0.1)
    maps = backbone(normal_input((2, 3, 32, 32)))
    torch.stack([m.square().mean() for m in maps]).sum().backward()
    optimizer.step()

    after = backbone.state_dict()
    changed = {key.split(".")[0] for key in after if not torch.equal(after[key], before[key])}
    assert changed == {"layer3"}
    trained = {key.split(".")[0] for key, p in backbone.named_parameters() if p.requires_grad}
    assert trained == {"layer3"}


@pytest.mark.parametrize("name", CONFIGS)
def test_norm_eval_keeps_running_statistics(name: str) -> None:
    backbone = build(name, norm_eval=True).train()
    before = copy.deepcopy(backbone.state_dict())
    backbone(normal_input((2, 3, 32, 32)))
    torch.testing.assert_close(backbone.state_dict(), before, rtol=0, atol=0)
    assert not any(m.training for m in backbone.modules() if isinstance(m, _BatchNorm))


@pytest.mark.parametrize("name", CONFIGS)
def test_samples_do_not_meet(name: str) -> None:
    backbone = build(name).eval()
    images = normal_input((3, 3, 32, 32))
    for one, all_ in zip(backbone(images[1:2]), backbone(images), strict=True):
        torch.testing.assert_close(one[0], all_[1], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", CONFIGS)
def test_recomputed_blocks_give_the_same_gradients(name: str) -> None:
    def gradients(with_cp: bool) -> list[Tensor | None]:
        backbone = build(name, with_cp=with_cp).eval()
        backbone(normal_input((1, 3, 32, 32)))[-1].square().mean().backward()
        return [p.grad for p in backbone.parameters()]

    kept, recomputed = gradients(False), gradients(True)
    assert all(grad is not None for grad in kept)
    torch.testing.assert_close(recomputed, kept)


def test_v1d_is_a_resnet_with_other_options() -> None:
    named = draw_weights(ResNetV1d(18, base_channels=8)).eval()
    plain = draw_weights(ResNet(18, base_channels=8, deep_stem=True, avg_down=True)).eval()
    images = normal_input((1, 3, 64, 64))
    torch.testing.assert_close(named(images), plain(images))


def test_one_group_of_resnext_is_resnet() -> None:
    same = draw_weights(ResNeXt(50, groups=1, base_channels=8)).eval()
    plain = draw_weights(ResNet(50, base_channels=8)).eval()
    images = normal_input((1, 3, 32, 32))
    torch.testing.assert_close(same(images), plain(images))


@pytest.mark.parametrize("kind", [ResNeXt, SEResNeXt])
def test_widths_of_groups(kind: type[ResNet]) -> None:
    backbone = kind(50, groups=4, width_per_group=3, base_channels=8)  # type: ignore[call-arg]
    for i in range(4):
        conv = backbone.get_submodule(f"layer{i + 1}.1.conv2")
        assert isinstance(conv, nn.Conv2d)
        assert (conv.in_channels, conv.out_channels, conv.groups) == (12 * 2**i, 12 * 2**i, 4)


@pytest.mark.parametrize("kind", [SEResNet, SEResNeXt])
def test_ratio_of_gates(kind: type[SEResNet]) -> None:
    state = kind(50, se_ratio=8).state_dict()
    assert state["layer1.0.se_layer.conv1.conv.weight"].shape == (32, 256, 1, 1)
    assert state["layer4.2.se_layer.conv2.conv.weight"].shape == (2048, 256, 1, 1)


@pytest.mark.parametrize("groups", [1, 2])
def test_weights_of_equal_splits_add_up_to_one(groups: int) -> None:
    channels, radix = 8, 2
    module = draw_weights(SplitAttentionConv2d(channels, groups=groups, radix=radix)).eval()
    conv = module.conv
    assert isinstance(conv, nn.Conv2d)
    with torch.no_grad():
        for entry in (conv.weight, *module.get_submodule("bn0").state_dict().values()):
            if entry.dim():
                entry[channels:] = entry[:channels]
    half = normal_input((2, channels // 2, 6, 5))
    x = torch.cat([half, half], dim=1)  # each split sees one half
    expected = module.get_submodule("bn0")(conv(x)).relu()[:, :channels]
    torch.testing.assert_close(module(x), expected)


def test_a_single_split_has_a_gate() -> None:
    module = draw_weights(SplitAttentionConv2d(4, radix=1)).eval()
    x = normal_input((2, 4, 6, 5))
    maps = module.get_submodule("bn0")(module.conv(x)).relu()
    inside = module.get_submodule("bn1")(module.fc1(maps.mean((2, 3), keepdim=True))).relu()
    torch.testing.assert_close(module(x), maps * module.fc2(inside).sigmoid())


def test_resnest_shrinks_by_a_mean_or_by_a_stride() -> None:
    images = normal_input((1, 3, 64, 64))
    pooled = draw_weights(ResNeSt(50, base_channels=8)).eval()
    strided = draw_weights(ResNeSt(50, base_channels=8, avg_down_stride=False)).eval()
    assert pooled.state_dict().keys() == strided.state_dict().keys()
    (one,), (other,) = pooled(images), strided(images)
    assert one.shape == other.shape == (1, 256, 2, 2)
    assert not torch.allclose(one, other)


def test_the_gate_of_scnet_looks_at_a_coarse_map() -> None:
    module = draw_weights(SCConv(4)).eval()
    x = normal_input((1, 4, 8, 12))
    coarse = module.k2(x)
    assert coarse.shape == (1, 4, 2, 3)
    gate = (x + coarse.repeat_interleave(4, dim=2).repeat_interleave(4, dim=3)).sigmoid()
    torch.testing.assert_close(module(x), module.k4(module.k3(x) * gate))


@pytest.mark.parametrize(
    ("arch", "widths", "blocks"),
    [  # as the paper's model zoo lists them
        ("regnetx_400mf", [32, 64, 160, 384], [1, 2, 7, 12]),
        ("regnetx_800mf", [64, 128, 288, 672], [1, 3, 7, 5]),
        ("regnetx_1.6gf", [72, 168, 408, 912], [2, 4, 10, 2]),
        ("regnetx_3.2gf", [96, 192, 432, 1008], [2, 6, 15, 2]),
        ("regnetx_4.0gf", [80, 240, 560, 1360], [2, 5, 14, 2]),
        ("regnetx_6.4gf", [168, 392, 784, 1624], [2, 4, 10, 1]),
        ("regnetx_8.0gf", [80, 240, 720, 1920], [2, 5, 15, 1]),
        ("regnetx_12gf", [224, 448, 896, 2240], [2, 5, 11, 1]),
    ],
)
def test_widths_of_regnet(arch: str, widths: list[int], blocks: list[int]) -> None:
    with torch.device("meta"):
        backbone = RegNet(arch)
    stages = [backbone.get_submodule(name) for name in backbone.layer_names]
    assert [len(list(stage.children())) for stage in stages] == blocks
    assert [stage.get_submodule("0").out_channels for stage in stages] == widths


def test_bottlenecks_of_regnet() -> None:
    arch = {**_THREE_STAGES, "bot_mul": 0.5}
    backbone = RegNet(arch, strides=(2, 2, 2), dilations=(1, 1, 1), out_indices=(0, 1, 2)).eval()
    maps = backbone(normal_input((1, 3, 32, 48)))
    assert [tuple(m.shape[1:]) for m in maps] == [(8, 8, 12), (16, 4, 6), (32, 2, 3)]
    convs = [backbone.get_submodule(f"{name}.0.conv2") for name in backbone.layer_names]
    assert [(c.out_channels, c.groups) for c in convs] == [(4, 1), (8, 2), (16, 4)]


def test_regnet_with_a_deep_stem() -> None:
    backbone = RegNet("regnetx_400mf", deep_stem=True).eval()
    assert "stem.2.conv.weight" in backbone.state_dict()
    assert backbone(normal_input((1, 3, 64, 64)))[0].shape == (1, 384, 2, 2)


def test_searched_shapes() -> None:
    backbone = build("ViPNAS_ResNet").eval()
    maps = backbone(normal_input((1, 3, 32, 48)))
    assert [tuple(m.shape[1:]) for m in maps] == [(8, 8, 12), (16, 4, 6), (32, 2, 3)]
    conv = backbone.get_submodule("layer2.1.conv2")
    assert isinstance(conv, nn.Conv2d)
    assert (conv.kernel_size, conv.groups) == ((5, 5), 4)
    assert not any(".attention." in key for key in backbone.layer1.state_dict())  # type: ignore
    assert "layer2.0.attention.conv_mask.weight" in backbone.state_dict()


def test_blocks_start_as_the_identity_where_asked() -> None:
    for backbone, zero in (
        (SEResNet(50), True),
        (ResNeSt(50), True),
        (SCNet(50, zero_init_residual=False), False),
        (ViPNAS_ResNet(50), False),
        (ViPNAS_ResNet(50, zero_init_residual=True), True),
    ):
        backbone.init_weights()
        state = backbone.state_dict()
        assert state["layer2.1.bn3.weight"].any() != zero
        assert state["layer2.1.conv1.weight"].any()


def test_arguments_of_resnet_are_known_to_its_relatives() -> None:
    assert argument_problems(ResNeXt, {"depth": 50, "norm_eval": True, "deep_stem": True}) == []
    assert argument_problems(ResNeXt, {"depth": 50, "norm_evl": True}) == [
        ("norm_evl", "ResNeXt takes no argument 'norm_evl'. Did you mean 'norm_eval'?")
    ]
    assert argument_problems(ResNeSt, {"depth": 50, "deep_stem": False}) == [
        ("deep_stem", "ResNeSt takes no argument 'deep_stem'.")
    ]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ResNeXt(18), r"ResNeXt: depth is one of \[50, 101, 152\], got 18"),
        (lambda: SCNet(152), r"SCNet: depth is one of \[50, 101\]"),
        (lambda: ResNeSt(34), r"ResNeSt: depth is one of \[50, 101, 152, 200, 269\]"),
        (lambda: SEResNet(50, out_indices=[4]), r"SEResNet: out_indices are within 0 \.\.\. 3"),
        (lambda: ResNeSt(50, style="cafe"), "got 'cafe'"),  # type: ignore[arg-type]
        (lambda: SCNet(50, style="caffe"), "dilation 1 and style 'pytorch' only"),
        (lambda: SCNet(50, dilations=(1, 1, 1, 2)), "got dilation 2"),
        (lambda: RegNet("regnetx_400"), "unknown arch 'regnetx_400'. Did you mean 'regnetx_400mf'"),
        (lambda: RegNet({"w0": 8, "wa": 8, "wm": 2, "group_w": 4}), "arch: Arch needs 'depth'"),
        (lambda: RegNet({**_THREE_STAGES, "w0": 9}), "w0 a multiple of 8"),
        (lambda: RegNet(_THREE_STAGES), "one entry for each of num_stages"),
        (lambda: ViPNAS_ResNet(18), "depth is 50, got 18"),
        (lambda: ViPNAS_ResNet(50, ks=(7, 3)), "ks has a value for the stem and for each of 4"),
    ],
)
def test_mistakes_are_named(make: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        make()
