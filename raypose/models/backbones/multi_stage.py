"""What MSPN and RSN share: stages that shrink and enlarge the maps, one after the other.

Papers: Li et al., Rethinking on Multi-Stage Networks for Human Pose Estimation, 2019; Cai et al.,
Learning Delicate Local Representations for Multi-Person Pose Estimation, ECCV 2020.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

import torch.nn.functional as F
from torch import Tensor, nn

from raypose.errors import ConfigError
from raypose.models.backbones.base_backbone import BaseBackbone
from raypose.models.backbones.staged_backbone import KAIMING_INIT
from raypose.models.base_module import InitCfg
from raypose.models.layers import ConvModule
from raypose.models.layers.norm import BN

# What makes a block: input channels, output channels, stride, what makes the shortcut fit.
MakeBlock = Callable[[int, int, int, nn.Module | None], nn.Module]
Skips = Sequence[Tensor]


class ResNetTop(nn.Module):
    """A convolution and a pooling that lead to stride 4.

    Args:
        channels: channels of the output.
        norm_cfg: kind of norm.
    """

    def __init__(self, channels: int = 64, norm_cfg: Mapping[str, Any] = BN) -> None:
        super().__init__()
        self.top = nn.Sequential(
            ConvModule(3, channels, 7, stride=2, padding=3, norm_cfg=norm_cfg),
            nn.MaxPool2d(3, stride=2, padding=1),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, channels, H / 4, W / 4) from (B, 3, H, W)."""
        return self.top(x)


class DownsampleModule(nn.Module):
    """Residual layers; each but the first halves the size.

    Args:
        make_block: makes a residual block.
        in_channels: channels of the input.
        channels: output channels of each layer.
        num_blocks: blocks of each layer.
        norm_cfg: kind of norm of the shortcuts.
    """

    def __init__(
        self,
        make_block: MakeBlock,
        in_channels: int,
        channels: Sequence[int],
        num_blocks: Sequence[int],
        norm_cfg: Mapping[str, Any] = BN,
    ) -> None:
        super().__init__()
        for i, (width, count) in enumerate(zip(channels, num_blocks, strict=True)):
            stride = 1 if i == 0 else 2
            downsample = None
            if stride != 1 or in_channels != width:
                downsample = ConvModule(
                    in_channels, width, 1, stride=stride, norm_cfg=norm_cfg, act_cfg=None
                )
            first = make_block(in_channels, width, stride, downsample)
            rest = [make_block(width, width, 1, None) for _ in range(count - 1)]
            self.add_module(f"layer{i + 1}", nn.Sequential(first, *rest))
            in_channels = width

    def forward(self, x: Tensor, skips: tuple[Skips, Skips] | None) -> list[Tensor]:
        """Return the maps of all layers, the highest resolution first.

        Args:
            x: (B, C, H, W).
            skips: two maps for each layer from the stage before, which are added; None in the
                first stage.
        """
        outs = []
        for i, layer in enumerate(self.children()):
            x = layer(x)
            if skips is not None:
                x = x + skips[0][i] + skips[1][i]
            outs.append(x)
        return outs


class UpsampleUnit(nn.Module):
    """Add the map of the next lower resolution to that of a downsampling layer.

    Args:
        in_channels: channels of the layer's map.
        unit_channels: channels of the output.
        is_lowest: there is no lower resolution.
        gen_skip: make maps for the next stage's downsampling.
        cross_channels: channels of the next stage's input, for the unit that makes it, else None.
        norm_cfg: kind of norm.
    """

    def __init__(
        self,
        in_channels: int,
        unit_channels: int,
        is_lowest: bool,
        gen_skip: bool,
        cross_channels: int | None,
        norm_cfg: Mapping[str, Any] = BN,
    ) -> None:
        super().__init__()
        self.in_skip = ConvModule(in_channels, unit_channels, 1, norm_cfg=norm_cfg, act_cfg=None)
        self.relu = nn.ReLU(inplace=True)
        self.up_conv: nn.Module | None = None
        if not is_lowest:
            self.up_conv = ConvModule(
                unit_channels, unit_channels, 1, norm_cfg=norm_cfg, act_cfg=None
            )
        self.out_skip1: nn.Module | None = None
        self.out_skip2: nn.Module | None = None
        if gen_skip:
            self.out_skip1 = ConvModule(in_channels, in_channels, 1, norm_cfg=norm_cfg)
            self.out_skip2 = ConvModule(unit_channels, in_channels, 1, norm_cfg=norm_cfg)
        self.cross_conv: nn.Module | None = None
        if cross_channels is not None:
            self.cross_conv = ConvModule(unit_channels, cross_channels, 1, norm_cfg=norm_cfg)

    def forward(self, x: Tensor, below: Tensor | None) -> Tensor:
        """Return (B, unit_channels, H, W).

        Args:
            x: (B, in_channels, H, W).
            below: (B, unit_channels, H', W') of the next lower resolution, if there is one.
        """
        out = self.in_skip(x)
        if self.up_conv is not None and below is not None:
            enlarged = F.interpolate(below, x.shape[-2:], mode="bilinear", align_corners=True)
            out = out + self.up_conv(enlarged)
        return self.relu(out)


