"""The layer of pyramid vision transformers: attention to a coarser map, and what follows it.

Papers: Wang et al., Pyramid Vision Transformer, ICCV 2021; Wang et al., PVT v2: Improved Baselines
with Pyramid Vision Transformer, CVMJ 2022. B images, H x W tokens, C channels.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from raypose.models.layers.activation import build_activation_layer
from raypose.models.layers.drop_path import DropPath
from raypose.models.layers.norm import build_norm_layer
from raypose.models.layers.patch_embed import Size
from raypose.models.layers.transformer import GELU, LN


class PVTEncoderLayer(nn.Module):
    """Attention and feed-forward part, each after a norm and with a residual.

    Args:
        embed_dims: channels C.
        num_heads: heads of the attention.
        feedforward_channels: channels inside the feed-forward part.
        drop_rate: dropout after each projection.
        attn_drop_rate: dropout of the attention weights.
        drop_path_rate: see `DropPath`.
        qkv_bias: whether queries, keys and values have a bias.
        act_cfg: kind of activation.
        norm_cfg: kind of norm.
        sr_ratio: side of the squares of tokens that become one key.
        use_conv_ffn: convolve each channel inside the feed-forward part.
    """

    def __init__(
        self,
        embed_dims: int,
        num_heads: int,
        feedforward_channels: int,
        drop_rate: float = 0.0,
        attn_drop_rate: float = 0.0,
        drop_path_rate: float = 0.0,
        qkv_bias: bool = True,
        act_cfg: Mapping[str, Any] = GELU,
        norm_cfg: Mapping[str, Any] = LN,
        sr_ratio: int = 1,
        use_conv_ffn: bool = False,
    ) -> None:
        super().__init__()
        self.norm1 = build_norm_layer(norm_cfg, embed_dims)
        self.attn = SpatialReductionAttention(
            embed_dims, num_heads, attn_drop_rate, drop_rate, qkv_bias, norm_cfg, sr_ratio
        )
        self.norm2 = build_norm_layer(norm_cfg, embed_dims)
        self.ffn = MixFFN(embed_dims, feedforward_channels, act_cfg, drop_rate, use_conv_ffn)
        self.drop_path = DropPath(drop_path_rate)

    def forward(self, x: Tensor, size: Size) -> Tensor:
        """Return tokens (B, H * W, C) from tokens (B, H * W, C)."""
        x = x + self.drop_path(self.attn(self.norm1(x), size))
        return x + self.drop_path(self.ffn(self.norm2(x), size))


class SpatialReductionAttention(nn.Module):
    """Attention of every token to a map that a strided convolution made smaller.

    Args:
        embed_dims: channels C.
        num_heads: heads; they share the channels.
        attn_drop: dropout of the attention weights.
        proj_drop: dropout of the output.
        qkv_bias: whether queries, keys and values have a bias.
        norm_cfg: kind of norm of the smaller map.
        sr_ratio: side of the squares of tokens that become one key.
    """

    def __init__(
        self,
        embed_dims: int,
        num_heads: int,
        attn_drop: float = 0.0,
        proj_drop: float = 0.0,
        qkv_bias: bool = True,
        norm_cfg: Mapping[str, Any] = LN,
        sr_ratio: int = 1,
    ) -> None:
        super().__init__()
        self.attn = nn.MultiheadAttention(
            embed_dims, num_heads, attn_drop, bias=qkv_bias, batch_first=True
        )
        self.proj_drop = nn.Dropout(proj_drop)
        self.sr: nn.Conv2d | None = None
        self.norm: nn.Module | None = None
        if sr_ratio > 1:
            self.sr = nn.Conv2d(embed_dims, embed_dims, sr_ratio, stride=sr_ratio)
            self.norm = build_norm_layer(norm_cfg, embed_dims)

    def forward(self, x: Tensor, size: Size) -> Tensor:
        """Return what attention adds to tokens (B, H * W, C)."""
        keys = x
        if self.sr is not None and self.norm is not None:
            keys = self.norm(to_tokens(self.sr(to_map(x, size))))
        return self.proj_drop(self.attn(x, keys, keys, need_weights=False)[0])


class MixFFN(nn.Module):
    """Feed-forward part made of 1x1 convolutions, where wanted with a 3x3 one of each channel.

    Args:
        embed_dims: channels C.
        feedforward_channels: channels inside.
        act_cfg: kind of activation.
        drop_rate: dropout after the activation and at the end.
        use_conv: whether there is the 3x3 convolution.
    """

    def __init__(
        self,
        embed_dims: int,
        feedforward_channels: int,
        act_cfg: Mapping[str, Any] = GELU,
        drop_rate: float = 0.0,
        use_conv: bool = False,
    ) -> None:
        super().__init__()
        inside = feedforward_channels
        layers: list[nn.Module] = [nn.Conv2d(embed_dims, inside, 1)]
        if use_conv:
            layers.append(nn.Conv2d(inside, inside, 3, padding=1, groups=inside))
        layers += [build_activation_layer(act_cfg), nn.Dropout(drop_rate)]
        layers += [nn.Conv2d(inside, embed_dims, 1), nn.Dropout(drop_rate)]
        self.layers = nn.Sequential(*layers)

    def forward(self, x: Tensor, size: Size) -> Tensor:
        """Return what the layers add to tokens (B, H * W, C)."""
        return to_tokens(self.layers(to_map(x, size)))


def to_map(tokens: Tensor, size: Size) -> Tensor:
    """Return a map (B, C, H, W) of tokens (B, H * W, C)."""
    return tokens.transpose(1, 2).reshape(tokens.shape[0], -1, *size)


def to_tokens(x: Tensor) -> Tensor:
    """Return the tokens (B, H * W, C) of a map (B, C, H, W)."""
    return x.flatten(2).transpose(1, 2)
