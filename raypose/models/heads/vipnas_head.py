"""`ViPNASHead`: heatmaps after deconvolutions in groups.

Paper: Xu et al., ViPNAS: Efficient Video Pose Estimation via Neural Architecture Search, CVPR 2021.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import nn

from raypose.codecs.base import BaseKeypointCodec
from raypose.models.base_module import InitCfg
from raypose.models.heads.heatmap_head import (
    DEFAULT_FINAL_LAYER,
    DEFAULT_LOSS,
    HeatmapHead,
    build_deconv_layers,
)
from raypose.registry import MODELS


@MODELS.register_module()
class ViPNASHead(HeatmapHead):
    """`HeatmapHead` whose deconvolutions have groups.

    Args:
        in_channels: channels of the last feature map.
        out_channels: K; 3K for UDP's combined targets.
        deconv_out_channels: see `HeatmapHead`.
        deconv_kernel_sizes: see `HeatmapHead`.
        deconv_num_groups: groups of the deconvolutions.
        conv_out_channels: see `HeatmapHead`.
        conv_kernel_sizes: see `HeatmapHead`.
        final_layer: see `HeatmapHead`.
        loss: config of the loss, or a module.
        decoder: config of the codec, or a codec; prediction needs it.
        init_cfg: see `BaseModule`.

    Raises:
        ConfigError: if channels, kernel sizes and groups differ in number or do not fit.

    Example:
        type: ViPNASHead
        in_channels: 608
        out_channels: 17
        loss: {type: KeypointMSELoss, use_target_weight: true}
        decoder: {type: MSRAHeatmap, input_size: [192, 256], heatmap_size: [48, 64], sigma: 2}
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        deconv_out_channels: Sequence[int] | None = (144, 144, 144),
        deconv_kernel_sizes: Sequence[int] | None = (4, 4, 4),
        deconv_num_groups: Sequence[int] | None = (16, 16, 16),
        conv_out_channels: Sequence[int] | None = None,
        conv_kernel_sizes: Sequence[int] | None = None,
        final_layer: Mapping[str, Any] | None = DEFAULT_FINAL_LAYER,
        loss: Mapping[str, Any] | nn.Module = DEFAULT_LOSS,
        decoder: Mapping[str, Any] | BaseKeypointCodec | None = None,
        init_cfg: InitCfg = None,
    ) -> None:
        super().__init__(
            deconv_out_channels[-1] if deconv_out_channels else in_channels,
            out_channels,
            None,
            None,
            conv_out_channels,
            conv_kernel_sizes,
            final_layer,
            loss,
            decoder,
            init_cfg,
        )
        self.in_channels = in_channels
        if deconv_out_channels:
            self.deconv_layers = build_deconv_layers(
                in_channels, deconv_out_channels, deconv_kernel_sizes, deconv_num_groups
            )
