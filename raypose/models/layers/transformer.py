"""Layers of vision transformers, with mmpretrain's state-dict keys.

Paper: Dosovitskiy et al., An Image is Worth 16x16 Words, ICLR 2021. L tokens.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from raypose.models.base_module import BaseModule
from raypose.models.layers.activation import build_activation_layer
from raypose.models.layers.drop_path import DropPath
from raypose.models.layers.norm import build_norm_layer

LN: Mapping[str, Any] = {"type": "LN", "eps": 1e-6}
GELU: Mapping[str, Any] = {"type": "GELU"}


class LayerScale(nn.Module):
    """A learnt factor for each channel of a branch (Touvron et al., ICCV 2021).

    Args:
        dim: number of channels.
        scale: what the factors start from.
    """

    def __init__(self, dim: int, scale: float = 1e-5) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.full((dim,), scale))

    def forward(self, x: Tensor) -> Tensor:
        """Scale tokens (B, L, C)."""
        return x * self.weight


class MultiheadAttention(nn.Module):
    """Self-attention with one projection for queries, keys and values.

    Args:
        embed_dims: channels C.
        num_heads: heads; they share the channels.
        attn_drop: dropout of the attention weights.
        proj_drop: dropout of the output.
        drop_path_rate: see `DropPath`.
        qkv_bias: whether the first projection has a bias.
        layer_scale_init_value: see `LayerScale`; 0 for none.
        qk_scale: factor of the products of queries and keys; 1 / sqrt(C / heads) by default.
    """

    def __init__(
        self,
        embed_dims: int,
        num_heads: int,
        attn_drop: float = 0.0,
        proj_drop: float = 0.0,
        drop_path_rate: float = 0.0,
        qkv_bias: bool = True,
        layer_scale_init_value: float = 0.0,
        qk_scale: float | None = None,
    ) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.attn_drop = attn_drop
        self.qk_scale = qk_scale
        self.qkv = nn.Linear(embed_dims, embed_dims * 3, bias=qkv_bias)
        self.proj = nn.Linear(embed_dims, embed_dims)
        self.proj_drop = nn.Dropout(proj_drop)
        self.out_drop = DropPath(drop_path_rate)
        self.gamma1 = _layer_scale(embed_dims, layer_scale_init_value)

    def forward(self, x: Tensor) -> Tensor:
        """Return what attention adds to tokens (B, L, C)."""
        B, L, C = x.shape
        qkv = self.qkv(x).reshape(B, L, 3, self.num_heads, C // self.num_heads)
        queries, keys, values = qkv.permute(2, 0, 3, 1, 4).unbind(0)
        dropout = self.attn_drop if self.training else 0.0
        x = F.scaled_dot_product_attention(
            queries, keys, values, dropout_p=dropout, scale=self.qk_scale
        )
        x = self.proj(x.transpose(1, 2).reshape(B, L, C))
        return self.out_drop(self.gamma1(self.proj_drop(x)))


class FeedForward(nn.Module):
    """The two linear layers of a transformer layer.

    Args:
        embed_dims: channels C.
        feedforward_channels: channels between the layers.
        drop_rate: dropout after each layer.
        drop_path_rate: see `DropPath`.
        act_cfg: kind of activation.
        layer_scale_init_value: see `LayerScale`; 0 for none.
    """

    def __init__(
        self,
        embed_dims: int,
        feedforward_channels: int,
        drop_rate: float = 0.0,
        drop_path_rate: float = 0.0,
        act_cfg: Mapping[str, Any] = GELU,
        layer_scale_init_value: float = 0.0,
    ) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Sequential(
                nn.Linear(embed_dims, feedforward_channels),
                build_activation_layer(act_cfg),
                nn.Dropout(drop_rate),
            ),
            nn.Linear(feedforward_channels, embed_dims),
            nn.Dropout(drop_rate),
        )
        self.dropout_layer = DropPath(drop_path_rate)
        self.gamma2 = _layer_scale(embed_dims, layer_scale_init_value)

    def forward(self, x: Tensor) -> Tensor:
        """Return what the layers add to tokens (B, L, C)."""
        return self.dropout_layer(self.gamma2(self.layers(x)))


class TransformerEncoderLayer(BaseModule):
    """Attention and feed-forward layers, each after a norm and with a residual.

    Args:
        embed_dims: channels C.
        num_heads: heads of the attention.
        feedforward_channels: channels inside the feed-forward part.
        layer_scale_init_value: see `LayerScale`; 0 for none.
        drop_rate: dropout after each projection.
        attn_drop_rate: dropout of the attention weights.
        drop_path_rate: see `DropPath`.
        qkv_bias: whether queries, keys and values have a bias.
        act_cfg: kind of activation.
        norm_cfg: kind of norm.
    """

    def __init__(
        self,
        embed_dims: int,
        num_heads: int,
        feedforward_channels: int,
        layer_scale_init_value: float = 0.0,
        drop_rate: float = 0.0,
        attn_drop_rate: float = 0.0,
        drop_path_rate: float = 0.0,
        qkv_bias: bool = True,
        act_cfg: Mapping[str, Any] = GELU,
        norm_cfg: Mapping[str, Any] = LN,
    ) -> None:
        super().__init__()
        self.ln1 = build_norm_layer(norm_cfg, embed_dims)
        self.attn = MultiheadAttention(
            embed_dims,
            num_heads,
            attn_drop=attn_drop_rate,
            proj_drop=drop_rate,
            drop_path_rate=drop_path_rate,
            qkv_bias=qkv_bias,
            layer_scale_init_value=layer_scale_init_value,
        )
        self.ln2 = build_norm_layer(norm_cfg, embed_dims)
        self.ffn = FeedForward(
            embed_dims,
            feedforward_channels,
            drop_rate=drop_rate,
            drop_path_rate=drop_path_rate,
            act_cfg=act_cfg,
            layer_scale_init_value=layer_scale_init_value,
        )

    def init_weights(self) -> None:
        """Start the feed-forward part as the paper's code does."""
        super().init_weights()
        for module in self.ffn.modules():
            if isinstance(module, nn.Linear):
                nn.init.xavier_uniform_(module.weight)
                nn.init.normal_(module.bias, std=1e-6)

    def forward(self, x: Tensor) -> Tensor:
        """Return tokens (B, L, C) from tokens (B, L, C)."""
        x = x + self.attn(self.ln1(x))
        return x + self.ffn(self.ln2(x))


def _layer_scale(embed_dims: int, scale: float) -> nn.Module:
    return LayerScale(embed_dims, scale) if scale > 0 else nn.Identity()
