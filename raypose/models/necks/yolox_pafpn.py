"""YOLOXPAFPN: fine and coarse maps inform each other, in YOLOX's way.

Ge et al.: "YOLOX: Exceeding YOLO Series in 2021"; Liu et al.: "Path Aggregation Network for
Instance Segmentation", CVPR 2018.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import nn

from raypose.models.base_module import InitCfg
from raypose.models.layers import ConvModule, DarknetBottleneck
from raypose.models.layers.csp_layer import CSP_BN, SWISH, UNIFORM_INIT
from raypose.models.necks.cspnext_pafpn import DEFAULT_UPSAMPLE, CSPNeXtPAFPN
from raypose.registry import MODELS


@MODELS.register_module()
class YOLOXPAFPN(CSPNeXtPAFPN):
    """A path from coarse to fine maps, then one from fine to coarse, of Darknet's blocks.

    Args:
        in_channels: channels of each map, from the finest to the coarsest.
        out_channels: channels that a last 1x1 convolution gives each map.
        num_csp_blocks: blocks in each fusion.
        use_depthwise: make the 3x3 convolutions depthwise-separable.
        upsample_cfg: arguments of torch's `Upsample`.
        conv_cfg: kind of convolution.
        norm_cfg: kind of norm.
        act_cfg: kind of activation.
        init_cfg: see `BaseModule`.

    Raises:
        ConfigError: for arguments that `Upsample` does not take.

    Example:
        type: YOLOXPAFPN
        in_channels: [96, 192, 384]
        out_channels: 96
        num_csp_blocks: 1
    """

    block = DarknetBottleneck

    def __init__(
        self,
        in_channels: Sequence[int],
        out_channels: int,
        num_csp_blocks: int = 3,
        use_depthwise: bool = False,
        upsample_cfg: Mapping[str, Any] = DEFAULT_UPSAMPLE,
        conv_cfg: Mapping[str, Any] | None = None,
        norm_cfg: Mapping[str, Any] = CSP_BN,
        act_cfg: Mapping[str, Any] = SWISH,
        init_cfg: InitCfg = UNIFORM_INIT,
    ) -> None:
        layers: dict[str, Any] = {"conv_cfg": conv_cfg, "norm_cfg": norm_cfg, "act_cfg": act_cfg}
        super().__init__(
            in_channels,
            None,
            out_indices=range(len(in_channels)),
            num_csp_blocks=num_csp_blocks,
            use_depthwise=use_depthwise,
            upsample_cfg=upsample_cfg,
            init_cfg=init_cfg,
            **layers,
        )
        self.out_convs = nn.ModuleList(
            [ConvModule(width, out_channels, 1, **layers) for width in in_channels]
        )
