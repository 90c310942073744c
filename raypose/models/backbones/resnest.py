"""ResNeSt (Zhang et al., ResNeSt: Split-Attention Networks, CVPR Workshops 2022)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from typing_extensions import Unpack

from raypose.models.backbones.resnet import BOTTLENECK_DEPTHS, ResNetV1d, ResNetV1dOptions
from raypose.models.layers import build_conv_layer, build_norm_layer, norm_abbreviation
from raypose.models.layers.norm import BN
from raypose.models.layers.residual import (
    ResidualBlock,
    Style,
    bottleneck_strides,
    grouped_channels,
)
from raypose.registry import MODELS


class SplitAttentionConv2d(nn.Module):
    """Several 3x3 convolutions (splits), averaged with weights that depend on the input.

    Args:
        channels: channels of input and output.
        stride: of the convolutions.
        dilation: of the convolutions.
        groups: groups of channels in each split.
        radix: number of splits.
        reduction_factor: channels of all splits relative to those that weigh them.
        conv_cfg: kind of convolution.
        norm_cfg: kind of norm.
    """

    def __init__(
        self,
        channels: int,
        stride: int = 1,
        dilation: int = 1,
        groups: int = 1,
        radix: int = 2,
        reduction_factor: int = 4,
        conv_cfg: Mapping[str, Any] | None = None,
        norm_cfg: Mapping[str, Any] = BN,
    ) -> None:
        super().__init__()
        self.radix = radix
        self.groups = groups
        inside = max(channels * radix // reduction_factor, 32)
        self.conv = build_conv_layer(
            conv_cfg,
            channels,
            channels * radix,
            3,
            stride=stride,
            padding=dilation,
            dilation=dilation,
            groups=groups * radix,
            bias=False,
        )
        self.norm_names = [f"{norm_abbreviation(norm_cfg)}{i}" for i in range(2)]
        self.add_module(self.norm_names[0], build_norm_layer(norm_cfg, channels * radix))
        self.relu = nn.ReLU(inplace=True)
        self.fc1 = nn.Conv2d(channels, inside, 1, groups=groups)
        self.add_module(self.norm_names[1], build_norm_layer(norm_cfg, inside))
        self.fc2 = nn.Conv2d(inside, channels * radix, 1, groups=groups)

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, channels, H', W') from (B, channels, H, W)."""
        x = self.relu(getattr(self, self.norm_names[0])(self.conv(x)))
        splits = x.unflatten(1, (self.radix, -1))
        means = F.adaptive_avg_pool2d(splits.sum(1), 1)
        weights = self.fc2(self.relu(getattr(self, self.norm_names[1])(self.fc1(means))))
        return (self._normalise(weights) * splits).sum(1)

    def _normalise(self, weights: Tensor) -> Tensor:
        """Return weights (B, radix, channels, 1, 1) from logits (B, channels * radix, 1, 1)."""
        if self.radix == 1:
            return torch.sigmoid(weights)[:, None]
        weights = weights.unflatten(1, (self.groups, self.radix, -1)).transpose(1, 2)
        return weights.softmax(1).flatten(2, 3)


class SplitAttentionBottleneck(ResidualBlock):
    """A bottleneck with a split-attention convolution in the middle.

    Args:
        in_channels: channels of the input.
        out_channels: channels of the output.
        expansion: `out_channels` relative to the channels inside, where nothing else says.
        stride: of the middle, or of the first convolution in `caffe` style.
        dilation: of the middle.
        downsample: makes the shortcut fit.
        style: `pytorch` or `caffe`.
        with_cp: see `ResidualBlock`.
        conv_cfg: kind of convolution.
        norm_cfg: kind of norm.
        middle_channels: channels inside, where `expansion` does not say.
        groups: see `SplitAttentionConv2d`.
        radix: see `SplitAttentionConv2d`.
        reduction_factor: see `SplitAttentionConv2d`.
        avg_down_stride: shrink by a mean behind the middle instead of by its stride.

    Raises:
        ConfigError: for an unknown style.
    """

    default_expansion = 4

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        expansion: int = 4,
        stride: int = 1,
        dilation: int = 1,
        downsample: nn.Module | None = None,
        style: Style = "pytorch",
        with_cp: bool = False,
        conv_cfg: Mapping[str, Any] | None = None,
        norm_cfg: Mapping[str, Any] = BN,
        middle_channels: int | None = None,
        groups: int = 1,
        radix: int = 2,
        reduction_factor: int = 4,
        avg_down_stride: bool = True,
    ) -> None:
        middle = out_channels // expansion if middle_channels is None else middle_channels
        super().__init__(out_channels, (middle, None, out_channels), downsample, with_cp, norm_cfg)
        first, second = bottleneck_strides(stride, style)
        pooled = avg_down_stride and second > 1
        self.conv1 = build_conv_layer(conv_cfg, in_channels, middle, 1, stride=first, bias=False)
        self.conv2 = SplitAttentionConv2d(
            middle,
            stride=1 if pooled else second,
            dilation=dilation,
            groups=groups,
            radix=radix,
            reduction_factor=reduction_factor,
            conv_cfg=conv_cfg,
            norm_cfg=norm_cfg,
        )
        self.avd_layer = nn.AvgPool2d(3, second, padding=1) if pooled else nn.Identity()
        self.conv3 = build_conv_layer(conv_cfg, middle, out_channels, 1, bias=False)

    def branch(self, x: Tensor) -> Tensor:
        """See `ResidualBlock.branch`."""
        x = self.relu(self.norm(1, self.conv1(x)))
        return self.norm(3, self.conv3(self.avd_layer(self.conv2(x))))


@MODELS.register_module()
class ResNeSt(ResNetV1d):
    """ResNetV1d with split-attention convolutions.

    Args:
        depth: 50, 101, 152, 200 or 269.
        groups: groups of channels in each split.
        width_per_group: channels of a group in the first stage, unless there is one group.
        radix: number of splits.
        reduction_factor: channels of all splits relative to those that weigh them.
        avg_down_stride: let blocks shrink by a mean instead of by a stride.
        **options: the other arguments of `ResNetV1d`.

    Raises:
        ConfigError: see `ResNet`.

    Example:
        type: ResNeSt
        depth: 50
        radix: 2
    """

    architectures: ClassVar = {
        depth: (SplitAttentionBottleneck, blocks)
        for depth, blocks in {
            **BOTTLENECK_DEPTHS,
            200: (3, 24, 36, 3),
            269: (3, 30, 48, 8),
        }.items()
    }

    def __init__(
        self,
        depth: int,
        groups: int = 1,
        width_per_group: int = 4,
        radix: int = 2,
        reduction_factor: int = 4,
        avg_down_stride: bool = True,
        **options: Unpack[ResNetV1dOptions],
    ) -> None:
        self.groups = groups
        self.width_per_group = width_per_group
        self.radix = radix
        self.reduction_factor = reduction_factor
        self.avg_down_stride = avg_down_stride
        super().__init__(depth, **options)

    def block_arguments(self, channels: int) -> dict[str, Any]:
        """See `ResNet.block_arguments`."""
        middle = grouped_channels(channels, self.groups, self.width_per_group, self.base_channels)
        return {
            "middle_channels": middle,
            "groups": self.groups,
            "radix": self.radix,
            "reduction_factor": self.reduction_factor,
            "avg_down_stride": self.avg_down_stride,
        }
