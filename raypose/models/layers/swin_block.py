"""The block of Swin: attention in windows that move from block to block.

Paper: Liu et al., Swin Transformer: Hierarchical Vision Transformer using Shifted Windows, ICCV
2021. B images, H x W tokens, C channels, M windows of N tokens each.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from raypose.models.layers.drop_path import DropPath
from raypose.models.layers.norm import build_norm_layer
from raypose.models.layers.patch_embed import Size
from raypose.models.layers.transformer import GELU, FeedForward
from raypose.models.layers.windows import (
    WindowAttention,
    join_windows,
    missing_for_windows,
    split_windows,
)

# With torch's epsilon, not that of other vision transformers.
LN: Mapping[str, Any] = {"type": "LN"}
# Large enough to make the weight of another part of the image vanish.
_APART = -100.0


class SwinBlock(nn.Module):
    """Attention in windows and a feed-forward part, each after a norm and with a residual.

    Args:
        embed_dims: channels C.
        num_heads: heads of the attention.
        feedforward_channels: channels inside the feed-forward part.
        window_size: side of a window.
        shift: move the windows by half their side.
        qkv_bias: whether queries, keys and values have a bias.
        qk_scale: see `WindowAttention`.
        drop_rate: dropout of the projections.
        attn_drop_rate: dropout of the attention weights.
        drop_path_rate: see `DropPath`.
        act_cfg: kind of activation.
        norm_cfg: kind of norm.
        with_cp: compute the block again in the backward pass.
    """

    def __init__(
        self,
        embed_dims: int,
        num_heads: int,
        feedforward_channels: int,
        window_size: int = 7,
        shift: bool = False,
        qkv_bias: bool = True,
        qk_scale: float | None = None,
        drop_rate: float = 0.0,
        attn_drop_rate: float = 0.0,
        drop_path_rate: float = 0.0,
        act_cfg: Mapping[str, Any] = GELU,
        norm_cfg: Mapping[str, Any] = LN,
        with_cp: bool = False,
    ) -> None:
        super().__init__()
        self.with_cp = with_cp
        self.norm1 = build_norm_layer(norm_cfg, embed_dims)
        self.attn = ShiftedWindowAttention(
            WindowAttention(
                embed_dims,
                num_heads,
                (window_size, window_size),
                qkv_bias=qkv_bias,
                qk_scale=qk_scale,
                attn_drop_rate=attn_drop_rate,
                proj_drop_rate=drop_rate,
            ),
            window_size,
            window_size // 2 if shift else 0,
        )
        self.drop = DropPath(drop_path_rate)
        self.norm2 = build_norm_layer(norm_cfg, embed_dims)
        self.ffn = FeedForward(
            embed_dims, feedforward_channels, drop_rate, drop_path_rate, act_cfg=act_cfg
        )

    def forward(self, x: Tensor, size: Size) -> Tensor:
        """Return tokens (B, H * W, C) from tokens (B, H * W, C)."""
        if self.with_cp and x.requires_grad:
            out: Tensor = checkpoint(self._run, x, size, use_reentrant=False)  # type: ignore[assignment]
            return out
        return self._run(x, size)

    def _run(self, x: Tensor, size: Size) -> Tensor:
        x = x + self.drop(self.attn(self.norm1(x), size))
        return x + self.ffn(self.norm2(x))


class ShiftedWindowAttention(nn.Module):
    """Cut a map into windows, attend within them (`w_msa`), put the map together again.

    Args:
        w_msa: the attention.
        window_size: side of a window.
        shift_size: how far the windows are moved down and right, around the border.
    """

    def __init__(self, w_msa: WindowAttention, window_size: int, shift_size: int = 0) -> None:
        super().__init__()
        self.w_msa = w_msa
        self.window = (window_size, window_size)
        self.shift = shift_size

    def forward(self, x: Tensor, size: Size) -> Tensor:
        """Return what attention adds to tokens (B, H * W, C)."""
        B, L, C = x.shape
        rows, columns = missing_for_windows(size, self.window)
        x = F.pad(x.reshape(B, *size, C), (0, 0, 0, columns, 0, rows))
        padded, mask = (x.shape[1], x.shape[2]), None
        if self.shift:
            x = x.roll((-self.shift, -self.shift), (1, 2))
            mask = self._mask(x)
        x = self.w_msa(split_windows(x, self.window), mask)
        x = join_windows(x, self.window, padded)
        if self.shift:
            x = x.roll((self.shift, self.shift), (1, 2))
        return x[:, : size[0], : size[1]].reshape(B, L, C)

    def _mask(self, x: Tensor) -> Tensor:
        """Return what keeps apart (M, N, N) the tokens that met only by the shift."""
        part = [
            (places >= length - side).long() + (places >= length - self.shift)
            for length, side in zip(x.shape[1:3], self.window, strict=True)
            for places in [torch.arange(length, device=x.device)]
        ]
        parts = split_windows((3 * part[0][:, None] + part[1])[None, :, :, None], self.window)
        parts = parts[0, :, :, 0]
        apart = parts[:, :, None] != parts[:, None]
        return torch.zeros_like(apart, dtype=x.dtype).masked_fill(apart, _APART)
