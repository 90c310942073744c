"""Deformable attention by hand, encodings of positions, branches that become one."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import nn

from raypose.models.layers import build_norm_layer
from raypose.models.layers.deformable_attention import MultiScaleDeformableAttention
from raypose.models.layers.detr import PositionedAttention
from raypose.models.layers.positional_encoding import (
    PositionEmbeddingSineHW,
    SinePositionalEncoding,
    sine_embedding,
)
from raypose.models.layers.reparam_layers import RepVGGBlock
from tests.models.drawn_weights import draw_weights

SIZES = [(4, 6), (2, 3)]


def attention() -> MultiScaleDeformableAttention:
    layer = MultiScaleDeformableAttention(8, num_heads=2, num_levels=2, num_points=3)
    return draw_weights(layer).eval()


def test_attention_samples_its_places() -> None:
    layer = attention()
    for name in ("sampling_offsets", "attention_weights"):
        nn.init.zeros_(getattr(layer, name).weight)
        nn.init.zeros_(getattr(layer, name).bias)
    cells = torch.randn(1, 24 + 6, 8)
    query = torch.randn(1, 1, 8)
    # The middles of the cells in row 2, column 3 of the first map and row 1, column 1 of the other.
    places = torch.tensor([[[[3.5 / 6, 2.5 / 4], [1.5 / 3, 1.5 / 2]]]])

    out = layer(query, torch.zeros_like(query), cells, places, SIZES)

    values = layer.value_proj(cells)[0]
    mean = (values[2 * 6 + 3] + values[24 + 1 * 3 + 1]) / 2
    torch.testing.assert_close(out[0, 0], query[0, 0] + layer.output_proj(mean))


def test_offsets_are_cells_or_parts_of_the_box() -> None:
    layer = attention()
    for name in ("sampling_offsets", "attention_weights"):
        nn.init.zeros_(getattr(layer, name).weight)
        nn.init.zeros_(getattr(layer, name).bias)
    nn.init.constant_(layer.sampling_offsets.bias, 1.0)
    cells, query = torch.randn(1, 30, 8), torch.zeros(1, 1, 8)
    values = layer.value_proj(cells)[0]
    points = torch.tensor([[[[2.5 / 6, 1.5 / 4], [0.5 / 3, 0.5 / 2]]]])
    # Boxes of three points a side: each offset moves by a sixth of the box.
    extents = torch.tensor([[[[6 / 6, 6 / 4], [6 / 3, 6 / 2]]]])

    by_cells = layer(query, query, cells, points, SIZES)
    by_boxes = layer(query, query, cells, torch.cat([points, extents], dim=-1), SIZES)

    mean = (values[2 * 6 + 3] + values[24 + 1 * 3 + 1]) / 2
    for out in (by_cells, by_boxes):
        torch.testing.assert_close(out[0, 0], layer.output_proj(mean))


def test_attention_does_not_see_padding_and_learns() -> None:
    layer = attention()
    cells = torch.randn(2, 30, 8, requires_grad=True)
    query, places = torch.randn(2, 5, 8), torch.rand(2, 5, 2, 4)
    padding = torch.zeros(2, 30, dtype=torch.bool)
    padding[:, 10:20] = True

    layer(query, query, cells, places, SIZES, padding).sum().backward()

    assert cells.grad is not None
    assert cells.grad[padding].abs().sum() == 0
    assert all(p.grad is not None and p.grad.any() for p in layer.parameters())


def test_masked_tokens_are_not_seen() -> None:
    layer = draw_weights(PositionedAttention(8, 2)).eval()
    x, position = torch.randn(1, 4, 8), torch.randn(4, 8)
    mask = torch.zeros(4, 4, dtype=torch.bool)
    mask[0, 3] = True
    changed = x.clone()
    changed[:, 3] += 10
    before, after = layer(x, position, mask), layer(changed, position, mask)
    torch.testing.assert_close(before[:, 0], after[:, 0])
    assert not torch.allclose(before[:, 1], after[:, 1])


def test_positions_of_a_grid_are_y_then_x() -> None:
    encoding = SinePositionalEncoding(4, temperature=100)
    grid = encoding.grid(2, 3)
    assert grid.shape == (6, 8)
    torch.testing.assert_close(
        grid[5], torch.cat([encoding(torch.tensor(float(n))) for n in (1, 2)])
    )
    want = [math.cos(2), math.cos(0.2), math.sin(2), math.sin(0.2)]
    np.testing.assert_allclose(encoding(torch.tensor(2.0)), want, rtol=1e-6)
    assert isinstance(SinePositionalEncoding(4, learnable=True).dim_t, nn.Parameter)


def test_sines_and_cosines_take_turns() -> None:
    want = [math.sin(2), math.cos(2), math.sin(0.2), math.cos(0.2)]
    np.testing.assert_allclose(sine_embedding(torch.tensor(2.0), 4, 100), want, rtol=1e-6)


def test_normalised_positions_end_at_the_scale() -> None:
    padding = torch.zeros(1, 2, 4, dtype=torch.bool)
    padding[..., 3] = True
    codes = PositionEmbeddingSineHW(4, normalize=True, scale=1.0)(padding)
    assert codes.shape == (1, 2, 4, 8)
    want = sine_embedding(torch.tensor([[0.5, 1 / 3], [1.0, 1.0]]), 4).flatten(1)
    torch.testing.assert_close(codes[0, [0, 1], [0, 2]], want, rtol=1e-4, atol=1e-5)


def test_branches_become_one_convolution() -> None:
    block = draw_weights(RepVGGBlock(6, 4)).eval()
    x = torch.randn(2, 6, 5, 7)
    before = block(x)

    block.switch_to_deploy()
    block.switch_to_deploy()

    assert set(block.state_dict()) == {"conv_reparam.weight", "conv_reparam.bias"}
    torch.testing.assert_close(block(x), before)


@pytest.mark.parametrize("name", ["FrozenBatchNorm2d", "mmpose.models.utils.FrozenBatchNorm2d"])
def test_frozen_norm_never_changes(name: str) -> None:
    norm = build_norm_layer({"type": name, "requires_grad": False}, 4).train()
    state = {key: torch.rand(4) + 0.5 for key in norm.state_dict()}
    norm.load_state_dict(state)
    usual = nn.BatchNorm2d(4).eval()
    usual.load_state_dict(state, strict=False)
    x = torch.randn(2, 4, 3, 3)

    torch.testing.assert_close(norm(x), usual(x))

    assert list(norm.parameters()) == []
    assert all(torch.equal(value, state[key]) for key, value in norm.state_dict().items())
