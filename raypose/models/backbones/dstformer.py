"""Dual-stream spatio-temporal transformer, the backbone of MotionBERT.

Paper: Zhu et al., MotionBERT: A Unified Perspective on Learning Human Motion Representations,
ICCV 2023. B sequences, T frames, K keypoints, C channels.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import torch
from torch import Tensor, nn

from raypose.errors import RayposeError
from raypose.models.backbones.base_backbone import BaseBackbone
from raypose.models.base_module import InitCfg
from raypose.models.layers import DropPath, MultiheadAttention
from raypose.models.layers.initialize import is_pretrained
from raypose.registry import MODELS

_INIT: Sequence[Mapping[str, Any]] = ({"type": "TruncNormal", "std": 0.02, "layer": ["Linear"]},)


@MODELS.register_module()
class DSTFormer(BaseBackbone):
    """Two streams of attention among keypoints and among frames, one beginning with each.

    Args:
        in_channels: features of a keypoint.
        feat_size: channels C.
        depth: blocks of each stream.
        num_heads: heads of the attention.
        mlp_ratio: channels inside the feed-forward parts, relative to C.
        num_keypoints: K.
        seq_len: most frames of a sequence.
        qkv_bias: whether queries, keys and values have a bias.
        qk_scale: factor of the products of queries and keys; 1 / sqrt(C / heads) by default.
        drop_rate: dropout of the embedding and the projections.
        attn_drop_rate: dropout of the attention weights.
        drop_path_rate: stochastic depth of the last block; it grows linearly from 0.
        att_fuse: learn how much of each stream goes on; otherwise their mean does.
        init_cfg: see `BaseModule`.

    Example:
        type: DSTFormer
        in_channels: 3
        feat_size: 512
        depth: 5
        num_heads: 8
        mlp_ratio: 2
        seq_len: 243
    """

    def __init__(
        self,
        in_channels: int,
        feat_size: int = 256,
        depth: int = 5,
        num_heads: int = 8,
        mlp_ratio: float = 4,
        num_keypoints: int = 17,
        seq_len: int = 243,
        qkv_bias: bool = True,
        qk_scale: float | None = None,
        drop_rate: float = 0.0,
        attn_drop_rate: float = 0.0,
        drop_path_rate: float = 0.0,
        att_fuse: bool = True,
        init_cfg: InitCfg = _INIT,
    ) -> None:
        super().__init__(init_cfg)
        self.joints_embed = nn.Linear(in_channels, feat_size)
        self.temp_embed = nn.Parameter(torch.zeros(1, seq_len, 1, feat_size))
        self.spat_embed = nn.Parameter(torch.zeros(1, num_keypoints, feat_size))
        self.pos_drop = nn.Dropout(drop_rate)
        shared: dict[str, Any] = {
            "mlp_ratio": mlp_ratio,
            "qkv_bias": qkv_bias,
            "qk_scale": qk_scale,
            "drop_rate": drop_rate,
            "attn_drop_rate": attn_drop_rate,
        }
        # Block by block from 0 to drop_path_rate.
        rates = [drop_path_rate * i / max(depth - 1, 1) for i in range(depth)]
        self.blocks_st, self.blocks_ts = (
            nn.ModuleList(
                [
                    AttentionBlock(feat_size, num_heads, order, drop_path_rate=rate, **shared)
                    for rate in rates
                ]
            )
            for order in ("st", "ts")
        )
        self.norm = nn.LayerNorm(feat_size)
        self.attn_regress = None
        if att_fuse:
            self.attn_regress = nn.ModuleList([nn.Linear(feat_size * 2, 2) for _ in rates])

    def init_weights(self) -> None:
        """Start the weights by `init_cfg`, embeddings from a narrow normal, streams as equals."""
        super().init_weights()
        if is_pretrained(self.init_cfg):
            return
        nn.init.trunc_normal_(self.temp_embed, std=0.02)
        nn.init.trunc_normal_(self.spat_embed, std=0.02)
        for layer in self.attn_regress or ():
            for parameter in layer.parameters():
                nn.init.zeros_(parameter)

    def forward(self, x: Tensor) -> Tensor:
        """Return features (B, T, K, C).

        Args:
            x: (B, T, K, in_channels) float32.

        Raises:
            RayposeError: if the sequences are longer than `seq_len`.
        """
        T, longest = x.shape[1], self.temp_embed.shape[1]
        if T > longest:
            raise RayposeError(f"DSTFormer was built for {longest} frames, got {T}")
        x = self.joints_embed(x) + self.spat_embed + self.temp_embed[:, :T]
        x = self.pos_drop(x)
        for i, (space_first, time_first) in enumerate(
            zip(self.blocks_st, self.blocks_ts, strict=True)
        ):
            one, other = space_first(x), time_first(x)
            if self.attn_regress is None:
                x = (one + other) * 0.5
            else:
                shares = self.attn_regress[i](torch.cat([one, other], dim=-1)).softmax(dim=-1)
                x = one * shares[..., :1] + other * shares[..., 1:]
        return self.norm(x)


class AttentionBlock(nn.Module):
    """Attention and a feed-forward part among keypoints (`_s`), and both among frames (`_t`).

    Args:
        channels: channels C.
        num_heads: heads of the attention.
        order: `st` for keypoints first, `ts` for frames first.
        mlp_ratio: channels inside the feed-forward parts, relative to C.
        qkv_bias: whether queries, keys and values have a bias.
        qk_scale: see `MultiheadAttention`.
        drop_rate: dropout of the projections.
        attn_drop_rate: dropout of the attention weights.
        drop_path_rate: see `DropPath`; frames lose a branch one by one.
    """

    def __init__(
        self,
        channels: int,
        num_heads: int,
        order: Literal["st", "ts"],
        mlp_ratio: float = 4.0,
        qkv_bias: bool = True,
        qk_scale: float | None = None,
        drop_rate: float = 0.0,
        attn_drop_rate: float = 0.0,
        drop_path_rate: float = 0.0,
    ) -> None:
        super().__init__()
        self.order = order
        for axis in ("s", "t"):
            attention = MultiheadAttention(
                channels,
                num_heads,
                attn_drop=attn_drop_rate,
                proj_drop=drop_rate,
                qkv_bias=qkv_bias,
                qk_scale=qk_scale,
            )
            inside = int(channels * mlp_ratio)
            feed_forward = nn.Sequential(
                nn.Linear(channels, inside), nn.GELU(), nn.Linear(inside, channels)
            )
            self.add_module(f"norm1_{axis}", nn.LayerNorm(channels))
            self.add_module(f"attn_{axis}", attention)
            self.add_module(f"norm2_{axis}", nn.LayerNorm(channels))
            self.add_module(f"mlp_{axis}", feed_forward)
        self.drop_path = DropPath(drop_path_rate)

    def forward(self, x: Tensor) -> Tensor:
        """Return features (B, T, K, C) from features (B, T, K, C)."""
        for axis in self.order:
            x = x + self._drop(self._attend(axis, getattr(self, f"norm1_{axis}")(x)))
            x = x + self._drop(getattr(self, f"mlp_{axis}")(getattr(self, f"norm2_{axis}")(x)))
        return x

    def _attend(self, axis: str, x: Tensor) -> Tensor:
        attention = getattr(self, f"attn_{axis}")
        if axis == "s":
            return attention(x.flatten(0, 1)).unflatten(0, x.shape[:2])
        x = x.transpose(1, 2)
        return attention(x.flatten(0, 1)).unflatten(0, x.shape[:2]).transpose(1, 2)

    def _drop(self, x: Tensor) -> Tensor:
        return self.drop_path(x.flatten(0, 1)).unflatten(0, x.shape[:2])
