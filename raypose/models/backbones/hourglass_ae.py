"""Hourglass of associative embedding.

Paper: Newell et al., Associative Embedding: End-to-End Learning for Joint Detection and Grouping,
NeurIPS 2017.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor, nn

from raypose.errors import ConfigError
from raypose.models.backbones.base_backbone import BaseBackbone
from raypose.models.backbones.hourglass import check_hourglass
from raypose.models.backbones.staged_backbone import NORMAL_INIT
from raypose.models.base_module import InitCfg
from raypose.models.layers import ConvModule
from raypose.models.layers.norm import BN
from raypose.registry import MODELS


class HourglassAEModule(nn.Module):
    """An hourglass of plain convolutions: down to a lower resolution and back, with a shortcut.

    Args:
        depth: how often the size is halved.
        stage_channels: channels of each resolution, the highest first.
        norm_cfg: kind of norm.
    """

    def __init__(
        self, depth: int, stage_channels: Sequence[int], norm_cfg: Mapping[str, Any] = BN
    ) -> None:
        super().__init__()
        channels, below = stage_channels[:2]
        self.up1 = _conv(channels, channels, norm_cfg)
        self.pool1 = nn.MaxPool2d(2, 2)
        self.low1 = _conv(channels, below, norm_cfg)
        self.low2: nn.Module
        if depth > 1:
            self.low2 = HourglassAEModule(depth - 1, stage_channels[1:], norm_cfg)
        else:
            self.low2 = _conv(below, below, norm_cfg)
        self.low3 = _conv(below, channels, norm_cfg)
        self.up2 = nn.Upsample(scale_factor=2)

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, C, H, W) from (B, C, H, W); H and W are multiples of 2^depth."""
        return self.up1(x) + self.up2(self.low3(self.low2(self.low1(self.pool1(x)))))


@MODELS.register_module()
class HourglassAENet(BaseBackbone):
    """Stacked hourglasses that make heatmaps and tag maps themselves.

    All maps have stride 4. The input's sides are multiples of 4 * 2^downsample_times.

    Args:
        downsample_times: how often an hourglass halves the size.
        num_stacks: number of hourglasses.
        out_channels: channels of the maps that are returned.
        stage_channels: channels of each resolution of an hourglass, the highest first.
        feat_channels: channels between the hourglasses, those of the highest resolution.
        norm_cfg: kind of norm.
        init_cfg: see `BaseModule`.

    Raises:
        ConfigError: if there are no stacks, or the channels do not fit.

    Example:
        type: HourglassAENet
        num_stacks: 4
        out_channels: 34
    """

    def __init__(
        self,
        downsample_times: int = 4,
        num_stacks: int = 1,
        out_channels: int = 34,
        stage_channels: Sequence[int] = (256, 384, 512, 640, 768),
        feat_channels: int = 256,
        norm_cfg: Mapping[str, Any] = BN,
        init_cfg: InitCfg = NORMAL_INIT,
    ) -> None:
        super().__init__(init_cfg)
        check_hourglass("HourglassAENet", num_stacks, downsample_times, stage_channels)
        if feat_channels != stage_channels[0]:
            raise ConfigError(
                "HourglassAENet: feat_channels is the first of stage_channels, "
                f"got {feat_channels} and {list(stage_channels)}"
            )
        self.stem = nn.Sequential(
            ConvModule(3, 64, 7, padding=3, stride=2, norm_cfg=norm_cfg),
            _conv(64, 128, norm_cfg),
            nn.MaxPool2d(2, 2),
            _conv(128, 128, norm_cfg),
            _conv(128, feat_channels, norm_cfg),
        )
        self.hourglass_modules = nn.ModuleList(
            [
                nn.Sequential(
                    HourglassAEModule(downsample_times, stage_channels, norm_cfg),
                    _conv(feat_channels, feat_channels, norm_cfg),
                    _conv(feat_channels, feat_channels, norm_cfg),
                )
                for _ in range(num_stacks)
            ]
        )
        self.out_convs = nn.ModuleList(
            [ConvModule(feat_channels, out_channels, 1, act_cfg=None) for _ in range(num_stacks)]
        )
        self.remap_out_convs = nn.ModuleList(
            [
                ConvModule(out_channels, feat_channels, 1, norm_cfg=norm_cfg, act_cfg=None)
                for _ in range(num_stacks - 1)
            ]
        )
        self.remap_feature_convs = nn.ModuleList(
            [
                ConvModule(feat_channels, feat_channels, 1, norm_cfg=norm_cfg, act_cfg=None)
                for _ in range(num_stacks - 1)
            ]
        )

    def forward(self, x: Tensor) -> list[Tensor]:
        """Return maps (B, out_channels, H / 4, W / 4), one for each stack."""
        x = self.stem(x)
        outs: list[Tensor] = []
        for i, (hourglass, out_conv) in enumerate(
            zip(self.hourglass_modules, self.out_convs, strict=True)
        ):
            feats = hourglass(x)
            outs.append(out_conv(feats))
            if i < len(self.remap_out_convs):
                x = x + self.remap_out_convs[i](outs[-1]) + self.remap_feature_convs[i](feats)
        return outs


def _conv(in_channels: int, out_channels: int, norm_cfg: Mapping[str, Any]) -> ConvModule:
    return ConvModule(in_channels, out_channels, 3, padding=1, norm_cfg=norm_cfg)
