"""Gates on channels, global context, shuffled channels: small cases by hand."""

from __future__ import annotations

import torch

from raypose.models.layers import (
    ContextBlock,
    InvertedResidual,
    SELayer,
    build_activation_layer,
    channel_shuffle,
)
from raypose.models.layers.se_layer import HARD_GATE
from tests.models.drawn_weights import draw_weights, normal_input


def test_channels_are_taken_from_groups_in_turn() -> None:
    x = torch.arange(6.0).reshape(1, 6, 1, 1)
    assert channel_shuffle(x, 2).flatten().tolist() == [0, 3, 1, 4, 2, 5]
    assert channel_shuffle(x, 3).flatten().tolist() == [0, 2, 4, 1, 3, 5]
    assert torch.equal(channel_shuffle(x, 1), x)
    maps = normal_input((2, 6, 3, 4))
    assert torch.equal(channel_shuffle(channel_shuffle(maps, 2), 3), maps)


def test_hard_sigmoid_of_other_slopes() -> None:
    x = torch.tensor([-2.0, -1.0, -0.5, 0.0, 1.0, 2.0])
    gate = build_activation_layer(HARD_GATE, inplace=True)
    assert gate(x).tolist() == [0, 0, 0.25, 0.5, 1, 1]
    limited = build_activation_layer({**HARD_GATE, "min_value": 0.25, "max_value": 0.75})
    assert limited(x).tolist() == [0.25, 0.25, 0.25, 0.5, 0.75, 0.75]


def test_gates_depend_on_means_only() -> None:
    layer = draw_weights(SELayer(8, ratio=4))
    x = normal_input((2, 8, 4, 3))
    gates = layer(x) / x
    assert layer.conv1.conv.weight.shape == (2, 8, 1, 1)  # type: ignore[union-attr]
    torch.testing.assert_close(gates, gates[..., :1, :1].expand_as(x))
    shifted = x.roll(1, dims=2)
    torch.testing.assert_close(layer(shifted), layer(x).roll(1, dims=2))


def test_context_is_a_mean_over_positions() -> None:
    block = draw_weights(ContextBlock(8, 4))
    pixel = normal_input((2, 8, 1, 1))
    flat = pixel.expand(2, 8, 5, 4)
    torch.testing.assert_close(block(flat), flat + block.channel_add_conv(pixel))
    x = normal_input((2, 8, 5, 4))
    weights = block.conv_mask(x).flatten(2).softmax(-1).reshape(2, 1, 5, 4)
    context = (weights * x).sum((2, 3), keepdim=True)
    torch.testing.assert_close(block(x), x + block.channel_add_conv(context))


def test_residual_only_where_shapes_agree() -> None:
    x = normal_input((1, 4, 6, 6))
    same = draw_weights(InvertedResidual(4, 4, 8)).eval()
    without = same.linear_conv(same.se(same.depthwise_conv(same.expand_conv(x))))
    torch.testing.assert_close(same(x), x + without)
    assert draw_weights(InvertedResidual(4, 4, 8, stride=2)).eval()(x).shape == (1, 4, 3, 3)
    assert draw_weights(InvertedResidual(4, 6, 8)).eval()(x).shape == (1, 6, 6, 6)
