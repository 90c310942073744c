"""The block of HRFormer: attention in windows, and a feed-forward part that joins them.

Paper: Yuan et al., HRFormer: High-Resolution Transformer for Dense Prediction, NeurIPS 2021.
B images, H x W cells, C channels.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from raypose.models.layers.activation import build_activation_layer
from raypose.models.layers.drop_path import DropPath
from raypose.models.layers.norm import BN, build_norm_layer
from raypose.models.layers.transformer import GELU, LN
from raypose.models.layers.windows import (
    WindowAttention,
    join_windows,
    missing_for_windows,
    split_windows,
)


class HRFormerBlock(nn.Module):
    """Attention in windows and a convolutional feed-forward part, with residuals.

    Args:
        channels: channels C.
        num_heads: heads of the attention.
        window_size: side of a window.
        mlp_ratio: channels inside the feed-forward part, relative to C.
        drop_path_rate: see `DropPath`.
        act_cfg: kind of activation.
        norm_cfg: kind of norm of the convolutions.
        transformer_norm_cfg: kind of norm before each part.
        with_rpe: add a bias for each relative position to the attention.
        with_pad_mask: keep the zeros around the map out of the attention.
        with_cp: compute the block again in the backward pass.
    """

    def __init__(
        self,
        channels: int,
        num_heads: int,
        window_size: int = 7,
        mlp_ratio: float = 4.0,
        drop_path_rate: float = 0.0,
        act_cfg: Mapping[str, Any] = GELU,
        norm_cfg: Mapping[str, Any] = BN,
        transformer_norm_cfg: Mapping[str, Any] = LN,
        with_rpe: bool = True,
        with_pad_mask: bool = False,
        with_cp: bool = False,
    ) -> None:
        super().__init__()
        self.with_cp = with_cp
        self.norm1 = build_norm_layer(transformer_norm_cfg, channels)
        self.attn = LocalWindowAttention(channels, num_heads, window_size, with_rpe, with_pad_mask)
        self.norm2 = build_norm_layer(transformer_norm_cfg, channels)
        self.ffn = CrossFFN(channels, int(channels * mlp_ratio), act_cfg, norm_cfg)
        self.drop_path = DropPath(drop_path_rate)

    def forward(self, x: Tensor) -> Tensor:
        """Return maps (B, C, H, W) from maps (B, C, H, W)."""
        if self.with_cp and x.requires_grad:
            out: Tensor = checkpoint(self._run, x, use_reentrant=False)  # type: ignore[assignment]
            return out
        return self._run(x)

    def _run(self, x: Tensor) -> Tensor:
        x = x.permute(0, 2, 3, 1)
        x = x + self.drop_path(self.attn(self.norm1(x)))
        feed = self.ffn(self.norm2(x).permute(0, 3, 1, 2))
        return x.permute(0, 3, 1, 2) + self.drop_path(feed)


class LocalWindowAttention(nn.Module):
    """Attention in windows of a map that is padded all around to whole windows.

    Args:
        channels: channels C.
        num_heads: heads of the attention.
        window_size: side of a window.
        with_rpe: add a bias for each relative position.
        with_pad_mask: keep the padding out of the attention.
    """

    def __init__(
        self,
        channels: int,
        num_heads: int,
        window_size: int,
        with_rpe: bool = True,
        with_pad_mask: bool = False,
    ) -> None:
        super().__init__()
        self.window = (window_size, window_size)
        self.with_pad_mask = with_pad_mask
        self.attn = WindowAttention(channels, num_heads, self.window, with_rpe=with_rpe)

    def forward(self, x: Tensor) -> Tensor:
        """Return what attention adds to maps (B, H, W, C)."""
        H, W = x.shape[1:3]
        rows, columns = missing_for_windows((H, W), self.window)
        top, left = rows // 2, columns // 2
        around = (left, columns - left, top, rows - top)
        mask = None
        if self.with_pad_mask and (rows or columns):
            inside = F.pad(torch.zeros_like(x[:1, :, :, 0]), around, value=float("-inf"))
            mask = split_windows(inside[..., None], self.window)[0].transpose(1, 2)
        windows = split_windows(F.pad(x, (0, 0, *around)), self.window)
        x = join_windows(self.attn(windows, mask), self.window, (H + rows, W + columns))
        return x[:, top : top + H, left : left + W]


class CrossFFN(nn.Module):
    """Feed-forward part of two 1x1 convolutions, and a 3x3 one of each channel between them.

    Args:
        channels: channels C.
        hidden_channels: channels inside.
        act_cfg: kind of activation after each convolution.
        norm_cfg: kind of norm after each convolution.
    """

    def __init__(
        self,
        channels: int,
        hidden_channels: int,
        act_cfg: Mapping[str, Any] = GELU,
        norm_cfg: Mapping[str, Any] = BN,
    ) -> None:
        super().__init__()
        self.fc1 = nn.Conv2d(channels, hidden_channels, 1)
        self.norm1 = build_norm_layer(norm_cfg, hidden_channels)
        self.dw3x3 = nn.Conv2d(
            hidden_channels, hidden_channels, 3, padding=1, groups=hidden_channels
        )
        self.norm2 = build_norm_layer(norm_cfg, hidden_channels)
        self.fc2 = nn.Conv2d(hidden_channels, channels, 1)
        self.norm3 = build_norm_layer(norm_cfg, channels)
        self.act = build_activation_layer(act_cfg)

    def forward(self, x: Tensor) -> Tensor:
        """Return what the part adds to maps (B, C, H, W)."""
        x = self.act(self.norm1(self.fc1(x)))
        x = self.act(self.norm2(self.dw3x3(x)))
        return self.act(self.norm3(self.fc2(x)))
