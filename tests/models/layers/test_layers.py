"""Blocks: keys, order of their parts, what training changes."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from raypose.errors import ConfigError
from raypose.models.layers import (
    BasicBlock,
    Bottleneck,
    ConvModule,
    DepthwiseSeparableConvModule,
    DropPath,
    MultiheadAttention,
    PatchEmbed,
    build_activation_layer,
    build_conv_layer,
    build_norm_layer,
    make_divisible,
    resize_position_embedding,
)
from tests.models.drawn_weights import draw_weights, normal_input


def test_conv_module_is_conv_then_norm_then_activation() -> None:
    module = draw_weights(ConvModule(3, 4, 3, padding=1, norm_cfg={"type": "BN", "eps": 0.1}))
    module.eval()
    state = module.state_dict()
    assert set(state) == {
        "conv.weight",
        *(f"bn.{n}" for n in ("weight", "bias", "running_mean", "running_var")),
        "bn.num_batches_tracked",
    }
    x = normal_input((2, 3, 6, 5))
    conv = F.conv2d(x, state["conv.weight"], padding=1)
    scale = state["bn.weight"] / (state["bn.running_var"] + 0.1).sqrt()
    shift = state["bn.bias"] - state["bn.running_mean"] * scale
    expected = (conv * scale[:, None, None] + shift[:, None, None]).clamp(min=0)
    torch.testing.assert_close(module(x), expected)


def test_conv_module_without_norm_has_a_bias() -> None:
    assert set(ConvModule(3, 4, 1).state_dict()) == {"conv.weight", "conv.bias"}
    assert set(ConvModule(3, 4, 1, bias=False, act_cfg=None).state_dict()) == {"conv.weight"}
    grouped = ConvModule(4, 4, 1, bias=True, norm_cfg={"type": "GN", "num_groups": 2})
    assert set(grouped.state_dict()) == {"conv.weight", "conv.bias", "gn.weight", "gn.bias"}
    assert grouped.norm is grouped.get_submodule("gn")


def test_depthwise_separable_is_two_conv_modules() -> None:
    module = draw_weights(DepthwiseSeparableConvModule(3, 5, 3, padding=1, act_cfg=None))
    x = normal_input((1, 3, 4, 4))
    depthwise, pointwise = module.depthwise_conv.conv, module.pointwise_conv.conv
    expected = F.conv2d(x, depthwise.weight, depthwise.bias, padding=1, groups=3)  # type: ignore
    expected = F.conv2d(expected, pointwise.weight, pointwise.bias)  # type: ignore[arg-type]
    torch.testing.assert_close(module(x), expected)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("ReLU", lambda x: x.clamp(min=0)),
        ("ReLU6", lambda x: x.clamp(0, 6)),
        ("SiLU", lambda x: x * x.sigmoid()),
        ("Swish", lambda x: x * x.sigmoid()),
        ("HSwish", lambda x: x * (x + 3).clamp(0, 6) / 6),
        ("HSigmoid", lambda x: (x + 3).clamp(0, 6) / 6),
        ("GELU", lambda x: x * (1 + torch.erf(x / 2**0.5)) / 2),
    ],
)
def test_activations(name: str, expected: object) -> None:
    x = torch.linspace(-8, 8, 65)
    assert callable(expected)
    torch.testing.assert_close(build_activation_layer({"type": name})(x.clone()), expected(x))


def test_unknown_layers_are_named() -> None:
    with pytest.raises(ConfigError, match=r"unknown activation 'RELU' .*Did you mean 'ReLU'"):
        build_activation_layer({"type": "RELU"})
    with pytest.raises(ConfigError, match=r"unknown norm 'SynBN' .*Did you mean 'SyncBN'"):
        build_norm_layer({"type": "SynBN"}, 4)
    with pytest.raises(ConfigError, match=r"unknown conv 'Conv2' .*Did you mean 'Conv2d'"):
        build_conv_layer({"type": "Conv2"}, 3, 4, 1)


def test_norms_can_be_left_out_of_training() -> None:
    norm = build_norm_layer({"type": "BN", "requires_grad": False, "momentum": 0.3}, 4)
    assert isinstance(norm, nn.BatchNorm2d)
    assert norm.momentum == 0.3
    assert not any(p.requires_grad for p in norm.parameters())


def test_sync_batch_norm_trains_on_a_cpu_as_batch_norm() -> None:
    sync = build_norm_layer({"type": "SyncBN", "eps": 0.1}, 3)
    plain = nn.BatchNorm2d(3, eps=0.1)
    x = normal_input((4, 3, 2, 2))
    assert isinstance(sync, nn.SyncBatchNorm)
    torch.testing.assert_close(sync(x), plain(x))
    torch.testing.assert_close(sync.state_dict(), plain.state_dict())
    torch.testing.assert_close(sync.eval()(x), plain.eval()(x))


@pytest.mark.parametrize(
    ("value", "expected"), [(32, 32), (16 * 0.35, 8), (24 * 0.35, 8), (33, 32), (11, 16), (12, 16)]
)
def test_make_divisible(value: float, expected: int) -> None:
    # 11 would round to 8, more than a tenth below.
    assert make_divisible(value, 8) == expected


def test_drop_path_keeps_the_mean() -> None:
    torch.manual_seed(0)
    layer = DropPath(0.3)
    x = torch.ones(20000, 2, 1)
    dropped = layer(x)
    assert dropped.unique().tolist() == pytest.approx([0, 1 / 0.7])
    assert torch.equal(dropped[:, 0], dropped[:, 1])
    assert dropped.mean().item() == pytest.approx(1, abs=0.02)
    assert layer.eval()(x) is x


@pytest.mark.parametrize("block", [BasicBlock, Bottleneck])
def test_blocks_compute_again_what_they_did_not_keep(
    block: type[BasicBlock] | type[Bottleneck],
) -> None:
    kept = draw_weights(block(8, 8)).train()
    saved = draw_weights(block(8, 8, with_cp=True)).train()
    grads: list[Tensor] = []
    for module in (kept, saved):
        x = normal_input((2, 8, 4, 4)).requires_grad_()
        module(x).square().sum().backward()
        assert x.grad is not None
        grads.append(x.grad)
    torch.testing.assert_close(grads[0], grads[1])


def test_bottleneck_styles_differ_in_where_they_stride() -> None:
    strides = {
        style: [block.conv1.stride[0], block.conv2.stride[0]]  # type: ignore[index]
        for style in ("pytorch", "caffe")
        for block in [Bottleneck(8, 8, stride=2, style=style)]  # type: ignore[arg-type]
    }
    assert strides == {"pytorch": [1, 2], "caffe": [2, 1]}
    with pytest.raises(ConfigError, match="style is 'pytorch' or 'caffe'"):
        Bottleneck(8, 8, style="torch")  # type: ignore[arg-type]


def test_attention_is_softmax_over_tokens() -> None:
    layer = draw_weights(MultiheadAttention(6, num_heads=2)).eval()
    x = normal_input((2, 5, 6))
    queries, keys, values = (
        part.reshape(2, 5, 2, 3).transpose(1, 2) for part in layer.qkv(x).chunk(3, dim=-1)
    )
    weights = (queries @ keys.transpose(-1, -2) / 3**0.5).softmax(-1)
    expected = layer.proj((weights @ values).transpose(1, 2).reshape(2, 5, 6))
    torch.testing.assert_close(layer(x), expected)


@pytest.mark.parametrize(
    ("padding", "size", "expected"),
    [(0, (16, 12), (4, 3)), (0, (17, 12), (4, 3)), (2, (16, 12), (5, 4))]
    + [(name, (17, 9), (5, 3)) for name in ("corner", "same")],
)
def test_number_of_patches(
    padding: int | str, size: tuple[int, int], expected: tuple[int, int]
) -> None:
    layer = PatchEmbed(3, 6, size, kernel_size=4, padding=padding)  # type: ignore[arg-type]
    tokens, found = layer(normal_input((2, 3, *size)))
    assert found == layer.init_out_size == expected
    assert tokens.shape == (2, expected[0] * expected[1], 6)


def test_patches_are_padded_at_the_corner_or_all_around() -> None:
    x = torch.ones(1, 1, 6, 4)
    sums = {}
    for padding in ("corner", "same"):
        layer = PatchEmbed(1, 1, (6, 4), kernel_size=4, padding=padding, bias=False)  # type: ignore
        nn.init.ones_(layer.projection.weight)
        sums[padding] = layer(x)[0].flatten().tolist()
    assert sums == {"corner": [16.0, 8.0], "same": [12.0, 12.0]}


def test_positions_of_the_same_grid_are_untouched() -> None:
    embedding = normal_input((1, 13, 8))
    assert resize_position_embedding(embedding, (4, 3), (4, 3)) is embedding
    resized = resize_position_embedding(embedding, (4, 3), (8, 6))
    assert resized.shape == (1, 49, 8)
    assert torch.equal(resized[:, 0], embedding[:, 0])
