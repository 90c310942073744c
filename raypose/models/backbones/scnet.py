"""SCNet.

Paper: Liu et al., Improving Convolutional Networks with Self-Calibrated Convolutions, CVPR 2020.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from raypose.errors import ConfigError
from raypose.models.backbones.resnet import BOTTLENECK_DEPTHS, ResNet
from raypose.models.layers import build_conv_layer, build_norm_layer
from raypose.models.layers.norm import BN
from raypose.models.layers.residual import ResidualBlock, Style
from raypose.registry import MODELS

_POOL = 4


class SCConv(nn.Module):
    """A 3x3 convolution gated by a coarse view of its input, then one more.

    Args:
        channels: channels of input and output.
        stride: of the last convolution.
        conv_cfg: kind of convolution.
        norm_cfg: kind of norm.
    """

    def __init__(
        self,
        channels: int,
        stride: int = 1,
        conv_cfg: Mapping[str, Any] | None = None,
        norm_cfg: Mapping[str, Any] = BN,
    ) -> None:
        super().__init__()
        pool = nn.AvgPool2d(_POOL)
        self.k2 = nn.Sequential(pool, *_conv_and_norm(channels, 1, conv_cfg, norm_cfg))
        self.k3 = nn.Sequential(*_conv_and_norm(channels, 1, conv_cfg, norm_cfg))
        self.k4 = nn.Sequential(*_conv_and_norm(channels, stride, conv_cfg, norm_cfg), _relu())

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, channels, H', W') from (B, channels, H, W); H and W are at least 4."""
        gate = torch.sigmoid(x + F.interpolate(self.k2(x), x.shape[2:]))
        return self.k4(self.k3(x) * gate)


class SCBottleneck(ResidualBlock):
    """A bottleneck of two halves: plain convolutions, and self-calibrated ones.

    Args:
        in_channels: channels of the input.
        out_channels: channels of the output.
        expansion: `out_channels` relative to the channels inside, of both halves together.
        stride: of the 3x3 convolutions.
        dilation: 1; there for the signature that all blocks share.
        downsample: makes the shortcut fit.
        style: `pytorch`; there for the signature that all blocks share.
        with_cp: see `ResidualBlock`.
        conv_cfg: kind of convolution.
        norm_cfg: kind of norm.

    Raises:
        ConfigError: for another dilation or style.
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
    ) -> None:
        if dilation != 1 or style != "pytorch":
            raise ConfigError(
                "SCNet has blocks of dilation 1 and style 'pytorch' only, "
                f"got dilation {dilation} and style {style!r}"
            )
        half = out_channels // expansion // 2
        super().__init__(out_channels, (half, half, out_channels), downsample, with_cp, norm_cfg)
        self.conv1 = build_conv_layer(conv_cfg, in_channels, half, 1, bias=False)
        self.k1 = nn.Sequential(*_conv_and_norm(half, stride, conv_cfg, norm_cfg), _relu())
        self.conv2 = build_conv_layer(conv_cfg, in_channels, half, 1, bias=False)
        self.scconv = SCConv(half, stride, conv_cfg, norm_cfg)
        self.conv3 = build_conv_layer(conv_cfg, half * 2, out_channels, 1, bias=False)

    def branch(self, x: Tensor) -> Tensor:
        """See `ResidualBlock.branch`."""
        plain = self.k1(self.relu(self.norm(1, self.conv1(x))))
        calibrated = self.scconv(self.relu(self.norm(2, self.conv2(x))))
        return self.norm(3, self.conv3(torch.cat([plain, calibrated], dim=1)))


@MODELS.register_module()
class SCNet(ResNet):
    """ResNet with self-calibrated convolutions.

    Args:
        depth: 50 or 101.
        **options: as of `ResNet`; `style` and `dilations` have their defaults.

    Raises:
        ConfigError: see `ResNet`; also for dilations, or a style other than `pytorch`.

    Example:
        type: SCNet
        depth: 50
    """

    architectures: ClassVar = {n: (SCBottleneck, BOTTLENECK_DEPTHS[n]) for n in (50, 101)}


def _conv_and_norm(
    channels: int, stride: int, conv_cfg: Mapping[str, Any] | None, norm_cfg: Mapping[str, Any]
) -> tuple[nn.Module, nn.Module]:
    conv = build_conv_layer(conv_cfg, channels, channels, 3, stride=stride, padding=1, bias=False)
    return conv, build_norm_layer(norm_cfg, channels)


def _relu() -> nn.Module:
    return nn.ReLU(inplace=True)