class SingleStageNetwork(nn.Module):
    """Downsampling, then upsampling units from the lowest resolution to the highest.

    Args:
        downsample: the downsampling.
        channels: output channels of the downsampling layers.
        unit_channels: channels of the units.
        next_channels: input channels of the next stage, None for the last stage.
        norm_cfg: kind of norm.
    """

    def __init__(
        self,
        downsample: DownsampleModule,
        channels: Sequence[int],
        unit_channels: int,
        next_channels: int | None,
        norm_cfg: Mapping[str, Any] = BN,
    ) -> None:
        super().__init__()
        self.downsample = downsample
        self.upsample = nn.ModuleDict()
        for i, width in enumerate(reversed(channels)):
            self.upsample[f"up{i + 1}"] = UpsampleUnit(
                width,
                unit_channels,
                is_lowest=i == 0,
                gen_skip=next_channels is not None,
                cross_channels=next_channels if i == len(channels) - 1 else None,
                norm_cfg=norm_cfg,
            )

    def forward(
        self, x: Tensor, skips: tuple[Skips, Skips] | None
    ) -> tuple[list[Tensor], Tensor | None, tuple[Skips, Skips] | None]:
        """Return the maps of all units and what the next stage needs.

        Args:
            x: (B, C, H, W).
            skips: see `DownsampleModule`.

        Returns:
            Maps (B, unit_channels, H_i, W_i), the lowest resolution first; the next stage's
            input; and its skips, the highest resolution first.
        """
        feats = self.downsample(x, skips)[::-1]
        outs: list[Tensor] = []
        skips1: list[Tensor] = []
        skips2: list[Tensor] = []
        cross: Tensor | None = None
        for module, feat in zip(self.upsample.values(), feats, strict=True):
            unit = cast(UpsampleUnit, module)
            out = unit(feat, outs[-1] if outs else None)
            outs.append(out)
            if unit.out_skip1 is not None and unit.out_skip2 is not None:
                skips1.insert(0, unit.out_skip1(feat))
                skips2.insert(0, unit.out_skip2(out))
            if unit.cross_conv is not None:
                cross = unit.cross_conv(out)
        return outs, cross, (skips1, skips2) if skips1 else None


class MultiStageBackbone(BaseBackbone):
    """Parent of MSPN and RSN.

    Args:
        stages_name: what state dicts call the stages.
        make_block: makes a residual block.
        expansion: channels of the first layer relative to those of the top.
        unit_channels: channels of the maps that are returned.
        num_stages: number of stages.
        num_units: resolutions of each stage, at least 2.
        num_blocks: residual blocks of each resolution, the highest first.
        norm_cfg: kind of norm.
        res_top_channels: channels of the top.
        init_cfg: see `BaseModule`.

    Raises:
        ConfigError: for numbers that do not fit.
    """

    def __init__(
        self,
        stages_name: str,
        make_block: MakeBlock,
        expansion: int,
        unit_channels: int,
        num_stages: int,
        num_units: int,
        num_blocks: Sequence[int],
        norm_cfg: Mapping[str, Any],
        res_top_channels: int,
        init_cfg: InitCfg = KAIMING_INIT,
    ) -> None:
        super().__init__(init_cfg)
        name = type(self).__name__
        if num_stages < 1:
            raise ConfigError(f"{name}: num_stages is at least 1, got {num_stages}")
        if num_units < 2 or len(num_blocks) != num_units or min(num_blocks) < 1:
            raise ConfigError(
                f"{name}: num_blocks has an entry for each of at least 2 num_units, "
                f"got {list(num_blocks)} for {num_units}"
            )
        self.top = ResNetTop(res_top_channels, norm_cfg)
        channels = [res_top_channels * expansion * 2**i for i in range(num_units)]
        stages = [
            SingleStageNetwork(
                DownsampleModule(make_block, res_top_channels, channels, num_blocks, norm_cfg),
                channels,
                unit_channels,
                None if i == num_stages - 1 else res_top_channels,
                norm_cfg,
            )
            for i in range(num_stages)
        ]
        self.stages_name = stages_name
        self.add_module(stages_name, nn.ModuleList(stages))

    def forward(self, x: Tensor) -> list[list[Tensor]]:
        """Return for each stage the maps (B, unit_channels, H_i, W_i) of its units.

        The lowest resolution comes first; the last unit has stride 4.
        """
        x = self.top(x)
        skips = None
        outs = []
        for stage in getattr(self, self.stages_name):
            maps, x, skips = stage(x, skips)
            outs.append(maps)
        return outs
