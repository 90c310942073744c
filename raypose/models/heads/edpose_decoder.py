"""The decoder of ED-Pose: queries become people, then people with their keypoints.

Yang et al.: "Explicit Box Detection Unifies End-to-End Multi-Person Pose Estimation", ICLR 2023.
B images, Q queries, G groups (one person and its keypoints each), K keypoints, C channels, L maps.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from raypose.errors import ConfigError
from raypose.models.heads.edpose_out_head import EDPoseOutHead
from raypose.models.layers.deformable_attention import (
    DeformableDetrTransformerDecoderLayer,
    Sizes,
)
from raypose.models.layers.detr import MLP, build_layer
from raypose.models.layers.positional_encoding import sine_embedding
from raypose.ops.flips import inverse_sigmoid


class EDPoseDecoder(nn.Module):
    """Layers that refine boxes, then layers that refine boxes and keypoints together.

    Args:
        layer_cfg: arguments of `DeformableDetrTransformerDecoderLayer`.
        num_layers: number of layers.
        embed_dims: C.
        query_dim: numbers that place a query: 4, center and extent.
        num_box_decoder_layers: layers for boxes alone; after them the best become groups.
        num_keypoints: K.
        num_group: G.

    Raises:
        ConfigError: for another `query_dim`, or arguments the layers do not take.
    """

    def __init__(
        self,
        layer_cfg: Mapping[str, Any],
        num_layers: int,
        embed_dims: int = 256,
        query_dim: int = 4,
        num_box_decoder_layers: int = 2,
        num_keypoints: int = 17,
        num_group: int = 100,
    ) -> None:
        super().__init__()
        if query_dim != 4:
            raise ConfigError(f"decoder: query_dim is 4 (center and extent), got {query_dim}")
        self.embed_dims = embed_dims
        self.num_box_decoder_layers = num_box_decoder_layers
        self.num_keypoints = num_keypoints
        self.num_group = num_group
        self.layers = nn.ModuleList(
            [
                build_layer(DeformableDetrTransformerDecoderLayer, layer_cfg, "decoder.layer_cfg")
                for _ in range(num_layers)
            ]
        )
        self.norm = nn.LayerNorm(embed_dims)
        self.ref_point_head = MLP(query_dim // 2 * embed_dims, embed_dims, embed_dims, 2)
        self.hw = nn.Embedding(num_keypoints, 2)
        self.keypoint_embed = nn.Embedding(num_keypoints, embed_dims)
        self.bbox_embed = nn.ModuleList()
        self.pose_embed = nn.ModuleList()
        self.pose_hw_embed = nn.ModuleList()
        self.class_embed = nn.ModuleList()

    def share(self, out_head: EDPoseOutHead) -> None:
        """Predict with the layers of the head that reads the result."""
        self.bbox_embed = out_head.bbox_embed
        self.pose_embed = out_head.pose_embed
        self.pose_hw_embed = out_head.pose_hw_embed
        self.class_embed = out_head.class_embed

    def forward(
        self,
        query: Tensor,
        references: Tensor,
        memory: Tensor,
        padding: Tensor,
        sizes: Sizes,
        valid: Tensor,
    ) -> tuple[Tensor, Tensor]:
        """Decode.

        Args:
            query: (B, Q, C).
            references: (B, Q, 4) center and extent of each query, in parts of the image.
            memory: encoded cells of all maps (B, V, C).
            padding: (B, V) bool, true for cells that are not of the image.
            sizes: (h, w) of each map.
            valid: (B, L, 2) parts of each map's width and height that the image fills.

        Returns:
            The queries of all groups after the last layer and its norm (B, G * (K + 1), C), each
            person followed by its keypoints, and where they were before it (B, G * (K + 1), 4).
        """
        mask, output, before = None, query, references
        for index, layer in enumerate(self.layers):
            before = references
            placed = references[:, :, None] * valid.repeat(1, 1, 2)[:, None]
            position = self.ref_point_head(self._encode(placed[:, :, 0]))
            output = layer(output, position, memory, placed, sizes, padding, mask)
            if index < self.num_box_decoder_layers:
                refined = inverse_sigmoid(references) + self.bbox_embed[index](output)
                references = refined.sigmoid()
            else:
                references = self._refine(index, output, references)
            if index == self.num_box_decoder_layers - 1:
                output, references = self._expand(index, output, references)
                mask = self._hidden(output.device)
            references = references.detach()
        return self.norm(output), before

    def _encode(self, references: Tensor) -> Tensor:
        """Return the encoding (B, Q, 2C) of centers and extents: y, x, width, height."""
        codes = sine_embedding(references * 2 * math.pi, self.embed_dims // 2)
        return codes[:, :, [1, 0, 2, 3]].flatten(2)

    def _expand(self, index: int, output: Tensor, references: Tensor) -> tuple[Tensor, Tensor]:
        """Return queries (B, G * (K + 1), C) and references of the best people, with keypoints."""
        scores = self.class_embed[index](output).amax(dim=-1)
        best = scores.topk(self.num_group, dim=1).indices[..., None]
        boxes = references.gather(1, best.expand(-1, -1, 4))[:, :, None]
        people = output.gather(1, best.expand(-1, -1, self.embed_dims))[:, :, None]
        keypoints = people + self.keypoint_embed.weight
        # The reference has a layer of its own for this with the 17 keypoints of COCO.
        moves = self.pose_embed[-1 if self.num_keypoints == 17 else 0](keypoints)
        centers = (inverse_sigmoid(boxes[..., :2]) + moves).sigmoid()
        extents = self.hw.weight.sigmoid() * boxes[..., 2:]
        placed = torch.cat([boxes, torch.cat([centers, extents], dim=-1)], dim=2)
        return torch.cat([people, keypoints], dim=2).flatten(1, 2), placed.flatten(1, 2)

    def _refine(self, index: int, output: Tensor, references: Tensor) -> Tensor:
        """Return where people and keypoints (B, G * (K + 1), 4) are after a layer."""
        groups = (self.num_group, self.num_keypoints + 1)
        states = output.unflatten(1, groups)
        people, keypoints = states[:, :, :1], states[:, :, 1:]
        level = index - self.num_box_decoder_layers
        moves = torch.cat(
            [self.pose_embed[level](keypoints), self.pose_hw_embed[level](keypoints)], dim=-1
        )
        moves = torch.cat([self.bbox_embed[index](people), moves], dim=2)
        return (inverse_sigmoid(references) + moves.flatten(1, 2)).sigmoid()

    def _hidden(self, device: torch.device) -> Tensor:
        """Return the mask (S, S) of queries: groups see themselves, people also each other."""
        query = torch.arange(self.num_group * (self.num_keypoints + 1), device=device)
        group, is_person = query // (self.num_keypoints + 1), query % (self.num_keypoints + 1) == 0
        seen = (group[:, None] == group) | (is_person[:, None] & is_person)
        return ~seen
