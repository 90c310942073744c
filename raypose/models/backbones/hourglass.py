"""Stacked hourglass (Newell et al., Stacked Hourglass Networks, ECCV 2016)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor, nn

from raypose.errors import ConfigError
from raypose.models.backbones.base_backbone import BaseBackbone
from raypose.models.backbones.staged_backbone import NORMAL_INIT
from raypose.models.base_module import InitCfg
from raypose.models.layers import BasicBlock, ConvModule, make_res_layer
from raypose.models.layers.norm import BN
from raypose.registry import MODELS


class HourglassModule(nn.Module):
    """Down to a lower resolution and back, with a shortcut; the way between is another one.

    Args:
        depth: how often the size is halved.
        stage_channels: channels of each resolution, the highest first.
        stage_blocks: residual blocks of each resolution.
        norm_cfg: kind of norm.
    """

    def __init__(
        self,
        depth: int,
        stage_channels: Sequence[int],
        stage_blocks: Sequence[int],
        norm_cfg: Mapping[str, Any] = BN,
    ) -> None:
        super().__init__()
        count, count_below = stage_blocks[:2]
        channels, below = stage_channels[:2]
        self.up1 = make_res_layer(BasicBlock, count, channels, channels, norm_cfg=norm_cfg)
        self.low1 = make_res_layer(BasicBlock, count, channels, below, stride=2, norm_cfg=norm_cfg)
        self.low2: nn.Module
        if depth > 1:
            self.low2 = HourglassModule(depth - 1, stage_channels[1:], stage_blocks[1:], norm_cfg)
        else:
            self.low2 = make_res_layer(BasicBlock, count_below, below, below, norm_cfg=norm_cfg)
        self.low3 = make_res_layer(
            BasicBlock, count, below, channels, norm_cfg=norm_cfg, change_first=False
        )
        self.up2 = nn.Upsample(scale_factor=2)

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, C, H, W) from (B, C, H, W); H and W are multiples of 2^depth."""
        return self.up1(x) + self.up2(self.low3(self.low2(self.low1(x))))


@MODELS.register_module()
class HourglassNet(BaseBackbone):
    """Hourglasses one after the other; one is Hourglass-52, two are Hourglass-104.

    All maps have stride 4. The input's sides are multiples of 4 * 2^downsample_times.

    Args:
        downsample_times: how often an hourglass halves the size.
        num_stacks: number of hourglasses.
        stage_channels: channels of each resolution of an hourglass, the highest first.
        stage_blocks: residual blocks of each resolution.
        feat_channel: channels of the maps that are returned.
        norm_cfg: kind of norm.
        init_cfg: see `BaseModule`.

    Raises:
        ConfigError: if there are no stacks, or fewer channels or blocks than resolutions.

    Example:
        type: HourglassNet
        num_stacks: 1
    """

    def __init__(
        self,
        downsample_times: int = 5,
        num_stacks: int = 2,
        stage_channels: Sequence[int] = (256, 256, 384, 384, 384, 512),
        stage_blocks: Sequence[int] = (2, 2, 2, 2, 2, 4),
        feat_channel: int = 256,
        norm_cfg: Mapping[str, Any] = BN,
        init_cfg: InitCfg = NORMAL_INIT,
    ) -> None:
        super().__init__(init_cfg)
        check_hourglass("HourglassNet", num_stacks, downsample_times, stage_channels)
        if len(stage_blocks) != len(stage_channels):
            raise ConfigError(
                "HourglassNet: stage_channels and stage_blocks need as many entries as each other, "
                f"got {list(stage_channels)} and {list(stage_blocks)}"
            )
        channels = stage_channels[0]
        self.stem = nn.Sequential(
            ConvModule(3, 128, 7, padding=3, stride=2, norm_cfg=norm_cfg),
            make_res_layer(BasicBlock, 1, 128, channels, stride=2, norm_cfg=norm_cfg),
        )
        self.hourglass_modules = nn.ModuleList(
            [
                HourglassModule(downsample_times, stage_channels, stage_blocks, norm_cfg)
                for _ in range(num_stacks)
            ]
        )
        self.inters = make_res_layer(
            BasicBlock, num_stacks - 1, channels, channels, norm_cfg=norm_cfg
        )
        if num_stacks == 1:
            # Files of a single hourglass hold a block that nothing uses, so it has no gradient.
            self.inters.requires_grad_(False)
        self.conv1x1s = nn.ModuleList(
            [
                ConvModule(channels, channels, 1, norm_cfg=norm_cfg, act_cfg=None)
                for _ in range(num_stacks - 1)
            ]
        )
        self.out_convs = nn.ModuleList(
            [
                ConvModule(channels, feat_channel, 3, padding=1, norm_cfg=norm_cfg)
                for _ in range(num_stacks)
            ]
        )
        self.remap_convs = nn.ModuleList(
            [
                ConvModule(feat_channel, channels, 1, norm_cfg=norm_cfg, act_cfg=None)
                for _ in range(num_stacks - 1)
            ]
        )
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> list[Tensor]:
        """Return maps (B, feat_channel, H / 4, W / 4), one for each stack."""
        x = self.stem(x)
        outs: list[Tensor] = []
        for i, (hourglass, out_conv) in enumerate(
            zip(self.hourglass_modules, self.out_convs, strict=True)
        ):
            if i > 0:
                x = self.conv1x1s[i - 1](x) + self.remap_convs[i - 1](outs[-1])
                x = self.inters[i - 1](self.relu(x))
            outs.append(out_conv(hourglass(x)))
        return outs


def check_hourglass(
    name: str, num_stacks: int, downsample_times: int, stage_channels: Sequence[int]
) -> None:
    """Check what all stacked hourglasses need.

    Raises:
        ConfigError: if there are no stacks, or not more channels than `downsample_times`.
    """
    if num_stacks < 1:
        raise ConfigError(f"{name}: num_stacks is at least 1, got {num_stacks}")
    if not 1 <= downsample_times < len(stage_channels):
        raise ConfigError(
            f"{name}: stage_channels has an entry for each of downsample_times + 1 resolutions, "
            f"got {list(stage_channels)} for {downsample_times}"
        )
