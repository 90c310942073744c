"""Vision transformer, the backbone of ViTPose.

Papers: Dosovitskiy et al., An Image is Worth 16x16 Words, ICLR 2021; Xu et al., ViTPose, NeurIPS
2022. Names, arguments and keys are those of mmpretrain's class, which ViTPose's configs name.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

import torch
from torch import Tensor, nn

from raypose.errors import ConfigError, did_you_mean
from raypose.models.backbones.staged_backbone import StagedBackbone, check_indices
from raypose.models.base_module import InitCfg
from raypose.models.layers import (
    PatchEmbed,
    TransformerEncoderLayer,
    build_norm_layer,
    resize_position_embedding,
)
from raypose.models.layers.initialize import is_pretrained
from raypose.models.layers.transformer import LN
from raypose.registry import MODELS

OutType = Literal["raw", "cls_token", "featmap", "avg_featmap"]

_ARCHITECTURE_KEYS = ("embed_dims", "num_layers", "num_heads", "feedforward_channels")
# Names, then the values of the keys above.
_ARCHITECTURES: dict[tuple[str, ...], tuple[int, int, int, int]] = {
    ("s", "small"): (768, 8, 8, 2304),
    ("b", "base", "deit-b", "deit-base"): (768, 12, 12, 3072),
    ("l", "large"): (1024, 24, 16, 4096),
    ("h", "huge"): (1280, 32, 16, 5120),
    ("eva-g", "eva-giant"): (1408, 40, 16, 6144),
    ("deit-t", "deit-tiny"): (192, 12, 3, 768),
    ("deit-s", "deit-small", "dinov2-s", "dinov2-small"): (384, 12, 6, 1536),
}


@MODELS.register_module()
class VisionTransformer(StagedBackbone):
    """Vision transformer.

    Args:
        arch: name (`small`, `base`, `large`, `huge`, `deit-small`, ...) or a mapping with
            `embed_dims`, `num_layers`, `num_heads` and `feedforward_channels`.
        img_size: (h, w) of the images the positions are for, or one number for both.
        patch_size: side of a patch in pixels.
        in_channels: channels of the image.
        out_indices: layers whose outputs are returned; -1 is the last one.
        drop_rate: dropout.
        drop_path_rate: stochastic depth of the last layer; it grows linearly from 0.
        qkv_bias: whether queries, keys and values have a bias.
        norm_cfg: kind of norm.
        final_norm: whether a norm follows the last layer.
        out_type: `featmap` for maps, `raw` for tokens, `cls_token` or `avg_featmap` for vectors.
        with_cls_token: whether there is a token besides the patches.
        frozen_stages: n > 0 freezes the embedding and the first n layers.
        interpolate_mode: how positions are resized for images of another size.
        layer_scale_init_value: see `LayerScale`; 0 for none.
        patch_cfg: further arguments of `PatchEmbed`, such as `padding`.
        layer_cfgs: further arguments of `TransformerEncoderLayer`, for all layers or one mapping
            for each.
        pre_norm: whether a norm comes before the first layer.
        init_cfg: see `BaseModule`.

    Raises:
        ConfigError: for an unknown `arch` or `out_type`, or indices that do not exist.

    Example:
        type: VisionTransformer
        arch: deit-tiny
        img_size: [256, 192]
        patch_size: 16
        with_cls_token: false
        out_type: featmap
        patch_cfg: {padding: 2}
    """

    def __init__(
        self,
        arch: str | Mapping[str, int] = "base",
        img_size: int | Sequence[int] = 224,
        patch_size: int = 16,
        in_channels: int = 3,
        out_indices: int | Sequence[int] = -1,
        drop_rate: float = 0.0,
        drop_path_rate: float = 0.0,
        qkv_bias: bool = True,
        norm_cfg: Mapping[str, Any] = LN,
        final_norm: bool = True,
        out_type: OutType = "cls_token",
        with_cls_token: bool = True,
        frozen_stages: int = -1,
        interpolate_mode: str = "bicubic",
        layer_scale_init_value: float = 0.0,
        patch_cfg: Mapping[str, Any] | None = None,
        layer_cfgs: Mapping[str, Any] | Sequence[Mapping[str, Any]] | None = None,
        pre_norm: bool = False,
        init_cfg: InitCfg = None,
    ) -> None:
        super().__init__(frozen_stages, init_cfg=init_cfg)
        sizes = _architecture(arch)
        embed_dims, num_layers = sizes["embed_dims"], sizes["num_layers"]
        if out_type not in ("raw", "cls_token", "featmap", "avg_featmap"):
            raise ConfigError(
                "VisionTransformer: out_type is raw, cls_token, featmap or avg_featmap, "
                f"got {out_type!r}"
            )
        if out_type == "cls_token" and not with_cls_token:
            raise ConfigError("VisionTransformer: out_type 'cls_token' needs with_cls_token")
        indices = [out_indices] if isinstance(out_indices, int) else out_indices
        self.out_indices = check_indices(
            "VisionTransformer: out_indices",
            [index + num_layers if index < 0 else index for index in indices],
            num_layers,
        )
        self.out_type = out_type
        self.interpolate_mode = interpolate_mode
        height, width = (img_size, img_size) if isinstance(img_size, int) else img_size
        self.patch_embed = PatchEmbed(
            in_channels,
            embed_dims,
            (height, width),
            **{"kernel_size": patch_size, "bias": not pre_norm, **(patch_cfg or {})},
        )
        self.num_extra_tokens = 1 if with_cls_token else 0
        self.cls_token = nn.Parameter(torch.zeros(1, 1, embed_dims)) if with_cls_token else None
        tokens = math.prod(self.patch_embed.init_out_size) + self.num_extra_tokens
        self.pos_embed = nn.Parameter(torch.zeros(1, tokens, embed_dims))
        self.drop_after_pos = nn.Dropout(drop_rate)
        self.pre_norm = build_norm_layer(norm_cfg, embed_dims) if pre_norm else nn.Identity()
        if layer_cfgs is None or isinstance(layer_cfgs, Mapping):
            layer_cfgs = [layer_cfgs or {}] * num_layers
        shared: dict[str, Any] = {
            "embed_dims": embed_dims,
            "num_heads": sizes["num_heads"],
            "feedforward_channels": sizes["feedforward_channels"],
            "layer_scale_init_value": layer_scale_init_value,
            "drop_rate": drop_rate,
            "qkv_bias": qkv_bias,
            "norm_cfg": norm_cfg,
        }
        # Layer by layer from 0 to drop_path_rate.
        step = drop_path_rate / max(num_layers - 1, 1)
        self.layers = nn.ModuleList(
            [
                TransformerEncoderLayer(**{**shared, "drop_path_rate": step * i, **layer_cfg})
                for i, layer_cfg in zip(range(num_layers), layer_cfgs, strict=True)
            ]
        )
        self.ln1 = build_norm_layer(norm_cfg, embed_dims) if final_norm else nn.Identity()
        if out_type == "avg_featmap":
            self.ln2 = build_norm_layer(norm_cfg, embed_dims)
        self.freeze()

    def init_weights(self) -> None:
        """Start the weights by `init_cfg`, and the positions from a narrow normal."""
        if not is_pretrained(self.init_cfg):
            nn.init.trunc_normal_(self.pos_embed, std=0.02)
        super().init_weights()

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Return what `out_type` says for each of `out_indices`.

        Args:
            x: (B, 3, H, W) float32, normalised.

        Returns:
            Maps (B, C, h, w), tokens (B, L, C) or vectors (B, C).
        """
        x, size = self.patch_embed(x)
        if self.cls_token is not None:
            x = torch.cat([self.cls_token.expand(x.shape[0], -1, -1), x], dim=1)
        x = x + resize_position_embedding(
            self.pos_embed,
            self.patch_embed.init_out_size,
            size,
            self.interpolate_mode,
            self.num_extra_tokens,
        )
        x = self.pre_norm(self.drop_after_pos(x))
        outs = []
        for i, layer in enumerate(self.layers):
            x = layer(x)
            if i == len(self.layers) - 1:
                x = self.ln1(x)
            if i in self.out_indices:
                outs.append(self._output(x, size))
        return tuple(outs)

    def adapt_state_dict(self, state_dict: dict[str, Tensor], prefix: str) -> None:
        """Fit the positions of a checkpoint to those of this model.

        `raypose.models.checkpoint` calls this before it compares keys and shapes. Checkpoints of
        pretraining are for other image sizes, and may have a class token where this has none.
        """
        key = f"{prefix}pos_embed"
        stored = state_dict.get(key)
        if stored is None or stored.dim() != 3 or stored.shape == self.pos_embed.shape:
            return
        if self.cls_token is None and stored.shape[1] == self.pos_embed.shape[1] + 1:
            state_dict[key] = stored[:, 1:]
            return
        extra = self.num_extra_tokens
        side = math.isqrt(max(stored.shape[1] - extra, 0))
        if side * side + extra != stored.shape[1]:
            return
        state_dict[key] = resize_position_embedding(
            stored, (side, side), self.patch_embed.init_out_size, self.interpolate_mode, extra
        )

    def frozen_modules(self) -> Iterator[nn.Module | nn.Parameter]:
        """See `StagedBackbone.frozen_modules`."""
        if self.frozen_stages <= 0:
            return
        yield self.pos_embed
        if self.cls_token is not None:
            yield self.cls_token
        yield from (self.patch_embed, self.drop_after_pos, self.pre_norm)
        yield from self.layers[: self.frozen_stages]
        if self.frozen_stages == len(self.layers):
            yield self.ln1
            if self.out_type == "avg_featmap":
                yield self.ln2

    def _output(self, x: Tensor, size: tuple[int, int]) -> Tensor:
        if self.out_type == "raw":
            return x
        if self.out_type == "cls_token":
            return x[:, 0]
        patches = x[:, self.num_extra_tokens :]
        if self.out_type == "avg_featmap":
            return self.ln2(patches.mean(dim=1))
        return patches.transpose(1, 2).reshape(x.shape[0], -1, *size)


def _architecture(arch: str | Mapping[str, int]) -> Mapping[str, int]:
    if isinstance(arch, Mapping):
        missing = [key for key in _ARCHITECTURE_KEYS if key not in arch]
        if missing:
            raise ConfigError(f"VisionTransformer: arch needs {', '.join(missing)}")
        return arch
    for names, values in _ARCHITECTURES.items():
        if arch.lower() in names:
            return dict(zip(_ARCHITECTURE_KEYS, values, strict=True))
    known = [name for names in _ARCHITECTURES for name in names]
    raise ConfigError(
        f"VisionTransformer: unknown arch '{arch}'.{did_you_mean(arch, known)} "
        f"Known are {', '.join(known)}, or give a mapping."
    )
