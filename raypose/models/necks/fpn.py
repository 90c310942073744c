"""FPN: coarse maps inform the finer ones.

Lin et al.: "Feature Pyramid Networks for Object Detection", CVPR 2017.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

from raypose.errors import ConfigError, RayposeError, did_you_mean
from raypose.models.base_module import BaseModule, InitCfg
from raypose.models.layers import ConvModule
from raypose.registry import MODELS

DEFAULT_UPSAMPLE: Mapping[str, Any] = MappingProxyType({"mode": "nearest"})
_INIT: Mapping[str, Any] = {"type": "Xavier", "layer": "Conv2d", "distribution": "uniform"}
_SOURCES = ("on_input", "on_lateral", "on_output")


@MODELS.register_module()
class FPN(BaseModule):
    """Feature pyramid: each map, brought to one width, plus the enlarged next coarser one.

    Args:
        in_channels: channels of each map, from the finest to the coarsest.
        out_channels: channels of all maps that are returned.
        num_outs: how many are returned; those beyond the input's are made coarser and coarser.
        start_level: the first map that is used.
        end_level: the last map that is used, -1 for the last there is; with another one no
            further maps are made.
        add_extra_convs: make further maps by convolutions, from the last input (`on_input`, or
            true), the last map before its convolution (`on_lateral`) or after it (`on_output`);
            false to take every second cell of the last map.
        relu_before_extra_convs: put an activation before further convolutions but the first.
        no_norm_on_lateral: leave out the norm where maps are brought to one width.
        conv_cfg: kind of convolution.
        norm_cfg: kind of norm; None for none.
        act_cfg: kind of activation; None for none.
        upsample_cfg: how maps are enlarged, arguments of torch's `interpolate`.
        init_cfg: see `BaseModule`.

    Raises:
        ConfigError: if levels and `num_outs` do not fit, or `add_extra_convs` is unknown.

    Example:
        type: FPN
        in_channels: [256, 512, 1024, 2048]
        out_channels: 256
        num_outs: 4
    """

    def __init__(
        self,
        in_channels: Sequence[int],
        out_channels: int,
        num_outs: int,
        start_level: int = 0,
        end_level: int = -1,
        add_extra_convs: bool | str = False,
        relu_before_extra_convs: bool = False,
        no_norm_on_lateral: bool = False,
        conv_cfg: Mapping[str, Any] | None = None,
        norm_cfg: Mapping[str, Any] | None = None,
        act_cfg: Mapping[str, Any] | None = None,
        upsample_cfg: Mapping[str, Any] = DEFAULT_UPSAMPLE,
        init_cfg: InitCfg = _INIT,
    ) -> None:
        super().__init__(init_cfg)
        self.in_channels = tuple(in_channels)
        last = len(in_channels) - 1
        end_level = last if end_level == -1 else end_level
        if not 0 <= start_level <= end_level <= last:
            raise ConfigError(
                f"FPN: start_level and end_level are within 0 ... {last} in this order, "
                f"got {start_level} and {end_level}"
            )
        used = end_level - start_level + 1
        if num_outs < used or (num_outs > used and end_level != last):
            raise ConfigError(
                f"FPN: num_outs is {used}, the number of levels used, or more if the last level "
                f"is among them, got {num_outs}"
            )
        self.extra_source = "on_input" if add_extra_convs is True else add_extra_convs
        if self.extra_source and self.extra_source not in _SOURCES:
            raise ConfigError(
                f"FPN: add_extra_convs is a boolean or one of {', '.join(_SOURCES)}, "
                f"got {add_extra_convs!r}.{did_you_mean(str(add_extra_convs), _SOURCES)}"
            )
        self.levels = range(start_level, end_level + 1)
        self.num_extra = num_outs - used
        self.relu_before_extra_convs = relu_before_extra_convs
        self.upsample_cfg = dict(upsample_cfg)
        layers: dict[str, Any] = {"conv_cfg": conv_cfg, "act_cfg": act_cfg, "inplace": False}
        lateral_norm = None if no_norm_on_lateral else norm_cfg
        self.lateral_convs = nn.ModuleList(
            [
                ConvModule(in_channels[i], out_channels, 1, norm_cfg=lateral_norm, **layers)
                for i in self.levels
            ]
        )
        layers["norm_cfg"] = norm_cfg
        self.fpn_convs = nn.ModuleList(
            [ConvModule(out_channels, out_channels, 3, padding=1, **layers) for _ in self.levels]
        )
        for i in range(self.num_extra if self.extra_source else 0):
            of_input = i == 0 and self.extra_source == "on_input"
            channels = in_channels[end_level] if of_input else out_channels
            self.fpn_convs.append(
                ConvModule(channels, out_channels, 3, stride=2, padding=1, **layers)
            )

    def forward(self, inputs: Sequence[Tensor]) -> list[Tensor]:
        """Return `num_outs` maps (B, out_channels, H_i, W_i), the finest first.

        Args:
            inputs: maps (B, C_i, H_i, W_i), the finest first.

        Raises:
            RayposeError: if there is another number of maps.
        """
        if len(inputs) != len(self.in_channels):
            raise RayposeError(f"FPN: {len(self.in_channels)} maps are expected, got {len(inputs)}")
        used = [inputs[i] for i in self.levels]
        laterals = [conv(x) for conv, x in zip(self.lateral_convs, used, strict=True)]
        for i in range(len(laterals) - 1, 0, -1):
            laterals[i - 1] = laterals[i - 1] + self._enlarged(laterals[i], laterals[i - 1])
        outs = [conv(x) for conv, x in zip(self.fpn_convs, laterals, strict=False)]
        if not self.extra_source:
            for _ in range(self.num_extra):
                outs.append(outs[-1][..., ::2, ::2])
            return outs
        sources = {"on_input": used, "on_lateral": laterals, "on_output": outs}
        x = sources[str(self.extra_source)][-1]
        for i, conv in enumerate(self.fpn_convs[len(laterals) :]):
            outs.append(conv(x.relu() if i > 0 and self.relu_before_extra_convs else x))
            x = outs[-1]
        return outs

    def _enlarged(self, x: Tensor, finer: Tensor) -> Tensor:
        """Return a map in the size of the next finer one."""
        if "scale_factor" in self.upsample_cfg:
            return F.interpolate(x, **self.upsample_cfg)
        return F.interpolate(x, finer.shape[-2:], **self.upsample_cfg)
