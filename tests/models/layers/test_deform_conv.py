"""Deformable convolution against a plain loop, against shifts done by hand, and its gradients."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from raypose.errors import ConfigError, RayposeError
from raypose.models.layers.adaptive_activation import AdaptiveActivationBlock
from raypose.models.layers.deform_conv import DeformConv2d, deform_conv2d
from tests.models.drawn_weights import draw_weights, normal_input

SETTINGS: list[dict[str, Any]] = [
    {},
    {"padding": (1, 1)},
    {"padding": (2, 1), "stride": (2, 1), "dilation": (1, 2)},
    {"padding": (1, 1), "groups": 2},
    {"padding": (1, 1), "deform_groups": 3},
    {"padding": (1, 0), "groups": 3, "deform_groups": 2},
]


def plain(
    x: Tensor,
    offset: Tensor,
    weight: Tensor,
    stride: tuple[int, int] = (1, 1),
    padding: tuple[int, int] = (0, 0),
    dilation: tuple[int, int] = (1, 1),
    groups: int = 1,
    deform_groups: int = 1,
) -> Tensor:
    """Compute a deformable convolution number by number."""
    B, C, rows, columns = x.shape
    out_channels, per_group, kh, kw = weight.shape
    H, W = offset.shape[-2:]
    out = torch.zeros(B, out_channels, H, W, dtype=x.dtype)

    def read(b: int, c: int, y: float, x_: float) -> float:
        total = 0.0
        for row in (math.floor(y), math.floor(y) + 1):
            for column in (math.floor(x_), math.floor(x_) + 1):
                if 0 <= row < rows and 0 <= column < columns:
                    share = (1 - abs(y - row)) * (1 - abs(x_ - column))
                    total += share * float(x[b, c, row, column])
        return total

    for b, o, h, w in torch.cartesian_prod(
        *(torch.arange(n) for n in (B, out_channels, H, W))
    ).tolist():
        group = o // (out_channels // groups)
        for i in range(per_group):
            c = group * per_group + i
            for element in range(kh * kw):
                row, column = divmod(element, kw)
                first = 2 * (c // (C // deform_groups) * kh * kw + element)
                y = h * stride[0] - padding[0] + row * dilation[0] + float(offset[b, first, h, w])
                x_ = (
                    w * stride[1]
                    - padding[1]
                    + column * dilation[1]
                    + float(offset[b, first + 1, h, w])
                )
                out[b, o, h, w] += float(weight[o, i, row, column]) * read(b, c, y, x_)
    return out


def case(settings: dict[str, Any]) -> tuple[Tensor, Tensor, Tensor]:
    """Return input (2, 6, 5, 6), offsets of about a cell, and 3x2 weights."""
    x = normal_input((2, 6, 5, 6)).double()
    weight = normal_input((6, 6 // settings.get("groups", 1), 3, 2), 1).double()
    size = F.conv2d(
        x,
        weight,
        None,
        **{name: value for name, value in settings.items() if name != "deform_groups"},
    ).shape[-2:]
    offset = normal_input((2, 12 * settings.get("deform_groups", 1), *size), 2).double()
    return x, offset, weight


@pytest.mark.parametrize("settings", SETTINGS)
def test_it_is_the_sum_that_its_definition_says(settings: dict[str, Any]) -> None:
    x, offset, weight = case(settings)

    torch.testing.assert_close(
        deform_conv2d(x, offset, weight, **settings), plain(x, offset, weight, **settings)
    )


@pytest.mark.parametrize("settings", SETTINGS)
def test_without_offsets_it_is_a_convolution(settings: dict[str, Any]) -> None:
    x, offset, weight = case(settings)
    usual = {name: value for name, value in settings.items() if name != "deform_groups"}

    torch.testing.assert_close(
        deform_conv2d(x, offset * 0, weight, **settings), F.conv2d(x, weight, None, **usual)
    )


@pytest.mark.parametrize(
    ("down", "right", "expected"),
    [
        (1, 0, [[3, 4], [0, 0]]),
        (0, -1, [[0, 1], [0, 3]]),
        (0.5, 0, [[2, 3], [1.5, 2]]),
        (0, -0.25, [[0.75, 1.75], [2.25, 3.75]]),
        (-0.5, 0.5, [[0.75, 0.5], [2.5, 1.5]]),
        (2, 2, [[0, 0], [0, 0]]),
    ],
)
def test_offsets_are_down_then_right(
    down: float, right: float, expected: list[list[float]]
) -> None:
    x = torch.tensor([[[[1.0, 2.0], [3.0, 4.0]]]])
    offset = torch.tensor([down, right]).view(1, 2, 1, 1).expand(1, 2, 2, 2)

    moved = deform_conv2d(x, offset, torch.ones(1, 1, 1, 1))

    torch.testing.assert_close(moved[0, 0], torch.tensor(expected, dtype=torch.float32))


def test_gradients_reach_input_offsets_and_weights() -> None:
    settings = {"padding": (1, 1), "groups": 2, "deform_groups": 2}
    x, offset, weight = (value.requires_grad_() for value in case(settings))
    small = x[:1, :, :3, :3].detach().requires_grad_(), offset[:1, :, :3, :4].detach()

    assert torch.autograd.gradcheck(
        lambda *args: deform_conv2d(*args, **settings),
        (small[0], small[1].requires_grad_(), weight.detach().requires_grad_()),
    )


def test_samples_do_not_know_each_other() -> None:
    layer = draw_weights(DeformConv2d(4, 6, 3, padding=1, groups=2, deform_groups=2))
    x, offset = normal_input((3, 4, 5, 5)), normal_input((3, 36, 5, 5), 1)

    together = layer(x, offset)

    for i in range(3):
        torch.testing.assert_close(layer(x[i : i + 1], offset[i : i + 1])[0], together[i])


def test_half_precision_places_samples_in_single() -> None:
    x = torch.zeros(1, 1, 1, 400)
    x[..., 300:] = 100.0
    offset = torch.zeros(1, 2, 1, 400, dtype=torch.bfloat16)
    offset[:, 1] = 0.25

    moved = deform_conv2d(x.bfloat16(), offset, torch.ones(1, 1, 1, 1, dtype=torch.bfloat16))

    assert moved.dtype == torch.bfloat16
    assert moved[0, 0, 0, 299].item() == 25  # a whole cell off if positions were rounded


def test_offsets_of_another_shape_are_refused() -> None:
    with pytest.raises(RayposeError, match=r"needs offsets \(1, 18, 4, 4\), got \(1, 9, 4, 4\)"):
        DeformConv2d(2, 2, 3, padding=1)(torch.zeros(1, 2, 4, 4), torch.zeros(1, 9, 4, 4))
    with pytest.raises(ConfigError, match="cannot be shared out among 1 groups and 2 groups"):
        DeformConv2d(3, 2, 3, deform_groups=2)


def test_an_adaptive_block_with_a_fixed_map_is_a_usual_convolution() -> None:
    block = draw_weights(AdaptiveActivationBlock(4, groups=2)).eval()
    conv = block.transform_matrix_conv
    torch.nn.init.zeros_(conv.weight)
    assert conv.bias is not None
    torch.nn.init.zeros_(conv.bias)
    x = normal_input((2, 4, 6, 5))
    usual = F.conv2d(x, block.adapt_conv.weight, padding=1, groups=2)

    torch.testing.assert_close(block(x), F.relu(block.norm(usual) + x))

    # A shift of the first group by a row: its affine maps add one to all rows.
    with torch.no_grad():
        conv.bias.view(2, 2, 3)[0, 0, 2] = 1
    shifted = torch.cat([F.pad(x[:, :2], (0, 0, 0, 1))[:, :, 1:], x[:, 2:]], dim=1)
    expected = F.conv2d(shifted, block.adapt_conv.weight, padding=1, groups=2)
    inner = (slice(None), slice(None), slice(1, -1))  # the rows that no border tells apart
    torch.testing.assert_close(block(x)[inner], F.relu(block.norm(expected) + x)[inner])
