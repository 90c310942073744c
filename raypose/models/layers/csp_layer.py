"""Cross-stage-partial layers of CSPNeXt, CSPDarknet and their necks.

Papers: Wang et al., CSPNet: A New Backbone that can Enhance Learning Capability of CNN, CVPRW 2020;
Lyu et al., RTMDet: An Empirical Study of Designing Real-Time Object Detectors, 2022.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from raypose.models.layers.conv_module import ConvModule, DepthwiseSeparableConvModule

# Batch norm and activation of the YOLOX and RTMDet families.
CSP_BN: Mapping[str, Any] = {"type": "BN", "momentum": 0.03, "eps": 0.001}
SILU: Mapping[str, Any] = {"type": "SiLU"}
SWISH: Mapping[str, Any] = {"type": "Swish"}
# How torch itself starts convolutions.
UNIFORM_INIT: Mapping[str, Any] = {
    "type": "Kaiming",
    "layer": "Conv2d",
    "a": math.sqrt(5),
    "distribution": "uniform",
    "mode": "fan_in",
    "nonlinearity": "leaky_relu",
}


class ChannelAttention(nn.Module):
    """Weigh channels by a gate on their means.

    Args:
        channels: number of channels.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.global_avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Conv2d(channels, channels, 1)
        self.act = nn.Hardsigmoid(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, C, H, W), each channel times its gate."""
        return x * self.act(self.fc(self.global_avgpool(x)))


class CSPNeXtBlock(nn.Module):
    """A 3x3 convolution and a large depthwise-separable one, with a residual.

    Args:
        in_channels: channels of the input.
        out_channels: channels of the output.
        expansion: hidden channels relative to `out_channels`.
        add_identity: add the input where the channels agree.
        use_depthwise: make the first convolution depthwise-separable, too.
        kernel_size: kernel of the second one.
        conv_cfg: kind of convolution.
        norm_cfg: kind of norm.
        act_cfg: kind of activation.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        expansion: float = 0.5,
        add_identity: bool = True,
        use_depthwise: bool = False,
        kernel_size: int = 5,
        conv_cfg: Mapping[str, Any] | None = None,
        norm_cfg: Mapping[str, Any] | None = CSP_BN,
        act_cfg: Mapping[str, Any] | None = SILU,
    ) -> None:
        super().__init__()
        hidden = int(out_channels * expansion)
        conv = DepthwiseSeparableConvModule if use_depthwise else ConvModule
        layers: dict[str, Any] = {"conv_cfg": conv_cfg, "norm_cfg": norm_cfg, "act_cfg": act_cfg}
        self.conv1 = conv(in_channels, hidden, 3, padding=1, **layers)
        self.conv2 = DepthwiseSeparableConvModule(
            hidden, out_channels, kernel_size, padding=kernel_size // 2, **layers
        )
        self.add_identity = add_identity and in_channels == out_channels

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, out_channels, H, W) from (B, in_channels, H, W)."""
        out = self.conv2(self.conv1(x))
        return x + out if self.add_identity else out


class DarknetBottleneck(nn.Module):
    """A 1x1 and a 3x3 convolution, with a residual: the block of CSPDarknet.

    Args: see `CSPNeXtBlock`; with `use_depthwise` the 3x3 one is depthwise-separable.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        expansion: float = 0.5,
        add_identity: bool = True,
        use_depthwise: bool = False,
        conv_cfg: Mapping[str, Any] | None = None,
        norm_cfg: Mapping[str, Any] | None = CSP_BN,
        act_cfg: Mapping[str, Any] | None = SILU,
    ) -> None:
        super().__init__()
        hidden = int(out_channels * expansion)
        conv = DepthwiseSeparableConvModule if use_depthwise else ConvModule
        layers: dict[str, Any] = {"conv_cfg": conv_cfg, "norm_cfg": norm_cfg, "act_cfg": act_cfg}
        self.conv1 = ConvModule(in_channels, hidden, 1, **layers)
        self.conv2 = conv(hidden, out_channels, 3, padding=1, **layers)
        self.add_identity = add_identity and in_channels == out_channels

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, out_channels, H, W) from (B, in_channels, H, W)."""
        out = self.conv2(self.conv1(x))
        return x + out if self.add_identity else out


class CSPLayer(nn.Module):
    """Half of the channels go through blocks, half past them; both are fused.

    Args:
        in_channels: channels of the input.
        out_channels: channels of the output.
        expand_ratio: channels of each half relative to `out_channels`.
        num_blocks: number of blocks.
        add_identity: whether the blocks have residuals.
        use_depthwise: whether the blocks are depthwise-separable throughout.
        channel_attention: weigh the channels before they are fused.
        conv_cfg: kind of convolution.
        norm_cfg: kind of norm.
        act_cfg: kind of activation.
        block: `CSPNeXtBlock` or `DarknetBottleneck`.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        expand_ratio: float = 0.5,
        num_blocks: int = 1,
        add_identity: bool = True,
        use_depthwise: bool = False,
        channel_attention: bool = False,
        conv_cfg: Mapping[str, Any] | None = None,
        norm_cfg: Mapping[str, Any] | None = CSP_BN,
        act_cfg: Mapping[str, Any] | None = SILU,
        block: Callable[..., nn.Module] = CSPNeXtBlock,
    ) -> None:
        super().__init__()
        middle = int(out_channels * expand_ratio)
        layers: dict[str, Any] = {"conv_cfg": conv_cfg, "norm_cfg": norm_cfg, "act_cfg": act_cfg}
        self.main_conv = ConvModule(in_channels, middle, 1, **layers)
        self.short_conv = ConvModule(in_channels, middle, 1, **layers)
        self.final_conv = ConvModule(2 * middle, out_channels, 1, **layers)
        self.blocks = nn.Sequential(
            *[
                block(middle, middle, 1.0, add_identity, use_depthwise, **layers)
                for _ in range(num_blocks)
            ]
        )
        self.attention = ChannelAttention(2 * middle) if channel_attention else None

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, out_channels, H, W) from (B, in_channels, H, W)."""
        x = torch.cat([self.blocks(self.main_conv(x)), self.short_conv(x)], dim=1)
        return self.final_conv(x if self.attention is None else self.attention(x))


class SPPBottleneck(nn.Module):
    """Spatial pyramid pooling between two 1x1 convolutions.

    Args:
        in_channels: channels of the input; half of them inside.
        out_channels: channels of the output.
        kernel_sizes: windows of the pools.
        conv_cfg: kind of convolution.
        norm_cfg: kind of norm.
        act_cfg: kind of activation.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_sizes: Sequence[int] = (5, 9, 13),
        conv_cfg: Mapping[str, Any] | None = None,
        norm_cfg: Mapping[str, Any] | None = CSP_BN,
        act_cfg: Mapping[str, Any] | None = SILU,
    ) -> None:
        super().__init__()
        middle = in_channels // 2
        layers: dict[str, Any] = {"conv_cfg": conv_cfg, "norm_cfg": norm_cfg, "act_cfg": act_cfg}
        self.conv1 = ConvModule(in_channels, middle, 1, **layers)
        self.poolings = nn.ModuleList(
            [nn.MaxPool2d(size, stride=1, padding=size // 2) for size in kernel_sizes]
        )
        self.conv2 = ConvModule(middle * (len(kernel_sizes) + 1), out_channels, 1, **layers)

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, out_channels, H, W) from (B, in_channels, H, W)."""
        x = self.conv1(x)
        return self.conv2(torch.cat([x, *[pool(x) for pool in self.poolings]], dim=1))
