"""Layers of DETR's transformers, with mmcv's state-dict keys.

Paper: Carion et al., End-to-End Object Detection with Transformers, ECCV 2020. L tokens.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import pairwise
from types import MappingProxyType
from typing import Any

from torch import Tensor, nn

from raypose.errors import ConfigError
from raypose.models.layers.norm import build_norm_layer
from raypose.models.layers.transformer import FeedForward
from raypose.registry import argument_problems

RELU_CFG: Mapping[str, Any] = MappingProxyType({"type": "ReLU", "inplace": True})
LN_CFG: Mapping[str, Any] = MappingProxyType({"type": "LN"})


class PositionedAttention(nn.Module):
    """Self-attention whose queries and keys know their position, with a residual.

    Args:
        embed_dims: channels C.
        num_heads: heads; they share the channels.
        dropout: dropout of the attention weights, and of the output.
    """

    def __init__(self, embed_dims: int = 256, num_heads: int = 8, dropout: float = 0.0) -> None:
        super().__init__()
        self.embed_dims = embed_dims
        self.attn = nn.MultiheadAttention(embed_dims, num_heads, dropout, batch_first=True)
        self.dropout_layer = nn.Dropout(dropout)

    def forward(self, x: Tensor, position: Tensor, mask: Tensor | None = None) -> Tensor:
        """Return tokens (B, L, C).

        Args:
            x: tokens (B, L, C).
            position: encodings that broadcast to the tokens.
            mask: (L, L) bool, true where a query does not see a key.
        """
        placed = x + position
        attended, _ = self.attn(placed, placed, x, attn_mask=mask, need_weights=False)
        return x + self.dropout_layer(attended)


class DetrTransformerEncoderLayer(nn.Module):
    """Attention and feed-forward layers, each with a residual and then a norm.

    Args:
        self_attn_cfg: arguments of `PositionedAttention`.
        ffn_cfg: see `build_ffn`.
        norm_cfg: kind of norm.
    """

    def __init__(
        self,
        self_attn_cfg: Mapping[str, Any] = MappingProxyType({}),
        ffn_cfg: Mapping[str, Any] = MappingProxyType({}),
        norm_cfg: Mapping[str, Any] = LN_CFG,
    ) -> None:
        super().__init__()
        self.self_attn = build_layer(PositionedAttention, self_attn_cfg, "self_attn_cfg")
        self.ffn = build_ffn(ffn_cfg)
        self.norms = nn.ModuleList(
            [build_norm_layer(norm_cfg, self.self_attn.embed_dims) for _ in range(2)]
        )

    def forward(self, x: Tensor, position: Tensor) -> Tensor:
        """Return tokens (B, L, C) from tokens and encodings of their positions."""
        x = self.norms[0](self.self_attn(x, position))
        return self.norms[1](x + self.ffn(x))


class DetrTransformerEncoder(nn.Module):
    """Several layers.

    Args:
        num_layers: number of layers.
        layer_cfg: arguments of `DetrTransformerEncoderLayer`.
    """

    def __init__(self, num_layers: int, layer_cfg: Mapping[str, Any]) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            [
                build_layer(DetrTransformerEncoderLayer, layer_cfg, "encoder_cfg")
                for _ in range(num_layers)
            ]
        )

    def forward(self, x: Tensor, position: Tensor) -> Tensor:
        """Return tokens (B, L, C) from tokens and encodings of their positions."""
        for layer in self.layers:
            x = layer(x, position)
        return x


class MLP(nn.Module):
    """Linear layers with ReLU in between.

    Args:
        input_dim: channels of the input.
        hidden_dim: channels between the layers.
        output_dim: channels of the output.
        num_layers: number of layers, at least two.
    """

    def __init__(self, input_dim: int, hidden_dim: int, output_dim: int, num_layers: int) -> None:
        super().__init__()
        widths = [input_dim, *[hidden_dim] * (num_layers - 1), output_dim]
        self.layers = nn.ModuleList(
            [nn.Linear(width, following) for width, following in pairwise(widths)]
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return (..., output_dim) from (..., input_dim)."""
        for layer in self.layers[:-1]:
            x = layer(x).relu()
        return self.layers[-1](x)


def build_layer(layer: Callable[..., Any], cfg: Mapping[str, Any], where: str) -> Any:
    """Build a layer of a transformer from its part of a config.

    Raises:
        ConfigError: naming `where`, for arguments that the layer does not take.
    """
    arguments = dict(cfg)
    if not arguments.pop("batch_first", True):
        raise ConfigError(f"{where}: tokens are (B, L, C) here, batch_first cannot be false")
    problems = argument_problems(layer, arguments)
    if problems:
        raise ConfigError([f"{where}: {message}" for _, message in problems])
    return layer(**arguments)


def build_ffn(cfg: Mapping[str, Any]) -> FeedForward:
    """Build the feed-forward part of a layer from mmcv's arguments.

    Args:
        cfg: `embed_dims`, `feedforward_channels`, `ffn_drop`, `act_cfg` and `num_fcs`, which
            is 2.

    Raises:
        ConfigError: for other arguments or another `num_fcs`.
    """
    return build_layer(_feed_forward, cfg, "ffn_cfg")


def _feed_forward(
    embed_dims: int = 256,
    feedforward_channels: int = 1024,
    num_fcs: int = 2,
    ffn_drop: float = 0.0,
    act_cfg: Mapping[str, Any] = RELU_CFG,
) -> FeedForward:
    if num_fcs != 2:
        raise ConfigError(f"ffn_cfg: num_fcs is 2, got {num_fcs}")
    return FeedForward(embed_dims, feedforward_channels, drop_rate=ffn_drop, act_cfg=act_cfg)
