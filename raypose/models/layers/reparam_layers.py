"""Branches that train apart and run as one convolution.

Paper: Ding et al., RepVGG: Making VGG-Style ConvNets Great Again, CVPR 2021.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from raypose.models.layers.activation import RELU, build_activation_layer
from raypose.models.layers.conv_module import ConvModule
from raypose.models.layers.norm import as_affine

BN_CFG: Mapping[str, Any] = MappingProxyType({"type": "BN"})


class RepVGGBlock(nn.Module):
    """The sum of a 3x3 and a 1x1 convolution, each with its batch norm, then an activation.

    Args:
        in_channels: channels of the input.
        out_channels: channels of the output.
        norm_cfg: kind of batch norm.
        act_cfg: kind of activation.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        norm_cfg: Mapping[str, Any] = BN_CFG,
        act_cfg: Mapping[str, Any] = RELU,
    ) -> None:
        super().__init__()
        layers: dict[str, Any] = {"norm_cfg": norm_cfg, "act_cfg": None}
        self.branch_3x3: ConvModule | None = ConvModule(
            in_channels, out_channels, 3, padding=1, **layers
        )
        self.branch_1x1: ConvModule | None = ConvModule(in_channels, out_channels, 1, **layers)
        self.act = build_activation_layer(act_cfg)
        self.conv_reparam: nn.Conv2d | None = None

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, out_channels, H, W) from (B, in_channels, H, W)."""
        if self.branch_3x3 is not None and self.branch_1x1 is not None:
            return self.act(self.branch_3x3(x) + self.branch_1x1(x))
        assert self.conv_reparam is not None
        return self.act(self.conv_reparam(x))

    @torch.no_grad()
    def switch_to_deploy(self) -> None:
        """Replace the branches by one convolution that computes the same in evaluation mode."""
        if self.branch_3x3 is None or self.branch_1x1 is None:
            return
        kernel, bias = _fused(self.branch_3x3)
        small_kernel, small_bias = _fused(self.branch_1x1)
        conv = nn.Conv2d(kernel.shape[1], kernel.shape[0], 3, padding=1, device=kernel.device)
        conv.weight.copy_(kernel + F.pad(small_kernel, (1, 1, 1, 1)))
        assert conv.bias is not None
        conv.bias.copy_(bias + small_bias)
        self.conv_reparam = conv
        self.branch_3x3 = self.branch_1x1 = None


def _fused(branch: ConvModule) -> tuple[Tensor, Tensor]:
    """Return kernel and bias of a convolution and the batch norm behind it."""
    assert isinstance(branch.conv, nn.Conv2d)
    assert branch.norm is not None
    factor, shift = as_affine(branch.norm)
    return branch.conv.weight * factor[:, None, None, None], shift
