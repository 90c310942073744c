"""Pyramid vision transformers, versions 1 and 2.

Papers: Wang et al., Pyramid Vision Transformer, ICCV 2021; Wang et al., PVT v2: Improved Baselines
with Pyramid Vision Transformer, CVMJ 2022.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from raypose.errors import ConfigError
from raypose.models.backbones.base_backbone import BaseBackbone
from raypose.models.backbones.original_weights import pvt_weights
from raypose.models.backbones.staged_backbone import check_indices
from raypose.models.base_module import BaseModule, InitCfg
from raypose.models.layers import PatchEmbed, build_norm_layer, resize_position_embedding
from raypose.models.layers.patch_embed import Size
from raypose.models.layers.pvt_block import PVTEncoderLayer, to_map
from raypose.models.layers.transformer import GELU, LN
from raypose.registry import MODELS

_INIT: Sequence[Mapping[str, Any]] = (
    {"type": "TruncNormal", "std": 0.02, "layer": ["Linear"]},
    {"type": "Constant", "val": 1, "layer": ["LayerNorm"]},
    {"type": "Kaiming", "layer": ["Conv2d"]},
)


@MODELS.register_module()
class PyramidVisionTransformer(BaseBackbone):
    """PVT; with the default strides stage i has stride 4 * 2^i and `embed_dims * num_heads[i]`.

    Args:
        pretrain_img_size: (h, w) of the images the positions are for, or one number for both.
        in_channels: channels of the image.
        embed_dims: channels of a head.
        num_stages: number of stages.
        num_layers: layers of each stage.
        num_heads: heads of each stage.
        patch_sizes: side of the patches of each stage, in tokens of the one before.
        strides: distance of the patches of each stage.
        paddings: zeros around the input of each stage.
        sr_ratios: side of the squares of tokens that become one key, of each stage.
        out_indices: stages whose outputs are returned.
        mlp_ratios: channels inside the feed-forward parts, relative to those outside.
        qkv_bias: whether queries, keys and values have a bias.
        drop_rate: dropout.
        attn_drop_rate: dropout of the attention weights.
        drop_path_rate: stochastic depth of the last layer; it grows linearly from 0.
        use_abs_pos_embed: whether tokens get a learnt embedding of their position.
        norm_after_stage: whether a norm follows each stage.
        use_conv_ffn: convolve each channel inside the feed-forward parts.
        act_cfg: kind of activation.
        norm_cfg: kind of norm.
        convert_weights: take checkpoints of the authors' repository, too.
        init_cfg: see `BaseModule`.

    Raises:
        ConfigError: if there is not one entry for each stage, or for indices that do not exist.

    Example:
        type: PyramidVisionTransformer
        num_layers: [3, 4, 6, 3]
        out_indices: [3]
    """

    def __init__(
        self,
        pretrain_img_size: int | Sequence[int] = 224,
        in_channels: int = 3,
        embed_dims: int = 64,
        num_stages: int = 4,
        num_layers: Sequence[int] = (3, 4, 6, 3),
        num_heads: Sequence[int] = (1, 2, 5, 8),
        patch_sizes: Sequence[int] = (4, 2, 2, 2),
        strides: Sequence[int] = (4, 2, 2, 2),
        paddings: Sequence[int] = (0, 0, 0, 0),
        sr_ratios: Sequence[int] = (8, 4, 2, 1),
        out_indices: Sequence[int] = (0, 1, 2, 3),
        mlp_ratios: Sequence[float] = (8, 8, 4, 4),
        qkv_bias: bool = True,
        drop_rate: float = 0.0,
        attn_drop_rate: float = 0.0,
        drop_path_rate: float = 0.1,
        use_abs_pos_embed: bool = True,
        norm_after_stage: bool = False,
        use_conv_ffn: bool = False,
        act_cfg: Mapping[str, Any] = GELU,
        norm_cfg: Mapping[str, Any] = LN,
        convert_weights: bool = True,
        init_cfg: InitCfg = _INIT,
    ) -> None:
        super().__init__(init_cfg)
        name = type(self).__name__
        of_stages = {
            "num_layers": num_layers,
            "num_heads": num_heads,
            "patch_sizes": patch_sizes,
            "strides": strides,
            "paddings": paddings,
            "sr_ratios": sr_ratios,
            "mlp_ratios": mlp_ratios,
        }
        problems = [
            f"{name}: {key} has one entry for each of the {num_stages} stages, got {list(values)}"
            for key, values in of_stages.items()
            if len(values) != num_stages
        ]
        if problems:
            raise ConfigError(problems)
        self.out_indices = check_indices(f"{name}: out_indices", out_indices, num_stages)
        self.convert_weights = convert_weights
        size = (
            (pretrain_img_size, pretrain_img_size)
            if isinstance(pretrain_img_size, int)
            else (pretrain_img_size[0], pretrain_img_size[1])
        )
        # Layer by layer from 0 to drop_path_rate.
        step = drop_path_rate / max(sum(num_layers) - 1, 1)
        self.layers = nn.ModuleList()
        for i in range(num_stages):
            channels, first = embed_dims * num_heads[i], sum(num_layers[:i])
            patches = PatchEmbed(
                in_channels,
                channels,
                size,
                kernel_size=patch_sizes[i],
                stride=strides[i],
                padding=paddings[i],
                norm_cfg=norm_cfg,
            )
            size = patches.init_out_size
            layers: list[nn.Module] = [
                PVTEncoderLayer(
                    channels,
                    num_heads[i],
                    int(mlp_ratios[i] * channels),
                    drop_rate=drop_rate,
                    attn_drop_rate=attn_drop_rate,
                    drop_path_rate=step * (first + k),
                    qkv_bias=qkv_bias,
                    act_cfg=act_cfg,
                    norm_cfg=norm_cfg,
                    sr_ratio=sr_ratios[i],
                    use_conv_ffn=use_conv_ffn,
                )
                for k in range(num_layers[i])
            ]
            if use_abs_pos_embed:
                layers.insert(0, AbsolutePositionEmbedding(size, channels, drop_rate))
            norm = build_norm_layer(norm_cfg, channels) if norm_after_stage else nn.Identity()
            self.layers.append(nn.ModuleList([patches, nn.ModuleList(layers), norm]))
            in_channels = channels

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """See `BaseBackbone.forward`."""
        outs = []
        for i, (patches, layers, norm) in enumerate(self.layers):  # type: ignore[misc, arg-type]
            tokens, size = patches(x)
            for layer in layers:
                tokens = layer(tokens, size)
            x = to_map(norm(tokens), size)
            if i in self.out_indices:
                outs.append(x)
        return tuple(outs)

    def adapt_state_dict(self, state_dict: dict[str, Tensor], prefix: str) -> None:
        """Rename the weights of the authors' repository, if `convert_weights`.

        `raypose.models.checkpoint` calls this before it compares keys and shapes.
        """
        if self.convert_weights:
            pvt_weights(state_dict, prefix)


class AbsolutePositionEmbedding(BaseModule):
    """Add a learnt embedding of the position to each token; maps of another size get it resized.

    Args:
        size: (h, w) of the map it is for.
        embed_dims: channels of a token.
        drop_rate: dropout of the tokens.
    """

    def __init__(self, size: Size, embed_dims: int, drop_rate: float = 0.0) -> None:
        super().__init__()
        self.size = size
        self.pos_embed = nn.Parameter(torch.zeros(1, math.prod(size), embed_dims))
        self.drop = nn.Dropout(drop_rate)

    def init_weights(self) -> None:
        """Start from a narrow normal."""
        super().init_weights()
        nn.init.trunc_normal_(self.pos_embed, std=0.02)

    def forward(self, x: Tensor, size: Size) -> Tensor:
        """Return tokens (B, h * w, C) from tokens of a map of size (h, w)."""
        embedding = resize_position_embedding(
            self.pos_embed, self.size, size, mode="bilinear", num_extra_tokens=0
        )
        return self.drop(x + embedding)


@MODELS.register_module()
class PyramidVisionTransformerV2(PyramidVisionTransformer):
    """PVT v2: patches overlap, convolutions say where they are, a norm follows each stage.

    Args: see `PyramidVisionTransformer`.

    Example:
        type: PyramidVisionTransformerV2
        embed_dims: 64
        num_layers: [3, 4, 6, 3]
        out_indices: [3]
    """

    def __init__(
        self,
        pretrain_img_size: int | Sequence[int] = 224,
        in_channels: int = 3,
        embed_dims: int = 64,
        num_stages: int = 4,
        num_layers: Sequence[int] = (3, 4, 6, 3),
        num_heads: Sequence[int] = (1, 2, 5, 8),
        strides: Sequence[int] = (4, 2, 2, 2),
        sr_ratios: Sequence[int] = (8, 4, 2, 1),
        out_indices: Sequence[int] = (0, 1, 2, 3),
        mlp_ratios: Sequence[float] = (8, 8, 4, 4),
        qkv_bias: bool = True,
        drop_rate: float = 0.0,
        attn_drop_rate: float = 0.0,
        drop_path_rate: float = 0.1,
        act_cfg: Mapping[str, Any] = GELU,
        norm_cfg: Mapping[str, Any] = LN,
        convert_weights: bool = True,
        init_cfg: InitCfg = _INIT,
    ) -> None:
        super().__init__(
            pretrain_img_size=pretrain_img_size,
            in_channels=in_channels,
            embed_dims=embed_dims,
            num_stages=num_stages,
            num_layers=num_layers,
            num_heads=num_heads,
            patch_sizes=(7, 3, 3, 3),
            strides=strides,
            paddings=(3, 1, 1, 1),
            sr_ratios=sr_ratios,
            out_indices=out_indices,
            mlp_ratios=mlp_ratios,
            qkv_bias=qkv_bias,
            drop_rate=drop_rate,
            attn_drop_rate=attn_drop_rate,
            drop_path_rate=drop_path_rate,
            use_abs_pos_embed=False,
            norm_after_stage=True,
            use_conv_ffn=True,
            act_cfg=act_cfg,
            norm_cfg=norm_cfg,
            convert_weights=convert_weights,
            init_cfg=init_cfg,
        )
