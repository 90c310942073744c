"""Attention that looks at a few learned places of several maps, with mmcv's state-dict keys.

Paper: Zhu et al., Deformable DETR: Deformable Transformers for End-to-End Object Detection,
ICLR 2021. B images, Q queries, V cells of all maps, C channels.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from raypose.errors import ConfigError
from raypose.models.layers.detr import (
    LN_CFG,
    PositionedAttention,
    build_ffn,
    build_layer,
)
from raypose.models.layers.norm import build_norm_layer

Sizes = Sequence[tuple[int, int]]  # (h, w) of each map


class MultiScaleDeformableAttention(nn.Module):
    """Each head of each query samples some points of each map and weighs them, with a residual.

    Args:
        embed_dims: C.
        num_heads: heads; they share the channels.
        num_levels: number of maps.
        num_points: points of each head in each map.
        dropout: dropout of the output.

    Raises:
        ConfigError: if the heads do not share the channels evenly.
    """

    def __init__(
        self,
        embed_dims: int = 256,
        num_heads: int = 8,
        num_levels: int = 4,
        num_points: int = 4,
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        if embed_dims % num_heads:
            raise ConfigError(f"{num_heads} heads cannot share {embed_dims} channels")
        self.embed_dims = embed_dims
        self.num_heads = num_heads
        self.num_levels = num_levels
        self.num_points = num_points
        samples = num_heads * num_levels * num_points
        self.sampling_offsets = nn.Linear(embed_dims, 2 * samples)
        self.attention_weights = nn.Linear(embed_dims, samples)
        self.value_proj = nn.Linear(embed_dims, embed_dims)
        self.output_proj = nn.Linear(embed_dims, embed_dims)
        self.dropout = nn.Dropout(dropout)

    @torch.no_grad()
    def reset_parameters(self) -> None:
        """Start with points in as many directions as there are heads, all weighing the same."""
        angle = torch.arange(self.num_heads) * (2 * math.pi / self.num_heads)
        direction = torch.stack([angle.cos(), angle.sin()], dim=-1)
        direction = direction / direction.abs().amax(dim=-1, keepdim=True)
        steps = torch.arange(1, self.num_points + 1)[:, None]
        offsets = (direction[:, None, None] * steps).expand(-1, self.num_levels, -1, -1)
        for layer in (self.sampling_offsets, self.attention_weights):
            nn.init.zeros_(layer.weight)
        self.sampling_offsets.bias.copy_(offsets.flatten())
        nn.init.zeros_(self.attention_weights.bias)
        for layer in (self.value_proj, self.output_proj):
            nn.init.xavier_uniform_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(
        self,
        x: Tensor,
        position: Tensor,
        value: Tensor,
        references: Tensor,
        sizes: Sizes,
        padding: Tensor | None = None,
    ) -> Tensor:
        """Return queries (B, Q, C).

        Args:
            x: queries (B, Q, C).
            position: encodings of their positions, (B, Q, C).
            value: cells of all maps (B, V, C), map after map, row by row.
            references: (B, Q, L, 2) x, y of each query in each map, or (B, Q, L, 4) with width
                and height, in parts of the map.
            sizes: (h, w) of each of the L maps.
            padding: (B, V) bool, true for cells that are not of the image.
        """
        placed = x + position
        shape = (self.num_heads, self.num_levels, self.num_points)
        values = self.value_proj(value)
        if padding is not None:
            values = values.masked_fill(padding[..., None], 0.0)
        offsets = self.sampling_offsets(placed).unflatten(-1, (*shape, 2))
        weights = self.attention_weights(placed).unflatten(-1, (self.num_heads, -1)).softmax(-1)
        centers = references[:, :, None, :, None, :2]
        if references.shape[-1] == 4:
            extents = references[:, :, None, :, None, 2:]
            places = centers + offsets / self.num_points * extents * 0.5
        else:
            cells = [offsets[..., i, :, :] / _wh(size, offsets) for i, size in enumerate(sizes)]
            places = centers + torch.stack(cells, dim=3)
        sampled = _sample(values.unflatten(-1, (self.num_heads, -1)), places, weights, sizes)
        return x + self.dropout(self.output_proj(sampled))


class DeformableDetrTransformerEncoderLayer(nn.Module):
    """Deformable self-attention and feed-forward layers, each with a residual and then a norm.

    Args:
        self_attn_cfg: arguments of `MultiScaleDeformableAttention`.
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
        attention = build_layer(MultiScaleDeformableAttention, self_attn_cfg, "self_attn_cfg")
        self.self_attn: MultiScaleDeformableAttention = attention
        self.ffn = build_ffn(ffn_cfg)
        self.norms = nn.ModuleList(
            [build_norm_layer(norm_cfg, attention.embed_dims) for _ in range(2)]
        )

    def forward(
        self, x: Tensor, position: Tensor, references: Tensor, sizes: Sizes, padding: Tensor
    ) -> Tensor:
        """Return cells (B, V, C); see `MultiScaleDeformableAttention.forward`."""
        x = self.norms[0](self.self_attn(x, position, x, references, sizes, padding))
        return self.norms[1](x + self.ffn(x))


