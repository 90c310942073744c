"""CSPNeXtPAFPN: fine and coarse maps inform each other, in RTMDet's way.

Lyu et al.: "RTMDet: An Empirical Study of Designing Real-Time Object Detectors", 2022; Liu et al.:
"Path Aggregation Network for Instance Segmentation", CVPR 2018.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from types import MappingProxyType
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from raypose.errors import ConfigError, RayposeError
from raypose.models.base_module import BaseModule, InitCfg
from raypose.models.layers import (
    ConvModule,
    CSPLayer,
    CSPNeXtBlock,
    DarknetBottleneck,
    DepthwiseSeparableConvModule,
)
from raypose.models.layers.csp_layer import CSP_BN, SWISH, UNIFORM_INIT
from raypose.registry import MODELS, argument_problems

DEFAULT_UPSAMPLE: Mapping[str, Any] = MappingProxyType({"scale_factor": 2, "mode": "nearest"})


@MODELS.register_module()
class CSPNeXtPAFPN(BaseModule):
    """A path from coarse to fine maps, then one from fine to coarse, of CSPNeXt blocks.

    Args:
        in_channels: channels of each map, from the finest to the coarsest.
        out_channels: channels that a last convolution gives each map; None for none, maps then
            keep theirs.
        out_indices: maps that are returned.
        num_csp_blocks: blocks in each fusion.
        use_depthwise: make the convolutions depthwise-separable.
        expand_ratio: hidden channels of a fusion relative to its output.
        upsample_cfg: arguments of torch's `Upsample`.
        conv_cfg: kind of convolution.
        norm_cfg: kind of norm.
        act_cfg: kind of activation.
        init_cfg: see `BaseModule`.

    Raises:
        ConfigError: for indices that do not exist or arguments that `Upsample` does not take.

    Example:
        type: CSPNeXtPAFPN
        in_channels: [192, 384, 768]
        out_channels: null
        out_indices: [1, 2]
        num_csp_blocks: 2
        norm_cfg: {type: SyncBN}
        act_cfg: {type: SiLU}
    """

    block: ClassVar[type[CSPNeXtBlock | DarknetBottleneck]] = CSPNeXtBlock

    def __init__(
        self,
        in_channels: Sequence[int],
        out_channels: int | None,
        out_indices: Sequence[int] = (0, 1, 2),
        num_csp_blocks: int = 3,
        use_depthwise: bool = False,
        expand_ratio: float = 0.5,
        upsample_cfg: Mapping[str, Any] = DEFAULT_UPSAMPLE,
        conv_cfg: Mapping[str, Any] | None = None,
        norm_cfg: Mapping[str, Any] = CSP_BN,
        act_cfg: Mapping[str, Any] = SWISH,
        init_cfg: InitCfg = UNIFORM_INIT,
    ) -> None:
        super().__init__(init_cfg)
        count = len(in_channels)
        if any(not 0 <= index < count for index in out_indices):
            raise ConfigError(
                f"{type(self).__name__}: out_indices are within 0 ... {count - 1} for {count} "
                f"maps, got {list(out_indices)}"
            )
        problems = argument_problems(nn.Upsample, upsample_cfg)
        if problems:
            raise ConfigError([f"upsample_cfg: {message}" for _, message in problems])
        self.in_channels = tuple(in_channels)
        self.out_indices = tuple(out_indices)
        layers: dict[str, Any] = {"conv_cfg": conv_cfg, "norm_cfg": norm_cfg, "act_cfg": act_cfg}
        conv = DepthwiseSeparableConvModule if use_depthwise else ConvModule

        def fusion(fine: int, out: int) -> CSPLayer:
            return CSPLayer(
                2 * fine,
                out,
                expand_ratio=expand_ratio,
                num_blocks=num_csp_blocks,
                add_identity=False,
                use_depthwise=use_depthwise,
                block=self.block,
                **layers,
            )

        steps = list(pairwise(self.in_channels))
        self.upsample = nn.Upsample(**upsample_cfg)
        # Coarsest first, in the order of the path.
        self.reduce_layers = nn.ModuleList(
            [ConvModule(coarse, fine, 1, **layers) for fine, coarse in reversed(steps)]
        )
        self.top_down_blocks = nn.ModuleList([fusion(fine, fine) for fine, _ in reversed(steps)])
        self.downsamples = nn.ModuleList(
            [conv(fine, fine, 3, stride=2, padding=1, **layers) for fine, _ in steps]
        )
        self.bottom_up_blocks = nn.ModuleList([fusion(fine, coarse) for fine, coarse in steps])
        self.out_convs: nn.ModuleList | None = None
        if out_channels is not None:
            self.out_convs = nn.ModuleList(
                [conv(width, out_channels, 3, padding=1, **layers) for width in self.in_channels]
            )

    def forward(self, feats: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """Return those maps (B, C_i, H_i, W_i) that `out_indices` asks for.

        Args:
            feats: as many maps as `in_channels`, each half the size of the one before.

        Raises:
            RayposeError: for another number of maps.
        """
        if len(feats) != len(self.in_channels):
            raise RayposeError(
                f"{type(self).__name__} was built for {len(self.in_channels)} maps, "
                f"got {len(feats)}"
            )
        coarse, reduced = feats[-1], []
        for fine, reduce, block in zip(
            reversed(feats[:-1]), self.reduce_layers, self.top_down_blocks, strict=True
        ):
            reduced.append(reduce(coarse))
            coarse = block(torch.cat([self.upsample(reduced[-1]), fine], dim=1))
        maps = [coarse]
        for coarse, downsample, block in zip(
            reversed(reduced), self.downsamples, self.bottom_up_blocks, strict=True
        ):
            maps.append(block(torch.cat([downsample(maps[-1]), coarse], dim=1)))
        if self.out_convs is not None:
            return tuple(self.out_convs[i](maps[i]) for i in self.out_indices)
        return tuple(maps[i] for i in self.out_indices)
