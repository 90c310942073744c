"""The inverted residual block of MobileNetV3.

Papers: Sandler et al., MobileNetV2: Inverted Residuals and Linear Bottlenecks, CVPR 2018;
Howard et al., Searching for MobileNetV3, ICCV 2019.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from raypose.models.layers.activation import RELU
from raypose.models.layers.conv_module import ConvModule
from raypose.models.layers.norm import BN
from raypose.models.layers.se_layer import SELayer


class InvertedResidual(nn.Module):
    """Widen, convolve in groups, weigh channels, shrink; a residual where the shapes agree.

    Args:
        in_channels: channels of the input.
        out_channels: channels of the output.
        mid_channels: channels inside.
        kernel_size: of the convolution in groups.
        groups: its groups, one for each channel by default.
        stride: its stride.
        se_cfg: arguments of an `SELayer` for the channels inside; None for none.
        with_expand_conv: widen by a convolution; without one, `mid_channels` is `in_channels`.
        conv_cfg: kind of convolution.
        norm_cfg: kind of norm.
        act_cfg: kind of activation.
        with_cp: compute the block again in the backward pass instead of keeping its maps.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        mid_channels: int,
        kernel_size: int = 3,
        groups: int | None = None,
        stride: int = 1,
        se_cfg: Mapping[str, Any] | None = None,
        with_expand_conv: bool = True,
        conv_cfg: Mapping[str, Any] | None = None,
        norm_cfg: Mapping[str, Any] = BN,
        act_cfg: Mapping[str, Any] = RELU,
        with_cp: bool = False,
    ) -> None:
        super().__init__()
        layers: dict[str, Any] = {"conv_cfg": conv_cfg, "norm_cfg": norm_cfg}
        self.with_cp = with_cp
        self.has_shortcut = stride == 1 and in_channels == out_channels
        self.expand_conv: nn.Module = nn.Identity()
        if with_expand_conv:
            self.expand_conv = ConvModule(in_channels, mid_channels, 1, act_cfg=act_cfg, **layers)
        self.depthwise_conv = ConvModule(
            mid_channels,
            mid_channels,
            kernel_size,
            stride=stride,
            padding=kernel_size // 2,
            groups=mid_channels if groups is None else groups,
            act_cfg=act_cfg,
            **layers,
        )
        self.se = nn.Identity() if se_cfg is None else SELayer(mid_channels, **se_cfg)
        self.linear_conv = ConvModule(mid_channels, out_channels, 1, act_cfg=None, **layers)

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, out_channels, H', W') from (B, in_channels, H, W)."""
        if self.with_cp and x.requires_grad:
            out: Tensor = checkpoint(self._branch, x, use_reentrant=False)  # type: ignore[assignment]
        else:
            out = self._branch(x)
        return x + out if self.has_shortcut else out

    def _branch(self, x: Tensor) -> Tensor:
        return self.linear_conv(self.se(self.depthwise_conv(self.expand_conv(x))))
