"""Small convolutional networks beyond the reference numbers: freezing, options, refusals."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from raypose.errors import ConfigError
from raypose.models.backbones import (
    VGG,
    AlexNet,
    MobileNetV3,
    ShuffleNetV1,
    ShuffleNetV2,
    StagedBackbone,
    ViPNAS_MobileNetV3,
)
from raypose.registry import MODELS
from tests.models.drawn_weights import draw_weights, normal_input

_SEARCHED: dict[str, Any] = {
    "wid": [8, 8, 16],
    "expan": [None, 1, 3],
    "dep": [None, 2, 2],
    "ks": [3, 3, 5],
    "group": [None, 2, 12],
    "att": [None, False, True],
    "stride": [2, 1, 2],
    "act": ["HSwish", "ReLU", "HSwish"],
}
CONFIGS: dict[str, dict[str, Any]] = {
    "MobileNetV3": {"type": "MobileNetV3"},
    "ShuffleNetV1": {"type": "ShuffleNetV1", "widen_factor": 0.5},
    "ShuffleNetV2": {"type": "ShuffleNetV2", "widen_factor": 0.5},
    "VGG": {"type": "VGG", "depth": 11, "norm_cfg": {"type": "BN"}},
    "ViPNAS_MobileNetV3": {"type": "ViPNAS_MobileNetV3", **_SEARCHED},
}
# What two frozen stages are, by the first parts of their names.
FROZEN = {
    "MobileNetV3": {"conv1", "layer1", "layer2"},
    "ShuffleNetV1": {"conv1", "layers.0", "layers.1"},
    "ShuffleNetV2": {"conv1", "layers.0", "layers.1"},
    "VGG": {"features.0", "features.2"},
    "ViPNAS_MobileNetV3": {"conv1", "layer1", "layer2"},
}


def build(name: str, **arguments: Any) -> StagedBackbone:
    return draw_weights(MODELS.build({**CONFIGS[name], **arguments}))


def part(key: str) -> str:
    """Return the stage that a weight is in."""
    names = key.split(".")
    return ".".join(names[: 2 if names[0] in ("layers", "features") else 1])


@pytest.mark.parametrize("name", CONFIGS)
def test_frozen_stages_do_not_learn(name: str) -> None:
    backbone = build(name, frozen_stages=2).train()
    before = copy.deepcopy(backbone.state_dict())
    optimizer = torch.optim.SGD(backbone.parameters(), lr=0.1)
    backbone(normal_input((2, 3, 64, 64)))[-1].square().mean().backward()
    optimizer.step()

    after = backbone.state_dict()
    kept = {part(key) for key in after} - {
        part(key) for key in after if not torch.equal(after[key], before[key])
    }
    assert kept == FROZEN[name]
    assert {part(key) for key, p in backbone.named_parameters() if not p.requires_grad} == kept


@pytest.mark.parametrize("name", CONFIGS)
def test_norm_eval_keeps_running_statistics(name: str) -> None:
    backbone = build(name, norm_eval=True).train()
    before = copy.deepcopy(backbone.state_dict())
    backbone(normal_input((2, 3, 32, 32)))
    torch.testing.assert_close(backbone.state_dict(), before, rtol=0, atol=0)
    norms = [m for m in backbone.modules() if isinstance(m, _BatchNorm)]
    assert norms
    assert not any(norm.training for norm in norms)


@pytest.mark.parametrize("name", CONFIGS)
def test_samples_do_not_meet(name: str) -> None:
    backbone = build(name).eval()
    images = normal_input((3, 3, 32, 32))
    for one, all_ in zip(backbone(images[1:2]), backbone(images), strict=True):
        torch.testing.assert_close(one[0], all_[1], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", [name for name in CONFIGS if name != "VGG"])
def test_recomputed_blocks_give_the_same_gradients(name: str) -> None:
    def gradients(with_cp: bool) -> list[Tensor | None]:
        backbone = build(name, with_cp=with_cp).eval()
        backbone(normal_input((1, 3, 64, 64)))[-1].square().mean().backward()
        return [p.grad for p in backbone.parameters()]

    kept, recomputed = gradients(False), gradients(True)
    assert all(grad is not None for grad in kept)
    torch.testing.assert_close(recomputed, kept)


def test_blocks_of_mobilenet_count_from_either_end() -> None:
    backbone = draw_weights(MobileNetV3("big", out_indices=(2, -1))).eval()
    maps = backbone(normal_input((1, 3, 64, 64)))
    assert [tuple(m.shape[1:]) for m in maps] == [(24, 16, 16), (160, 2, 2)]
    (last,) = draw_weights(MobileNetV3("big", out_indices=(14,))).eval()(
        normal_input((1, 3, 64, 64))
    )
    torch.testing.assert_close(maps[1], last)


@pytest.mark.parametrize("groups", [1, 2, 3, 4, 8])
def test_stages_of_shufflenet_v1(groups: int) -> None:
    backbone = draw_weights(ShuffleNetV1(groups, out_indices=(0, 1, 2))).eval()
    maps = backbone(normal_input((1, 3, 64, 32)))
    width = {1: 144, 2: 200, 3: 240, 4: 272, 8: 384}[groups]
    assert [tuple(m.shape[1:]) for m in maps] == [
        (width, 8, 4),
        (width * 2, 4, 2),
        (width * 4, 2, 1),
    ]


@pytest.mark.parametrize(("factor", "widths"), [(1.5, (176, 352, 704)), (2.0, (244, 488, 976))])
def test_outputs_of_shufflenet_v2(factor: float, widths: tuple[int, ...]) -> None:
    with torch.device("meta"):
        backbone = ShuffleNetV2(factor, out_indices=(0, 1, 2, 3))
        maps = backbone(torch.empty(2, 3, 64, 64))
    last = 1024 if factor == 1.5 else 2048
    expected = [(w, 8 // 2**i, 8 // 2**i) for i, w in enumerate(widths)] + [(last, 2, 2)]
    assert [tuple(m.shape[1:]) for m in maps] == expected


@pytest.mark.parametrize("kind", [ShuffleNetV1, ShuffleNetV2])
def test_convolutions_of_shufflenets_start_by_their_width(kind: type[ShuffleNetV1]) -> None:
    backbone = kind()
    backbone.init_weights()
    for name, module in backbone.named_modules():
        if isinstance(module, nn.Conv2d) and module.weight.numel() > 5000:
            width = module.weight.shape[1]
            assert module.weight.std().item() == pytest.approx(1 / width, rel=0.05), name
        if isinstance(module, nn.BatchNorm2d):
            assert module.bias.eq(0.0001).all()
    stem = backbone.get_submodule("conv1.conv")
    assert stem.weight.std().item() == pytest.approx(0.01, rel=0.1)  # type: ignore[union-attr]


def test_stages_of_vgg() -> None:
    backbone = draw_weights(VGG(11, out_indices=(0, 2, 4), with_last_pool=False)).eval()
    maps = backbone(normal_input((1, 3, 32, 64)))
    assert [tuple(m.shape[1:]) for m in maps] == [(64, 16, 32), (256, 4, 8), (512, 2, 4)]
    dilated = VGG(11, num_stages=3, dilations=(1, 2, 4))
    conv = dilated.get_submodule("features.4.conv")
    assert isinstance(conv, nn.Conv2d)
    assert (conv.dilation, conv.padding) == ((4, 4), (4, 4))
    assert dilated(normal_input((1, 3, 32, 32)))[0].shape == (1, 256, 4, 4)


def test_classifiers() -> None:
    with torch.device("meta"):
        images = torch.empty(2, 3, 224, 224)
        (scores,) = AlexNet(num_classes=10)(images)
        assert scores.shape == (2, 10)
        (scores,) = VGG(11, num_classes=10)(images)
        assert scores.shape == (2, 10)
        maps, scores = VGG(11, num_classes=10, out_indices=(3, 5))(images)
        assert maps.shape == (2, 512, 14, 14)
        assert scores.shape == (2, 10)


def test_searched_blocks_of_mobilenet() -> None:
    backbone = build("ViPNAS_MobileNetV3").eval()
    (maps,) = backbone(normal_input((1, 3, 32, 48)))
    assert maps.shape == (1, 16, 8, 12)
    state = backbone.state_dict()
    assert not any("expand_conv" in key or ".se." in key for key in state if "layer1." in key)
    assert state["layer3.depthwise_conv.conv.weight"].shape == (48, 4, 5, 5)
    assert state["layer4.se.conv1.conv.weight"].shape == (12, 48, 1, 1)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: MobileNetV3("large"), "arch is 'small' or 'big', got 'large'"),
        (lambda: MobileNetV3(out_indices=(11,)), r"within 0 \.\.\. 10, got \[11\]"),
        (lambda: MobileNetV3(out_indices=(-12,)), r"within 0 \.\.\. 10, got \[-12\]"),
        (lambda: MobileNetV3(frozen_stages=11), r"frozen_stages is within -1 \.\.\. 10"),
        (lambda: ShuffleNetV1(5), r"groups is one of \[1, 2, 3, 4, 8\], got 5"),
        (
            lambda: ShuffleNetV1(out_indices=(3,)),
            r"ShuffleNetV1: out_indices are within 0 \.\.\. 2",
        ),
        (lambda: ShuffleNetV2(0.75), "widen_factor is one of"),
        (
            lambda: ShuffleNetV2(frozen_stages=4),
            r"ShuffleNetV2: frozen_stages is within -1 \.\.\. 3",
        ),
        (lambda: VGG(12), "depth is one of"),
        (lambda: VGG(11, num_stages=4), "dilations has one entry for each of num_stages"),
        (lambda: VGG(11, out_indices=(5,)), r"within 0 \.\.\. 4"),
        (
            lambda: VGG(11, num_classes=3, num_stages=4, dilations=(1, 1, 1, 1)),
            "a classifier needs num_stages 5",
        ),
        (lambda: ViPNAS_MobileNetV3(act=("ReLU",)), "act has a value for the stem and for each"),
        (lambda: ViPNAS_MobileNetV3(frozen_stages=22), r"frozen_stages is within -1 \.\.\. 21"),
    ],
)
def test_mistakes_are_named(make: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        make()
