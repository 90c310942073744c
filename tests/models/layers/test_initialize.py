"""Starting values of weights: what each `init_cfg` does, to which layers, in which order."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import nn

from raypose.errors import ConfigError
from raypose.models.base_module import BaseModule
from raypose.models.layers import ConvModule, initialize

N = 64


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(N, N, 3)
        self.norm = nn.BatchNorm2d(N)
        self.block = ConvModule(N, N, 3, norm_cfg={"type": "GN", "num_groups": 2})
        self.fc = nn.Linear(N, N)


def std(layer: Any) -> float:
    return layer.weight.std().item()


@pytest.mark.parametrize(
    ("cfg", "expected"),
    [
        ({"type": "Normal", "std": 0.02}, 0.02),
        ({"type": "TruncNormal", "std": 0.02}, 0.02),
        ({"type": "Uniform", "a": -0.3, "b": 0.3}, 0.6 / math.sqrt(12)),
        ({"type": "Kaiming"}, math.sqrt(2 / (9 * N))),
        (
            {"type": "Kaiming", "a": math.sqrt(5), "mode": "fan_in", "distribution": "uniform"}
            | {"nonlinearity": "leaky_relu"},
            math.sqrt(1 / (3 * 9 * N)),
        ),
        ({"type": "Xavier"}, math.sqrt(1 / (9 * N))),
        ({"type": "Xavier", "gain": 2, "distribution": "uniform"}, 2 * math.sqrt(1 / (9 * N))),
        ({"type": "Caffe2Xavier"}, math.sqrt(1 / (9 * N))),
    ],
    ids=lambda value: value.get("type") if isinstance(value, dict) else "",
)
def test_spread_of_weights(cfg: dict[str, Any], expected: float) -> None:
    torch.manual_seed(0)
    net: Any = Net()
    before = net.fc.weight.clone()
    initialize(net, {**cfg, "layer": "Conv2d", "bias": 0.5})
    for conv in (net.conv, net.block.conv):
        assert std(conv) == pytest.approx(expected, rel=0.02)
        assert conv.weight.mean().abs() < 0.02 * expected
    assert torch.equal(net.conv.bias, torch.full((N,), 0.5))
    assert torch.equal(net.fc.weight, before)


def test_constant_by_base_class_and_probability() -> None:
    net: Any = Net()
    cfg = {"type": "Constant", "val": 3, "layer": ["_BatchNorm", "GroupNorm"], "bias_prob": 0.01}
    initialize(net, cfg)
    norms = (net.norm, net.block.norm)
    for norm in norms:
        assert torch.equal(norm.weight, torch.full((N,), 3.0))
        torch.testing.assert_close(norm.bias.sigmoid(), torch.full((N,), 0.01))


def test_later_entries_win() -> None:
    net = Net()
    first = {"type": "Constant", "val": 1, "layer": ["Conv2d", "Linear"]}
    initialize(net, [first, {"type": "Constant", "val": 2, "layer": "Linear"}])
    assert net.conv.weight.eq(1).all()
    assert net.fc.weight.eq(2).all()


def test_override_for_one_child() -> None:
    net: Any = Net()
    cfg = {
        "type": "Constant",
        "val": 1,
        "layer": "Conv2d",
        "override": [{"name": "fc"}, {"type": "Constant", "name": "block", "val": 5, "bias": 6}],
    }
    initialize(net, cfg)
    assert net.conv.weight.eq(1).all()
    assert net.fc.weight.eq(1).all()
    assert net.block.conv.weight.eq(5).all()
    assert net.block.norm.bias.eq(6).all()


@pytest.mark.parametrize(
    ("cfg", "message"),
    [
        ({"type": "Norma", "layer": "Conv2d"}, "unknown type 'Norma'.*Did you mean 'Normal'"),
        ({"type": "Normal", "layer": "Conv2d", "sd": 1}, "takes no argument 'sd'"),
        ({"type": "Constant", "layer": "Conv2d"}, "needs 'val'"),
        ({"type": "Normal", "std": 1}, "needs 'layer'"),
        (
            {"type": "Normal", "override": {"name": "cov"}},
            "'name', a child of Net, got 'cov'. Did you mean 'conv'",
        ),
        ({"type": "Pretrained", "chekpoint": "a.pth"}, "no argument 'chekpoint'"),
    ],
    ids=["type", "argument", "missing", "layer", "override", "pretrained"],
)
def test_mistakes_are_named(cfg: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        initialize(Net(), cfg)


def test_children_start_before_their_parent() -> None:
    class Child(BaseModule):
        def __init__(self, val: float) -> None:
            super().__init__({"type": "Constant", "val": val, "layer": ["Conv2d", "Linear"]})
            self.conv, self.fc = nn.Conv2d(2, 2, 1), nn.Linear(2, 2)

    class Parent(BaseModule):
        def __init__(self) -> None:
            super().__init__({"type": "Constant", "val": 9, "layer": "Linear"})
            self.children_ = nn.Sequential(Child(1), nn.ModuleList([Child(2)]))

    parent = Parent()
    parent.init_weights()
    both: Any = parent.children_
    first, second = both[0], both[1][0]
    assert first.conv.weight.eq(1).all()
    assert second.conv.weight.eq(2).all()
    assert first.fc.weight.eq(9).all()
    assert second.fc.weight.eq(9).all()
