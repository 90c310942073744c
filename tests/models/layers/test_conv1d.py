from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from raypose.models.layers import ConvModule, build_conv_layer
from raypose.models.layers.conv1d import Conv1d

CASES: list[dict[str, Any]] = [
    {"kernel_size": 1},
    {"kernel_size": 3, "stride": 3},
    {"kernel_size": 3, "dilation": 3},
    {"kernel_size": 5, "stride": 2, "dilation": 2, "bias": False},
    {"kernel_size": 1, "stride": 3},
    {"kernel_size": 3, "padding": 1},
    {"kernel_size": 3, "padding": "same", "dilation": 2},
    {"kernel_size": 3, "groups": 2},
]


@pytest.mark.parametrize("case", CASES, ids=str)
@pytest.mark.parametrize("frames", [9, 11])
def test_it_is_torchs_convolution(case: dict[str, Any], frames: int) -> None:
    torch.manual_seed(0)
    ours, torchs = Conv1d(6, 4, **case), nn.Conv1d(6, 4, **case)
    torchs.load_state_dict(ours.state_dict())
    x = torch.randn(3, 6, frames, requires_grad=True)
    y = x.detach().clone().requires_grad_()
    out, expected = ours(x), torchs(y)
    torch.testing.assert_close(out, expected)
    weights = torch.randn_like(out)
    (out * weights).sum().backward()
    (expected * weights).sum().backward()
    torch.testing.assert_close(x.grad, y.grad)
    for name, parameter in ours.named_parameters():
        torch.testing.assert_close(parameter.grad, torchs.get_parameter(name).grad)


def test_of_one_sequence_without_a_batch() -> None:
    layer = Conv1d(2, 3, 1)
    x = torch.randn(2, 5)
    torch.testing.assert_close(layer(x), layer(x[None])[0])


def test_configs_build_it() -> None:
    assert type(build_conv_layer({"type": "Conv1d"}, 2, 3, 1)) is Conv1d
    module = ConvModule(2, 3, 1, conv_cfg={"type": "Conv1d"}, norm_cfg=None)
    assert list(module.state_dict()) == ["conv.weight", "conv.bias"]


def test_exported_graphs_keep_the_convolution() -> None:
    exported = torch.export.export(Conv1d(2, 3, 3, stride=3), (torch.randn(1, 2, 9),))
    assert any("conv1d" in str(node.target) for node in exported.graph.nodes)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_onnx_files_of_traces_keep_the_convolution(tmp_path: Path) -> None:
    layer, path = Conv1d(2, 3, 3, stride=3), tmp_path / "layer.onnx"
    torch.onnx.export(layer, (torch.randn(1, 2, 9),), path, dynamo=False)
    assert b"Conv" in path.read_bytes()
    assert b"MatMul" not in path.read_bytes()
