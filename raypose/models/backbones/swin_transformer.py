"""Swin transformer.

Paper: Liu et al., Swin Transformer: Hierarchical Vision Transformer using Shifted Windows, ICCV
2021. B images, H x W tokens, C channels.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from raypose.errors import ConfigError
from raypose.models.backbones.original_weights import swin_weights
from raypose.models.backbones.staged_backbone import StagedBackbone, check_indices
from raypose.models.base_module import InitCfg
from raypose.models.layers import (
    PatchEmbed,
    PatchMerging,
    build_norm_layer,
    resize_position_embedding,
)
from raypose.models.layers.initialize import is_pretrained
from raypose.models.layers.patch_embed import Size
from raypose.models.layers.swin_block import LN, SwinBlock
from raypose.models.layers.transformer import GELU
from raypose.registry import MODELS

_INIT: Sequence[Mapping[str, Any]] = (
    {"type": "TruncNormal", "std": 0.02, "layer": ["Linear"]},
    {"type": "Constant", "val": 1, "layer": ["LayerNorm"]},
)


@MODELS.register_module()
class SwinTransformer(StagedBackbone):
    """Stages of attention in windows; with the default strides stage i has stride 4 * 2^i.

    Args:
        pretrain_img_size: (h, w) of the images the absolute positions are for, or one number.
        in_channels: channels of the image.
        embed_dims: channels of the first stage; they double from stage to stage.
        patch_size: side of a patch in pixels.
        window_size: side of a window in tokens.
        mlp_ratio: channels inside the feed-forward parts, relative to those outside.
        depths: blocks of each stage.
        num_heads: heads of each stage.
        strides: of the patches, then of what merges them after each stage but the last.
        out_indices: stages whose outputs are returned.
        qkv_bias: whether queries, keys and values have a bias.
        qk_scale: factor of the products of queries and keys; 1 / sqrt(C / heads) by default.
        patch_norm: whether patches and merged patches are normalised.
        drop_rate: dropout of tokens and projections.
        attn_drop_rate: dropout of the attention weights.
        drop_path_rate: stochastic depth of the last block; it grows linearly from 0.
        use_abs_pos_embed: whether tokens get a learnt embedding of their position in the image.
        act_cfg: kind of activation.
        norm_cfg: kind of norm.
        with_cp: save memory by computing blocks again in the backward pass.
        convert_weights: take checkpoints of the authors' repository, too.
        frozen_stages: see `StagedBackbone`.
        init_cfg: see `BaseModule`.

    Raises:
        ConfigError: for sizes that do not go together or indices that do not exist.

    Example:
        type: SwinTransformer
        embed_dims: 96
        depths: [2, 2, 6, 2]
        num_heads: [3, 6, 12, 24]
        window_size: 7
        drop_path_rate: 0.2
        out_indices: [3]
    """

    def __init__(
        self,
        pretrain_img_size: int | Sequence[int] = 224,
        in_channels: int = 3,
        embed_dims: int = 96,
        patch_size: int = 4,
        window_size: int = 7,
        mlp_ratio: float = 4,
        depths: Sequence[int] = (2, 2, 6, 2),
        num_heads: Sequence[int] = (3, 6, 12, 24),
        strides: Sequence[int] = (4, 2, 2, 2),
        out_indices: Sequence[int] = (0, 1, 2, 3),
        qkv_bias: bool = True,
        qk_scale: float | None = None,
        patch_norm: bool = True,
        drop_rate: float = 0.0,
        attn_drop_rate: float = 0.0,
        drop_path_rate: float = 0.1,
        use_abs_pos_embed: bool = False,
        act_cfg: Mapping[str, Any] = GELU,
        norm_cfg: Mapping[str, Any] = LN,
        with_cp: bool = False,
        convert_weights: bool = False,
        frozen_stages: int = -1,
        init_cfg: InitCfg = _INIT,
    ) -> None:
        super().__init__(frozen_stages, init_cfg=init_cfg)
        count = len(depths)
        if not count == len(num_heads) == len(strides):
            raise ConfigError(
                "SwinTransformer: depths, num_heads and strides have one entry for each stage, got "
                f"{list(depths)}, {list(num_heads)} and {list(strides)}"
            )
        if strides[0] != patch_size:
            raise ConfigError(
                f"SwinTransformer: patches do not overlap: strides[0] is patch_size {patch_size}, "
                f"got {strides[0]}"
            )
        self.out_indices = check_indices("SwinTransformer: out_indices", out_indices, count)
        self.convert_weights = convert_weights
        patch_norm_cfg = norm_cfg if patch_norm else None
        height, width = (
            (pretrain_img_size, pretrain_img_size)
            if isinstance(pretrain_img_size, int)
            else pretrain_img_size
        )
        self.patch_embed = PatchEmbed(
            in_channels,
            embed_dims,
            (height, width),
            kernel_size=patch_size,
            norm_cfg=patch_norm_cfg,
        )
        self.absolute_pos_embed = None
        if use_abs_pos_embed:
            tokens = math.prod(self.patch_embed.init_out_size)
            self.absolute_pos_embed = nn.Parameter(torch.zeros(1, tokens, embed_dims))
        self.drop_after_pos = nn.Dropout(drop_rate)
        shared: dict[str, Any] = {
            "window_size": window_size,
            "qkv_bias": qkv_bias,
            "qk_scale": qk_scale,
            "drop_rate": drop_rate,
            "attn_drop_rate": attn_drop_rate,
            "act_cfg": act_cfg,
            "norm_cfg": norm_cfg,
            "with_cp": with_cp,
        }
        # Block by block from 0 to drop_path_rate.
        step = drop_path_rate / max(sum(depths) - 1, 1)
        self.stages = nn.ModuleList()
        for i, depth in enumerate(depths):
            channels, first = embed_dims * 2**i, sum(depths[:i])
            blocks = [
                SwinBlock(
                    channels,
                    num_heads[i],
                    int(mlp_ratio * channels),
                    shift=k % 2 == 1,
                    drop_path_rate=step * (first + k),
                    **shared,
                )
                for k in range(depth)
            ]
            merging = (
                PatchMerging(channels, 2 * channels, strides[i + 1], patch_norm_cfg)
                if i < count - 1
                else None
            )
            self.stages.append(SwinStage(blocks, merging))
        for i in self.out_indices:
            self.add_module(f"norm{i}", build_norm_layer(norm_cfg, embed_dims * 2**i))
        self.freeze()

    def init_weights(self) -> None:
        """Start the weights by `init_cfg`, and absolute positions from a narrow normal."""
        if self.absolute_pos_embed is not None and not is_pretrained(self.init_cfg):
            nn.init.trunc_normal_(self.absolute_pos_embed, std=0.02)
        super().init_weights()

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """See `BaseBackbone.forward`."""
        x, size = self.patch_embed(x)
        if self.absolute_pos_embed is not None:
            x = x + resize_position_embedding(
                self.absolute_pos_embed, self.patch_embed.init_out_size, size, num_extra_tokens=0
            )
        x = self.drop_after_pos(x)
        outs = []
        for i, stage in enumerate(self.stages):
            out, (x, next_size) = stage(x, size)
            if i in self.out_indices:
                out = getattr(self, f"norm{i}")(out)
                outs.append(out.transpose(1, 2).reshape(out.shape[0], -1, *size))
            size = next_size
        return tuple(outs)

    def adapt_state_dict(self, state_dict: dict[str, Tensor], prefix: str) -> None:
        """Rename the weights of the authors' repository, if `convert_weights`.

        `raypose.models.checkpoint` calls this before it compares keys and shapes.
        """
        if self.convert_weights:
            swin_weights(state_dict, prefix)

    def frozen_modules(self) -> Iterator[nn.Module | nn.Parameter]:
        """See `StagedBackbone.frozen_modules`."""
        if self.frozen_stages < 0:
            return
        yield from (self.patch_embed, self.drop_after_pos)
        if self.absolute_pos_embed is not None:
            yield self.absolute_pos_embed
        for i, stage in enumerate(self.stages[: self.frozen_stages]):
            yield stage
            if i in self.out_indices:
                yield self.get_submodule(f"norm{i}")


class SwinStage(nn.Module):
    """Blocks of one resolution, and what leads to the next one (`downsample`).

    Args:
        blocks: in their order.
        downsample: None for the last stage.
    """

    def __init__(self, blocks: Sequence[SwinBlock], downsample: PatchMerging | None) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(blocks)
        self.downsample = downsample

    def forward(self, x: Tensor, size: Size) -> tuple[Tensor, tuple[Tensor, Size]]:
        """Return tokens from tokens (B, H * W, C), and what the next stage gets with its size."""
        for block in self.blocks:
            x = block(x, size)
        return x, (x, size) if self.downsample is None else self.downsample(x, size)
