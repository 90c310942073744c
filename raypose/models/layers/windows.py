"""Attention within windows of a map, with a bias that depends on the relative position.

Paper: Liu et al., Swin Transformer: Hierarchical Vision Transformer using Shifted Windows, ICCV
2021. B maps of H x W tokens, C channels, M windows of N = h * w tokens each.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from raypose.models.base_module import BaseModule

Size = tuple[int, int]


def missing_for_windows(size: Size, window: Size) -> Size:
    """Return how many rows and columns a map of (H, W) lacks to be cut into whole windows."""
    rows, columns = (-length % side for length, side in zip(size, window, strict=True))
    return rows, columns


def split_windows(x: Tensor, window: Size) -> Tensor:
    """Cut maps (B, H, W, C) into windows (B, M, N, C); H and W are multiples of (h, w)."""
    B, H, W, C = x.shape
    h, w = window
    x = x.reshape(B, H // h, h, W // w, w, C).transpose(2, 3)
    return x.reshape(B, -1, h * w, C)


def join_windows(windows: Tensor, window: Size, size: Size) -> Tensor:
    """Put windows (B, M, N, C) together to maps (B, H, W, C)."""
    (h, w), (H, W) = window, size
    x = windows.reshape(windows.shape[0], H // h, W // w, h, w, -1).transpose(2, 3)
    return x.reshape(windows.shape[0], H, W, -1)


class WindowAttention(BaseModule):
    """Self-attention among the tokens of each window.

    Args:
        embed_dims: channels C.
        num_heads: heads; they share the channels.
        window_size: (h, w) of a window.
        qkv_bias: whether queries, keys and values have a bias.
        qk_scale: factor of the products of queries and keys; 1 / sqrt(C / heads) by default.
        attn_drop_rate: dropout of the attention weights.
        proj_drop_rate: dropout of the output.
        with_rpe: add a learnt bias for each relative position and head.
    """

    def __init__(
        self,
        embed_dims: int,
        num_heads: int,
        window_size: Size,
        qkv_bias: bool = True,
        qk_scale: float | None = None,
        attn_drop_rate: float = 0.0,
        proj_drop_rate: float = 0.0,
        with_rpe: bool = True,
    ) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.qk_scale = qk_scale
        self.attn_drop_rate = attn_drop_rate
        self.with_rpe = with_rpe
        if with_rpe:
            h, w = window_size
            positions = (2 * h - 1) * (2 * w - 1)
            self.relative_position_bias_table = nn.Parameter(torch.zeros(positions, num_heads))
            self.register_buffer("relative_position_index", _relative_positions(window_size))
        self.qkv = nn.Linear(embed_dims, embed_dims * 3, bias=qkv_bias)
        self.proj = nn.Linear(embed_dims, embed_dims)
        self.proj_drop = nn.Dropout(proj_drop_rate)

    def init_weights(self) -> None:
        """Start the biases of relative positions from a narrow normal."""
        super().init_weights()
        if self.with_rpe:
            nn.init.trunc_normal_(self.relative_position_bias_table, std=0.02)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """Return windows (B, M, N, C) from windows (B, M, N, C).

        Args:
            x: the windows.
            mask: (M, L, N), L = N or 1: what is added to the attention of each token (or all) to
                each other.
        """
        B, _, N, C = x.shape
        qkv = self.qkv(x).reshape(-1, N, 3, self.num_heads, C // self.num_heads)
        queries, keys, values = qkv.permute(2, 0, 3, 1, 4).unbind(0)
        x = F.scaled_dot_product_attention(
            queries,
            keys,
            values,
            attn_mask=self._bias(B, mask),
            dropout_p=self.attn_drop_rate if self.training else 0.0,
            scale=self.qk_scale,
        )
        x = self.proj(x.transpose(1, 2).reshape(B, -1, N, C))
        return self.proj_drop(x)

    def adapt_state_dict(self, state_dict: dict[str, Tensor], prefix: str) -> None:
        """Fit the biases of a checkpoint to the size of this module's windows.

        `raypose.models.checkpoint` calls this before it compares keys and shapes.
        """
        if not self.with_rpe:
            return
        index = self.get_buffer("relative_position_index")
        key = f"{prefix}relative_position_index"
        if key in state_dict and state_dict[key].shape != index.shape:
            state_dict[key] = index
        key, table = f"{prefix}relative_position_bias_table", self.relative_position_bias_table
        stored = state_dict.get(key)
        if stored is None or stored.shape == table.shape or stored.shape[1:] != table.shape[1:]:
            return
        before, after = math.isqrt(len(stored)), math.isqrt(len(table))
        if before**2 == len(stored) and after**2 == len(table):
            maps = stored.float().T.reshape(1, -1, before, before)
            resized = F.interpolate(maps, size=(after, after), mode="bicubic", align_corners=False)
            state_dict[key] = resized.reshape(-1, after**2).T.to(stored.dtype)

    def _bias(self, B: int, mask: Tensor | None) -> Tensor | None:
        """Return what is added to the attention, of a shape that fits (B * M, heads, N, N)."""
        if mask is not None:
            mask = mask[:, None]
        if self.with_rpe:
            index = self.get_buffer("relative_position_index")
            bias = self.relative_position_bias_table[index].permute(2, 0, 1)[None]
            mask = bias if mask is None else bias + mask
        if mask is None or len(mask) == 1:
            return mask
        return mask.repeat(B, 1, 1, 1)


def _relative_positions(window: Size) -> Tensor:
    """Return for each pair of tokens (N, N) the number of their relative position."""
    h, w = window
    rows = torch.arange(h).repeat_interleave(w)
    columns = torch.arange(w).repeat(h)
    down = rows[:, None] - rows + h - 1
    right = columns[:, None] - columns + w - 1
    return down * (2 * w - 1) + right
