"""`EDPoseHead`: people and their keypoints from queries, end to end.

B images, V cells of all maps, Q queries, G groups (one person and its keypoints each), K
keypoints, C channels, L maps.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor, nn

from raypose.codecs.base import BaseKeypointCodec
from raypose.errors import ConfigError, RayposeError
from raypose.models.base_module import InitCfg
from raypose.models.heads.base_head import Features, numpy_of
from raypose.models.heads.edpose_decoder import EDPoseDecoder
from raypose.models.heads.edpose_out_head import EDPoseOutHead
from raypose.models.heads.transformer_head import TransformerHead, valid_ratio
from raypose.models.layers.deformable_attention import (
    DeformableDetrTransformerEncoder,
    MultiScaleDeformableAttention,
    cell_centers,
)
from raypose.models.layers.detr import build_layer
from raypose.models.layers.positional_encoding import PositionEmbeddingSineHW
from raypose.ops.flips import inverse_sigmoid
from raypose.registry import CODECS, MODELS
from raypose.structures import PoseBatch, Poses

LINEAR_INIT: Mapping[str, Any] = MappingProxyType(
    {"type": "Normal", "layer": ["Linear"], "std": 0.01, "bias": 0}
)
# Of training by denoising this head has the labels, as checkpoints hold a vector for each.
_DENOISING: Mapping[str, Any] = MappingProxyType({"dn_labelbook_size": 100})


@MODELS.register_module()
class EDPoseHead(TransformerHead):
    """Deformable transformer whose queries find people and then their keypoints.

    Yang et al.: "Explicit Box Detection Unifies End-to-End Multi-Person Pose Estimation",
    ICLR 2023. The head predicts with trained weights; it has no loss, as MMPose's has none.

    Args:
        num_queries: Q.
        num_feature_levels: L.
        num_keypoints: K.
        as_two_stage: start from the best cells of the encoder instead of learned queries.
        encoder: `num_layers` and `layer_cfg` of the encoder.
        decoder: arguments of `EDPoseDecoder`.
        out_head: arguments of `EDPoseOutHead`, besides those it shares with the decoder.
        positional_encoding: arguments of `PositionEmbeddingSineHW`.
        data_decoder: config of the codec, or a codec; prediction needs it.
        denosing_cfg: `dn_labelbook_size`, the number of labels that checkpoints hold a vector for.
            Nothing else, as there is no training.
        dec_pred_class_embed_share: see `EDPoseOutHead`.
        dec_pred_bbox_embed_share: see `EDPoseOutHead`.
        init_cfg: see `BaseModule`.

    Raises:
        ConfigError: for arguments the parts do not take.

    Example:
        type: EDPoseHead
        num_queries: 900
        num_keypoints: 17
        as_two_stage: true
        encoder:
          num_layers: 6
          layer_cfg:
            self_attn_cfg: {embed_dims: 256, num_heads: 8, num_levels: 4, num_points: 4}
            ffn_cfg: {embed_dims: 256, feedforward_channels: 2048}
        decoder:
          num_layers: 6
          layer_cfg:
            self_attn_cfg: {embed_dims: 256, num_heads: 8}
            cross_attn_cfg: {embed_dims: 256}
            ffn_cfg: {embed_dims: 256, feedforward_channels: 2048, ffn_drop: 0.1}
          num_group: 100
        out_head: {num_classes: 2}
        positional_encoding:
          {num_pos_feats: 128, temperatureH: 20, temperatureW: 20, normalize: true}
        data_decoder: {type: EDPoseLabel, num_select: 50, num_keypoints: 17}
    """

    decoder: Any  # the transformer's; that of keypoints is `data_decoder`

    def __init__(
        self,
        encoder: Mapping[str, Any],
        decoder: Mapping[str, Any],
        out_head: Mapping[str, Any],
        positional_encoding: Mapping[str, Any],
        num_queries: int = 100,
        num_feature_levels: int = 4,
        num_keypoints: int = 17,
        as_two_stage: bool = False,
        data_decoder: Mapping[str, Any] | BaseKeypointCodec | None = None,
        denosing_cfg: Mapping[str, Any] = _DENOISING,
        dec_pred_class_embed_share: bool = False,
        dec_pred_bbox_embed_share: bool = False,
        init_cfg: InitCfg = LINEAR_INIT,
    ) -> None:
        super().__init__(init_cfg)
        self.num_queries = num_queries
        self.as_two_stage = as_two_stage
        self.data_decoder: BaseKeypointCodec | None = (
            None if data_decoder is None else CODECS.build(data_decoder)
        )
        self.positional_encoding: PositionEmbeddingSineHW = build_layer(
            PositionEmbeddingSineHW, positional_encoding, "positional_encoding"
        )
        self.encoder: DeformableDetrTransformerEncoder = build_layer(
            DeformableDetrTransformerEncoder, encoder, "encoder"
        )
        self.embed_dims = self.encoder.embed_dims
        sizes = {"num_keypoints": num_keypoints}
        self.decoder = build_layer(EDPoseDecoder, {**decoder, **sizes}, "decoder")
        shared = ("embed_dims", "num_box_decoder_layers", "num_group")
        self.out_head: EDPoseOutHead = build_layer(
            EDPoseOutHead,
            {
                "dec_pred_class_embed_share": dec_pred_class_embed_share,
                "dec_pred_bbox_embed_share": dec_pred_bbox_embed_share,
                "num_pred_layer": len(self.decoder.layers),
                **out_head,
                **sizes,
                **{name: getattr(self.decoder, name) for name in shared},
            },
            "out_head",
        )
        if set(denosing_cfg) != set(_DENOISING):
            raise ConfigError(
                f"denosing_cfg has 'dn_labelbook_size' and nothing else, got {list(denosing_cfg)}"
            )
        self.label_enc = nn.Embedding(denosing_cfg["dn_labelbook_size"] + 1, self.embed_dims)
        self.level_embed = nn.Parameter(torch.randn(num_feature_levels, self.embed_dims))
        self.decoder.share(self.out_head)
        if as_two_stage:
            self.memory_trans_fc = nn.Linear(self.embed_dims, self.embed_dims)
            self.memory_trans_norm = nn.LayerNorm(self.embed_dims)
            boxes, classes = self.out_head.bbox_embed[0], self.out_head.class_embed[0]
            if not (dec_pred_class_embed_share and dec_pred_bbox_embed_share):
                boxes, classes = copy.deepcopy(boxes), copy.deepcopy(classes)
            self.enc_out_bbox_embed, self.enc_out_class_embed = boxes, classes
        else:
            self.query_embedding = nn.Embedding(num_queries, self.embed_dims)
            self.refpoint_embedding = nn.Embedding(num_queries, 4)

    def init_weights(self) -> None:
        """Start as the paper's code does."""
        super().init_weights()
        matrices = [*self.encoder.parameters(), *self.decoder.layers.parameters()]
        for parameter in matrices:
            if parameter.dim() > 1:
                nn.init.xavier_uniform_(parameter)
        for module in self.modules():
            if isinstance(module, MultiScaleDeformableAttention):
                module.reset_parameters()
        self.out_head.reset_parameters()
        if self.as_two_stage:
            nn.init.xavier_uniform_(self.memory_trans_fc.weight)

    def forward_encoder(self, feats: Features, paddings: list[Tensor]) -> Tensor:
        """See `TransformerHead.forward_encoder`."""
        positions = [
            (self.positional_encoding(padding) + level).flatten(1, 2)
            for padding, level in zip(paddings, self.level_embed, strict=True)
        ]
        return self.encoder(
            torch.cat([x.flatten(2).mT for x in feats], dim=1),
            torch.cat(positions, dim=1),
            torch.cat([padding.flatten(1) for padding in paddings], dim=1),
            [(x.shape[-2], x.shape[-1]) for x in feats],
            torch.stack([valid_ratio(padding) for padding in paddings], dim=1),
        )

    def forward_decoder(
        self, feats: Features, paddings: list[Tensor], memory: Tensor
    ) -> tuple[Tensor, Tensor]:
        """See `TransformerHead.forward_decoder`."""
        if self.as_two_stage:
            query, references = self._best_cells(memory, paddings)
        else:
            B = len(memory)
            query = self.query_embedding.weight.expand(B, -1, -1)
            references = self.refpoint_embedding.weight.expand(B, -1, -1).sigmoid()
        return self.decoder(
            query,
            references,
            memory,
            torch.cat([padding.flatten(1) for padding in paddings], dim=1),
            [(x.shape[-2], x.shape[-1]) for x in feats],
            torch.stack([valid_ratio(padding) for padding in paddings], dim=1),
        )

    def forward_out_head(self, *decoded: Any) -> tuple[Tensor, Tensor, Tensor]:
        """Return logits (B, G, classes), boxes (B, G, 4) and keypoints (B, G, 3K)."""
        return self.out_head(*decoded)

    def loss(self, feats: Features, batch: PoseBatch) -> dict[str, Tensor]:
        """Refuse: there is no training of ED-Pose here, nor in MMPose.

        Raises:
            RayposeError: always.
        """
        raise RayposeError("EDPoseHead has no loss: load trained weights and predict")

    def predict(self, feats: Features, batch: PoseBatch) -> list[Poses]:
        """Return the `num_select` best people of each image in input space, with `bboxes`.

        Raises:
            RayposeError: without a `data_decoder`, or in a flip test.
        """
        if self.data_decoder is None:
            raise RayposeError("EDPoseHead was built without a data_decoder")
        if batch.flip_test:
            raise RayposeError("EDPoseHead has no flip test: set test_cfg.flip_test to false")
        sizes = torch.tensor([crop.input_size for crop in batch.transforms]).to(feats[0].device)
        logits, boxes, keypoints = self.forward(feats, self._padding(batch, sizes))
        points, (scores, corners) = self.data_decoder.decode(
            [logits.sigmoid(), boxes, keypoints, sizes]
        )
        return [
            Poses(
                keypoints=numpy_of(points[i]),
                keypoint_scores=numpy_of(scores[i]),
                bboxes=numpy_of(corners[i]),
                bbox_scores=numpy_of(scores[i, :, 0]),
                scores=numpy_of(scores[i, :, 0]),
            )
            for i in range(len(points))
        ]

    def _padding(self, batch: PoseBatch, sizes: Tensor) -> Tensor | None:
        """Return which pixels (B, H, W) of the inputs are not of the images."""
        if not isinstance(batch.inputs, Tensor):
            return None
        x, y = (
            torch.arange(length, device=sizes.device)
            for length in reversed(batch.inputs.shape[-2:])
        )
        right, below = x >= sizes[:, :1], y >= sizes[:, 1:]
        return right[:, None] | below[:, :, None]

    def _best_cells(self, memory: Tensor, paddings: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """Return the queries (B, Q, C) that start from the best cells, and where (B, Q, 4)."""
        proposals = torch.cat(
            [_proposals(padding, 0.05 * 2**level) for level, padding in enumerate(paddings)], dim=1
        )
        padding = torch.cat([item.flatten(1) for item in paddings], dim=1)
        inside = ((proposals > 0.01) & (proposals < 0.99)).all(dim=-1)
        usable = (inside & ~padding)[..., None]
        cells = self.memory_trans_norm(self.memory_trans_fc(torch.where(usable, memory, 0.0)))
        places = torch.where(usable, inverse_sigmoid(proposals), torch.inf)
        places = places + self.enc_out_bbox_embed(cells)
        scores = self.enc_out_class_embed(cells).amax(dim=-1)
        best = scores.topk(self.num_queries, dim=1).indices[..., None]
        query = cells.gather(1, best.expand(-1, -1, cells.shape[-1])).detach()
        return query, places.gather(1, best.expand(-1, -1, 4)).detach().sigmoid()


def _proposals(padding: Tensor, extent: float) -> Tensor:
    """Return a square box (B, H * W, 4), center and extent, at each cell of a map."""
    B, H, W = padding.shape
    filled = (~padding).sum(dim=1).amax(dim=-1), (~padding).sum(dim=2).amax(dim=-1)
    size = torch.stack([filled[1], filled[0]], dim=-1)[:, None]
    centers = cell_centers(H, W, padding.device).expand(B, -1, -1) / size
    return torch.cat([centers, torch.full_like(centers, extent)], dim=-1)
