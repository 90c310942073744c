"""Positions as sines and cosines.

Paper: Vaswani et al., Attention Is All You Need, NeurIPS 2017.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn


class SinePositionalEncoding(nn.Module):
    """Encode positions by the cosines, then the sines, of falling frequencies (`dim_t`).

    Args:
        out_channels: channels C of the encoding of one position, even.
        temperature: the longest period over 2 pi.
        learnable: train the periods.
    """

    dim_t: Tensor

    def __init__(
        self, out_channels: int, temperature: float = 1e5, learnable: bool = False
    ) -> None:
        super().__init__()
        half = out_channels // 2
        periods = temperature ** (torch.arange(half, dtype=torch.float32) / half)
        if learnable:
            self.dim_t = nn.Parameter(periods)
        else:
            self.register_buffer("dim_t", periods)

    def forward(self, position: Tensor) -> Tensor:
        """Return (..., C) from positions (...)."""
        angle = position[..., None] / self.dim_t
        return torch.cat([angle.cos(), angle.sin()], dim=-1)

    def grid(self, height: int, width: int) -> Tensor:
        """Return (height * width, 2C), row by row: the encoding of y, then that of x."""
        y, x = (
            self(torch.arange(length, dtype=self.dim_t.dtype, device=self.dim_t.device))
            for length in (height, width)
        )
        shape = (height, width, y.shape[-1])
        return torch.cat([y[:, None].expand(shape), x.expand(shape)], dim=-1).flatten(0, 1)


def sine_embedding(position: Tensor, num_feats: int, temperature: float = 10000) -> Tensor:
    """Encode positions by sine and cosine in turn.

    Args:
        position: (...), in radians of the highest frequency.
        num_feats: channels C, even.
        temperature: the longest period over 2 pi.

    Returns:
        (..., C).
    """
    pair = torch.arange(num_feats // 2, dtype=torch.float32, device=position.device)
    angle = position[..., None] / temperature ** (2 * pair / num_feats)
    return torch.stack([angle.sin(), angle.cos()], dim=-1).flatten(-2)


class PositionEmbeddingSineHW(nn.Module):
    """Encode the cells of a map, with a temperature of its own for each axis.

    Args:
        num_pos_feats: channels of each axis.
        temperatureH: of y.
        temperatureW: of x.
        normalize: count up to `scale` instead of the number of cells.
        scale: 2 pi by default.
    """

    def __init__(
        self,
        num_pos_feats: int = 64,
        temperatureH: float = 10000,  # noqa: N803
        temperatureW: float = 10000,  # noqa: N803
        normalize: bool = False,
        scale: float | None = None,
    ) -> None:
        super().__init__()
        self.num_pos_feats = num_pos_feats
        self.temperatures = (temperatureH, temperatureW)
        self.normalize = normalize
        self.scale = 2 * math.pi if scale is None else scale

    def forward(self, padding: Tensor) -> Tensor:
        """Return (B, H, W, 2 * num_pos_feats): the encoding of y, then that of x.

        Args:
            padding: (B, H, W) bool, true for cells that are not of the image.
        """
        axes = []
        for axis, temperature in zip((1, 2), self.temperatures, strict=True):
            count = (~padding).cumsum(axis, dtype=torch.float32)
            if self.normalize:
                total = count.narrow(axis, count.shape[axis] - 1, 1)
                count = count / (total + 1e-6) * self.scale
            axes.append(sine_embedding(count, self.num_pos_feats, temperature))
        return torch.cat(axes, dim=-1)