class DeformableDetrTransformerEncoder(nn.Module):
    """Several layers over the cells of all maps.

    Args:
        num_layers: number of layers, at least one.
        layer_cfg: arguments of `DeformableDetrTransformerEncoderLayer`.
    """

    def __init__(self, num_layers: int, layer_cfg: Mapping[str, Any]) -> None:
        super().__init__()
        layers = [
            build_layer(DeformableDetrTransformerEncoderLayer, layer_cfg, "encoder.layer_cfg")
            for _ in range(num_layers)
        ]
        self.layers = nn.ModuleList(layers)
        self.embed_dims: int = layers[0].self_attn.embed_dims

    def forward(
        self, x: Tensor, position: Tensor, padding: Tensor, sizes: Sizes, valid: Tensor
    ) -> Tensor:
        """Return cells (B, V, C).

        Args:
            x: cells of all maps (B, V, C), map after map, row by row.
            position: encodings of their positions (B, V, C).
            padding: (B, V) bool, true for cells that are not of the image.
            sizes: (h, w) of each of the L maps.
            valid: (B, L, 2) parts of each map's width and height that the image fills.
        """
        centers = []
        for level, (height, width) in enumerate(sizes):
            grid = cell_centers(height, width, x.device)
            centers.append(grid / (valid[:, level, None] * _wh((height, width), x)))
        references = torch.cat(centers, dim=1)[:, :, None] * valid[:, None]
        for layer in self.layers:
            x = layer(x, position, references, sizes, padding)
        return x


class DeformableDetrTransformerDecoderLayer(nn.Module):
    """Self-attention, deformable attention to the image, feed-forward; each with a residual.

    Args:
        self_attn_cfg: arguments of `PositionedAttention`.
        cross_attn_cfg: arguments of `MultiScaleDeformableAttention`.
        ffn_cfg: see `build_ffn`.
        norm_cfg: kind of norm.
    """

    def __init__(
        self,
        self_attn_cfg: Mapping[str, Any] = MappingProxyType({}),
        cross_attn_cfg: Mapping[str, Any] = MappingProxyType({}),
        ffn_cfg: Mapping[str, Any] = MappingProxyType({}),
        norm_cfg: Mapping[str, Any] = LN_CFG,
    ) -> None:
        super().__init__()
        self.self_attn: PositionedAttention = build_layer(
            PositionedAttention, self_attn_cfg, "self_attn_cfg"
        )
        self.cross_attn: MultiScaleDeformableAttention = build_layer(
            MultiScaleDeformableAttention, cross_attn_cfg, "cross_attn_cfg"
        )
        self.ffn = build_ffn(ffn_cfg)
        self.norms = nn.ModuleList(
            [build_norm_layer(norm_cfg, self.self_attn.embed_dims) for _ in range(3)]
        )

    def forward(
        self,
        x: Tensor,
        position: Tensor,
        value: Tensor,
        references: Tensor,
        sizes: Sizes,
        padding: Tensor,
        mask: Tensor | None,
    ) -> Tensor:
        """Return queries (B, Q, C).

        Args:
            x: see `MultiScaleDeformableAttention.forward`, as the next five.
            position: encodings of the queries' positions.
            value: cells of the image.
            references: where each query is.
            sizes: of the maps.
            padding: which cells are not of the image.
            mask: (Q, Q) bool, true where a query does not see another.
        """
        x = self.norms[0](self.self_attn(x, position, mask))
        x = self.norms[1](self.cross_attn(x, position, value, references, sizes, padding))
        return self.norms[2](x + self.ffn(x))


def cell_centers(height: int, width: int, device: torch.device) -> Tensor:
    """Return the centers (height * width, 2) x, y of the cells of a map, row by row, in cells."""
    x = torch.arange(width, dtype=torch.float32, device=device) + 0.5
    y = torch.arange(height, dtype=torch.float32, device=device) + 0.5
    shape = (height, width)
    return torch.stack([x.expand(shape), y[:, None].expand(shape)], dim=-1).flatten(0, 1)


def _wh(size: tuple[int, int], like: Tensor) -> Tensor:
    """Return (w, h) of a map (h, w) as a tensor."""
    # Filled, not copied from the host, for which a device would be waited for.
    return torch.cat([like.new_full((1,), size[1]), like.new_full((1,), size[0])])


def _sample(values: Tensor, places: Tensor, weights: Tensor, sizes: Sizes) -> Tensor:
    """Return the weighted sum (B, Q, C) of samples.

    Args:
        values: (B, V, heads, channels of a head).
        places: (B, Q, heads, L, points, 2) in parts of the map.
        weights: (B, Q, heads, L * points).
        sizes: (h, w) of the L maps.
    """
    maps = values.split([height * width for height, width in sizes], dim=1)
    sampled = []
    for level, (cells, size) in enumerate(zip(maps, sizes, strict=True)):
        image = cells.permute(0, 2, 3, 1).flatten(0, 1).unflatten(-1, size)
        grid = places[:, :, :, level].transpose(1, 2).flatten(0, 1) * 2 - 1
        sampled.append(F.grid_sample(image, grid, mode="bilinear", align_corners=False))
    together = torch.cat(sampled, dim=-1)  # (B * heads, channels, Q, L * points)
    total = (together * weights.transpose(1, 2).flatten(0, 1)[:, None]).sum(dim=-1)
    return total.unflatten(0, (len(values), -1)).flatten(1, 2).mT
