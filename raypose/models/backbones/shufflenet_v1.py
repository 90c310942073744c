"""ShuffleNetV1.

Paper: Zhang et al., ShuffleNet: An Extremely Efficient Convolutional Neural Network for Mobile
Devices, CVPR 2018.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from raypose.errors import ConfigError
from raypose.models.backbones.shuffle_backbone import (
    SHUFFLE_INIT,
    STAGE_BLOCKS,
    ShuffleBackbone,
)
from raypose.models.base_module import InitCfg
from raypose.models.layers import (
    ConvModule,
    build_activation_layer,
    channel_shuffle,
    make_divisible,
)
from raypose.models.layers.activation import RELU
from raypose.models.layers.norm import BN
from raypose.registry import MODELS

# Groups -> channels of each stage.
_WIDTHS: Mapping[int, tuple[int, ...]] = {
    1: (144, 288, 576),
    2: (200, 400, 800),
    3: (240, 480, 960),
    4: (272, 544, 1088),
    8: (384, 768, 1536),
}


@MODELS.register_module()
class ShuffleNetV1(ShuffleBackbone):
    """ShuffleNetV1; stage i has stride 8 * 2^i.

    Args:
        groups: groups of the 1x1 convolutions: 1, 2, 3, 4 or 8.
        widen_factor: scales the channels.
        out_indices: stages whose outputs are returned, of 3.
        frozen_stages: see `StagedBackbone`.
        conv_cfg: kind of convolution.
        norm_cfg: kind of norm.
        act_cfg: kind of activation.
        norm_eval: see `StagedBackbone`.
        with_cp: save memory by computing blocks again in the backward pass.
        init_cfg: see `BaseModule`.

    Raises:
        ConfigError: for another number of groups or stages that do not exist.

    Example:
        type: ShuffleNetV1
        groups: 3
    """

    def __init__(
        self,
        groups: int = 3,
        widen_factor: float = 1.0,
        out_indices: Sequence[int] = (2,),
        frozen_stages: int = -1,
        conv_cfg: Mapping[str, Any] | None = None,
        norm_cfg: Mapping[str, Any] = BN,
        act_cfg: Mapping[str, Any] = RELU,
        norm_eval: bool = False,
        with_cp: bool = False,
        init_cfg: InitCfg = SHUFFLE_INIT,
    ) -> None:
        if groups not in _WIDTHS:
            raise ConfigError(f"ShuffleNetV1: groups is one of {sorted(_WIDTHS)}, got {groups}")
        layers: dict[str, Any] = {"conv_cfg": conv_cfg, "norm_cfg": norm_cfg, "act_cfg": act_cfg}
        channels = int(24 * widen_factor)
        super().__init__(
            channels, len(STAGE_BLOCKS), out_indices, frozen_stages, norm_eval, init_cfg, **layers
        )
        layers["with_cp"] = with_cp
        for i, (blocks, width) in enumerate(zip(STAGE_BLOCKS, _WIDTHS[groups], strict=True)):
            out_channels = make_divisible(width * widen_factor, 8)
            # The first convolution behind the stem has too few channels for groups.
            first_groups = 1 if i == 0 else groups
            units = [ShuffleUnit(channels, out_channels, groups, first_groups, 2, **layers)]
            for _ in range(blocks - 1):
                units.append(ShuffleUnit(out_channels, out_channels, groups, groups, **layers))
            self.layers.append(nn.Sequential(*units))
            channels = out_channels
        self.freeze()


class ShuffleUnit(nn.Module):
    """Convolve 1x1 in groups, shuffle the channels, convolve each of them, then 1x1 in groups.

    Args:
        in_channels: channels of the input.
        out_channels: channels of the output; with stride 1 those of the input.
        groups: groups of the last convolution.
        first_groups: groups of the first one.
        stride: 1, the input is added, or 2, the shrunk input is put before the result.
        with_cp: compute the unit again in the backward pass instead of keeping its maps.
        conv_cfg: kind of convolution.
        norm_cfg: kind of norm.
        act_cfg: kind of activation.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        groups: int,
        first_groups: int,
        stride: int = 1,
        with_cp: bool = False,
        conv_cfg: Mapping[str, Any] | None = None,
        norm_cfg: Mapping[str, Any] = BN,
        act_cfg: Mapping[str, Any] = RELU,
    ) -> None:
        super().__init__()
        layers: dict[str, Any] = {"conv_cfg": conv_cfg, "norm_cfg": norm_cfg}
        self.groups = groups
        self.stride = stride
        self.with_cp = with_cp
        middle = out_channels // 4
        added = out_channels if stride == 1 else out_channels - in_channels
        self.avgpool = nn.AvgPool2d(3, stride=2, padding=1)
        self.g_conv_1x1_compress = ConvModule(
            in_channels, middle, 1, groups=first_groups, act_cfg=act_cfg, **layers
        )
        self.depthwise_conv3x3_bn = ConvModule(
            middle, middle, 3, stride=stride, padding=1, groups=middle, act_cfg=None, **layers
        )
        self.g_conv_1x1_expand = ConvModule(middle, added, 1, groups=groups, act_cfg=None, **layers)
        self.act = build_activation_layer(act_cfg)

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, out_channels, H', W') from (B, in_channels, H, W)."""
        if self.with_cp and x.requires_grad:
            return checkpoint(self._unit, x, use_reentrant=False)  # type: ignore[return-value]
        return self._unit(x)

    def _unit(self, x: Tensor) -> Tensor:
        out = self.depthwise_conv3x3_bn(self.g_conv_1x1_compress(x))
        out = self.g_conv_1x1_expand(channel_shuffle(out, self.groups))
        if self.stride == 1:
            return self.act(x + out)
        return torch.cat([self.avgpool(x), self.act(out)], dim=1)
