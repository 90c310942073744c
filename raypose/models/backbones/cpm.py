"""CPM (Wei et al., Convolutional Pose Machines, CVPR 2016)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from raypose.errors import ConfigError
from raypose.models.backbones.base_backbone import BaseBackbone
from raypose.models.backbones.staged_backbone import NORMAL_INIT
from raypose.models.base_module import InitCfg
from raypose.models.layers import ConvModule
from raypose.models.layers.norm import BN
from raypose.registry import MODELS


class CpmBlock(nn.Module):
    """Three convolutions that see a large part of the image.

    Args:
        in_channels: channels of the input.
        out_channels: channels of the output.
        norm_cfg: kind of norm.
    """

    def __init__(self, in_channels: int, out_channels: int, norm_cfg: Mapping[str, Any]) -> None:
        super().__init__()
        channels = (in_channels, out_channels, out_channels, out_channels)
        self.model = nn.Sequential(
            *[_conv(channels[i], channels[i + 1], 11, norm_cfg) for i in range(3)]
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, out_channels, H, W) from (B, in_channels, H, W)."""
        return self.model(x)


@MODELS.register_module()
class CPM(BaseBackbone):
    """Convolutional pose machine: each stage refines the maps of the stage before it.

    All maps have stride 8.

    Args:
        in_channels: channels of the image.
        out_channels: channels of the maps, as a rule the number of keypoints.
        feat_channels: channels inside the stages.
        middle_channels: channels of the image features that each stage sees.
        num_stages: number of stages.
        norm_cfg: kind of norm.
        init_cfg: see `BaseModule`.

    Raises:
        ConfigError: if `num_stages` is not positive.

    Example:
        type: CPM
        in_channels: 3
        out_channels: 17
        feat_channels: 128
        num_stages: 6
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        feat_channels: int = 128,
        middle_channels: int = 32,
        num_stages: int = 6,
        norm_cfg: Mapping[str, Any] = BN,
        init_cfg: InitCfg = NORMAL_INIT,
    ) -> None:
        super().__init__(init_cfg)
        if num_stages < 1:
            raise ConfigError(f"CPM: num_stages is at least 1, got {num_stages}")
        self.stem = nn.Sequential(
            *_pyramid(in_channels, norm_cfg),
            _conv(128, 32, 5, norm_cfg),
            _conv(32, 512, 9, norm_cfg),
            _conv(512, 512, 1, norm_cfg),
            ConvModule(512, out_channels, 1, act_cfg=None),
        )
        self.middle = nn.Sequential(*_pyramid(in_channels, norm_cfg))
        if num_stages == 1:
            # Only later stages use it, so it has no gradient.
            self.middle.requires_grad_(False)
        later = range(num_stages - 1)
        self.cpm_stages = nn.ModuleList(
            [CpmBlock(middle_channels + out_channels, feat_channels, norm_cfg) for _ in later]
        )
        self.middle_conv = nn.ModuleList(
            [nn.Sequential(_conv(128, middle_channels, 5, norm_cfg)) for _ in later]
        )
        self.out_convs = nn.ModuleList(
            [
                nn.Sequential(
                    _conv(feat_channels, feat_channels, 1, norm_cfg),
                    ConvModule(feat_channels, out_channels, 1, act_cfg=None),
                )
                for _ in later
            ]
        )

    def forward(self, x: Tensor) -> list[Tensor]:
        """Return maps (B, out_channels, H / 8, W / 8), one for each stage."""
        outs = [self.stem(x)]
        image_feats = self.middle(x)
        for middle_conv, stage, out_conv in zip(
            self.middle_conv, self.cpm_stages, self.out_convs, strict=True
        ):
            seen = torch.cat([outs[-1], middle_conv(image_feats)], dim=1)
            outs.append(out_conv(stage(seen)))
        return outs


def _conv(
    in_channels: int, out_channels: int, kernel_size: int, norm_cfg: Mapping[str, Any]
) -> ConvModule:
    return ConvModule(
        in_channels, out_channels, kernel_size, padding=kernel_size // 2, norm_cfg=norm_cfg
    )


def _pyramid(in_channels: int, norm_cfg: Mapping[str, Any]) -> list[nn.Module]:
    """Return convolutions and poolings that lead from the image to stride 8."""
    layers: list[nn.Module] = []
    for channels in (in_channels, 128, 128):
        layers += [_conv(channels, 128, 9, norm_cfg), nn.MaxPool2d(3, stride=2, padding=1)]
    return layers
