"""HybridEncoder: attention within the coarsest map, convolutions between all of them.

Paper: Zhao et al., DETRs Beat YOLOs on Real-time Object Detection, CVPR 2024.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from raypose.errors import ConfigError, RayposeError
from raypose.models.base_module import BaseModule
from raypose.models.layers import ConvModule
from raypose.models.layers.csp_layer import SILU
from raypose.models.layers.detr import DetrTransformerEncoder
from raypose.models.layers.norm import BN
from raypose.models.layers.positional_encoding import SinePositionalEncoding
from raypose.models.layers.reparam_layers import RepVGGBlock
from raypose.registry import MODELS


class CSPRepLayer(nn.Module):
    """A path through `RepVGGBlock`s and one past them, summed.

    Args:
        in_channels: channels of the input.
        out_channels: channels of the output.
        num_blocks: number of blocks.
        widen_factor: channels of both paths relative to `out_channels`.
        norm_cfg: kind of norm, of the layers round the blocks.
        act_cfg: kind of activation.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        num_blocks: int = 3,
        widen_factor: float = 1.0,
        norm_cfg: Mapping[str, Any] = BN,
        act_cfg: Mapping[str, Any] = SILU,
    ) -> None:
        super().__init__()
        hidden = int(out_channels * widen_factor)
        layers: dict[str, Any] = {"norm_cfg": norm_cfg, "act_cfg": act_cfg}
        self.conv1 = ConvModule(in_channels, hidden, 1, **layers)
        self.conv2 = ConvModule(in_channels, hidden, 1, **layers)
        self.bottlenecks = nn.Sequential(
            *[RepVGGBlock(hidden, hidden, act_cfg=act_cfg) for _ in range(num_blocks)]
        )
        self.conv3: nn.Module = nn.Identity()
        if hidden != out_channels:
            self.conv3 = ConvModule(hidden, out_channels, 1, **layers)

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, out_channels, H, W) from (B, in_channels, H, W)."""
        return self.conv3(self.bottlenecks(self.conv1(x)) + self.conv2(x))


@MODELS.register_module()
class HybridEncoder(BaseModule):
    """Attention within some maps, then a path from coarse to fine, then one back.

    Args:
        encoder_cfg: `self_attn_cfg` (`embed_dims`, `num_heads`, `dropout`) and `ffn_cfg`
            (`embed_dims`, `feedforward_channels`, `ffn_drop`, `act_cfg`) of the attention layers.
        projector: config of a neck for the outputs, or a module; None for none.
        num_encoder_layers: attention layers of each map that has them.
        in_channels: channels of each map, from the finest to the coarsest.
        hidden_dim: channels of all maps inside.
        use_encoder_idx: maps that get attention.
        pe_temperature: see `SinePositionalEncoding`.
        widen_factor: scales the channels inside the fusions.
        deepen_factor: scales the number of blocks inside the fusions.
        spe_learnable: see `SinePositionalEncoding`.
        output_indices: maps that are returned; all by default.
        norm_cfg: kind of norm.
        act_cfg: kind of activation.

    Raises:
        ConfigError: for indices that do not exist, or arguments of layers that do not.

    Example:
        type: HybridEncoder
        in_channels: [96, 192, 384]
        deepen_factor: 0.33
        widen_factor: 0.375
        hidden_dim: 256
        output_indices: [1, 2]
        encoder_cfg:
          self_attn_cfg: {embed_dims: 256, num_heads: 8, dropout: 0.0}
          ffn_cfg: {embed_dims: 256, feedforward_channels: 1024, act_cfg: {type: GELU}}
        projector:
          type: ChannelMapper
          in_channels: [256, 256]
          kernel_size: 1
          out_channels: 192
          act_cfg: null
          norm_cfg: {type: BN}
    """

    def __init__(
        self,
        encoder_cfg: Mapping[str, Any] = MappingProxyType({}),
        projector: Mapping[str, Any] | nn.Module | None = None,
        num_encoder_layers: int = 1,
        in_channels: Sequence[int] = (512, 1024, 2048),
        hidden_dim: int = 256,
        use_encoder_idx: Sequence[int] = (2,),
        pe_temperature: float = 10000,
        widen_factor: float = 1.0,
        deepen_factor: float = 1.0,
        spe_learnable: bool = False,
        output_indices: Sequence[int] | None = None,
        norm_cfg: Mapping[str, Any] = BN,
        act_cfg: Mapping[str, Any] = SILU,
    ) -> None:
        super().__init__()
        count = len(in_channels)
        self.use_encoder_idx = tuple(use_encoder_idx)
        self.output_indices = tuple(range(count) if output_indices is None else output_indices)
        for name in ("use_encoder_idx", "output_indices"):
            if any(not 0 <= index < count for index in getattr(self, name)):
                raise ConfigError(
                    f"HybridEncoder: {name} are within 0 ... {count - 1} for {count} maps, "
                    f"got {list(getattr(self, name))}"
                )
        layers: dict[str, Any] = {"norm_cfg": norm_cfg, "act_cfg": act_cfg}
        self.input_proj = nn.ModuleList(
            [
                ConvModule(width, hidden_dim, 1, norm_cfg=norm_cfg, act_cfg=None)
                for width in in_channels
            ]
        )
        self.encoder = nn.ModuleList(
            [DetrTransformerEncoder(num_encoder_layers, encoder_cfg) for _ in self.use_encoder_idx]
        )
        self.sincos_pos_enc = SinePositionalEncoding(
            hidden_dim // 2, temperature=pe_temperature, learnable=spe_learnable
        )

        def fusion() -> CSPRepLayer:
            return CSPRepLayer(
                2 * hidden_dim, hidden_dim, round(3 * deepen_factor), widen_factor, act_cfg=act_cfg
            )

        steps = range(count - 1)
        self.lateral_convs = nn.ModuleList(
            [ConvModule(hidden_dim, hidden_dim, 1, **layers) for _ in steps]
        )
        self.fpn_blocks = nn.ModuleList([fusion() for _ in steps])
        self.downsample_convs = nn.ModuleList(
            [ConvModule(hidden_dim, hidden_dim, 3, stride=2, padding=1, **layers) for _ in steps]
        )
        self.pan_blocks = nn.ModuleList([fusion() for _ in steps])
        self.projector: nn.Module | None = None if projector is None else MODELS.build(projector)

    def forward(self, feats: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """Return those maps (B, C, H_i, W_i) that `output_indices` asks for.

        Args:
            feats: as many maps as `in_channels`, each half the size of the one before.

        Raises:
            RayposeError: for another number of maps.
        """
        if len(feats) != len(self.input_proj):
            raise RayposeError(
                f"HybridEncoder was built for {len(self.input_proj)} maps, got {len(feats)}"
            )
        maps = [project(feat) for project, feat in zip(self.input_proj, feats, strict=True)]
        for index, encoder in zip(self.use_encoder_idx, self.encoder, strict=True):
            height, width = maps[index].shape[-2:]
            tokens = maps[index].flatten(2).transpose(1, 2)
            encoded = encoder(tokens, self.sincos_pos_enc.grid(height, width))
            maps[index] = encoded.transpose(1, 2).unflatten(2, (height, width))
        maps = self._coarse_to_fine(maps)
        maps = self._fine_to_coarse(maps)
        outs = tuple(maps[index] for index in self.output_indices)
        return outs if self.projector is None else self.projector(outs)

    def _coarse_to_fine(self, maps: Sequence[Tensor]) -> list[Tensor]:
        """Return the maps, the finest first."""
        coarse, done = maps[-1], []
        for fine, lateral, fuse in zip(
            reversed(maps[:-1]), self.lateral_convs, self.fpn_blocks, strict=True
        ):
            done.insert(0, lateral(coarse))
            enlarged = F.interpolate(done[0], scale_factor=2.0, mode="nearest")
            coarse = fuse(torch.cat([enlarged, fine], dim=1))
        return [coarse, *done]

    def _fine_to_coarse(self, maps: Sequence[Tensor]) -> list[Tensor]:
        """Return the maps, the finest first."""
        done = [maps[0]]
        for coarse, halve, fuse in zip(
            maps[1:], self.downsample_convs, self.pan_blocks, strict=True
        ):
            done.append(fuse(torch.cat([halve(done[-1]), coarse], dim=1)))
        return done
