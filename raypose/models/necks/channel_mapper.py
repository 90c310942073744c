"""`ChannelMapper`: maps of one width, and smaller ones behind them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from torch import Tensor, nn

from raypose.errors import ConfigError, RayposeError
from raypose.models.base_module import BaseModule, InitCfg
from raypose.models.layers import ConvModule
from raypose.models.layers.activation import RELU
from raypose.registry import MODELS

XAVIER_INIT: Mapping[str, Any] = MappingProxyType(
    {"type": "Xavier", "layer": "Conv2d", "distribution": "uniform"}
)


@MODELS.register_module()
class ChannelMapper(BaseModule):
    """One convolution for each map; further maps are halved copies of the last one.

    Args:
        in_channels: channels of each map.
        out_channels: channels of every output.
        kernel_size: of the convolutions, odd; those that halve have 3.
        conv_cfg: kind of convolution.
        norm_cfg: kind of norm.
        act_cfg: kind of activation.
        num_outs: number of outputs, as many as inputs by default.
        init_cfg: see `BaseModule`.

    Raises:
        ConfigError: for fewer outputs than inputs.

    Example:
        type: ChannelMapper
        in_channels: [512, 1024, 2048]
        kernel_size: 1
        out_channels: 256
        act_cfg: null
        norm_cfg: {type: GN, num_groups: 32}
        num_outs: 4
    """

    def __init__(
        self,
        in_channels: Sequence[int],
        out_channels: int,
        kernel_size: int = 3,
        conv_cfg: Mapping[str, Any] | None = None,
        norm_cfg: Mapping[str, Any] | None = None,
        act_cfg: Mapping[str, Any] | None = RELU,
        num_outs: int | None = None,
        init_cfg: InitCfg = XAVIER_INIT,
    ) -> None:
        super().__init__(init_cfg)
        count = len(in_channels)
        extra = 0 if num_outs is None else num_outs - count
        if extra < 0:
            raise ConfigError(f"ChannelMapper: {count} maps give at least as many, not {num_outs}")
        layers: dict[str, Any] = {"conv_cfg": conv_cfg, "norm_cfg": norm_cfg, "act_cfg": act_cfg}
        self.convs = nn.ModuleList(
            [
                ConvModule(width, out_channels, kernel_size, padding=kernel_size // 2, **layers)
                for width in in_channels
            ]
        )
        self.extra_convs = nn.ModuleList(
            [
                ConvModule(width, out_channels, 3, stride=2, padding=1, **layers)
                for width in [in_channels[-1], *[out_channels] * extra][:extra]
            ]
        )

    def forward(self, feats: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """Return maps (B, out_channels, H_i, W_i).

        Args:
            feats: maps (B, C_i, H_i, W_i), as many as `in_channels`.

        Raises:
            RayposeError: for another number of maps.
        """
        if len(feats) != len(self.convs):
            raise RayposeError(
                f"ChannelMapper was built for {len(self.convs)} maps, got {len(feats)}"
            )
        outs = [conv(feat) for conv, feat in zip(self.convs, feats, strict=True)]
        smaller = feats[-1]
        for conv in self.extra_convs:
            smaller = conv(smaller)
            outs.append(smaller)
        return tuple(outs)
