"""`CPMHead`: heatmaps from each stage of a multi-stage network.

B samples, K keypoints, C channels, H and W of the heatmaps.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor, nn

from raypose.codecs.base import BaseKeypointCodec
from raypose.errors import RayposeError
from raypose.models.base_module import InitCfg
from raypose.models.heads.base_head import Features
from raypose.models.heads.heatmap_head import (
    DEFAULT_FINAL_LAYER,
    DEFAULT_INIT,
    DEFAULT_LOSS,
    build_deconv_layers,
    build_final_layer,
)
from raypose.models.heads.multi_stage_head import Losses, MultiStageHead
from raypose.registry import MODELS
from raypose.structures import PoseBatch


@MODELS.register_module()
class CPMHead(MultiStageHead):
    """For each stage deconvolutions and a last layer; all stages learn the same heatmaps.

    Wei et al.: "Convolutional Pose Machines", CVPR 2016; Newell et al.: "Stacked Hourglass
    Networks for Human Pose Estimation", ECCV 2016.

    Args:
        in_channels: channels of the feature maps.
        out_channels: K.
        num_stages: number of stages.
        deconv_out_channels: channels after each deconvolution, each doubles the size; None for
            no deconvolutions.
        deconv_kernel_sizes: kernel sizes of the deconvolutions: 4, 3 or 2.
        final_layer: arguments of the last convolution; None for none.
        loss: config of the loss of all stages, or a module; or a list with one for each.
        decoder: config of the codec, or a codec; prediction needs it.
        init_cfg: see `BaseModule`.

    Raises:
        ConfigError: if there is another number of losses than stages, or the deconvolutions are
            not supported.

    Example:
        type: CPMHead
        in_channels: 256
        out_channels: 17
        num_stages: 2
        decoder: {type: MSRAHeatmap, input_size: [256, 256], heatmap_size: [64, 64], sigma: 2}
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        num_stages: int,
        deconv_out_channels: Sequence[int] | None = None,
        deconv_kernel_sizes: Sequence[int] | None = None,
        final_layer: Mapping[str, Any] | None = DEFAULT_FINAL_LAYER,
        loss: Losses = DEFAULT_LOSS,
        decoder: Mapping[str, Any] | BaseKeypointCodec | None = None,
        init_cfg: InitCfg = None,
    ) -> None:
        super().__init__(num_stages, loss, decoder, DEFAULT_INIT if init_cfg is None else init_cfg)
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.multi_deconv_layers = nn.ModuleList()
        self.multi_final_layers = nn.ModuleList()
        for _ in range(num_stages):
            channels = in_channels
            deconv_layers: nn.Module = nn.Identity()
            if deconv_out_channels:
                deconv_layers = build_deconv_layers(
                    channels, deconv_out_channels, deconv_kernel_sizes
                )
                channels = deconv_out_channels[-1]
            self.multi_deconv_layers.append(deconv_layers)
            self.multi_final_layers.append(
                nn.Identity()
                if final_layer is None
                else build_final_layer(channels, out_channels, final_layer)
            )

    def forward(self, feats: Features) -> list[Tensor]:
        """Return heatmaps (B, K, H, W) of each stage from its feature map.

        Raises:
            RayposeError: if the features have another number of stages.
        """
        if len(feats) != len(self.multi_final_layers):
            raise RayposeError(
                f"CPMHead was built for {len(self.multi_final_layers)} stages, "
                f"the features have {len(feats)}"
            )
        return [self._stage(i, feat) for i, feat in enumerate(feats)]

    def last_output(self, feats: Features) -> Tensor:
        """Return the heatmaps of the last stage."""
        return self._stage(-1, feats[-1])

    def loss(self, feats: Features, batch: PoseBatch) -> dict[str, Tensor]:
        """Return `loss_kpt` and the accuracy `acc_pose`.

        Uses the targets `heatmaps` (B, K, H, W) and `keypoint_weights` (B, 1, K).
        """
        outputs = self.forward(feats)
        heatmaps = batch.targets["heatmaps"]
        weights = batch.targets["keypoint_weights"].flatten(0, 1)
        return self.output_losses(outputs, [heatmaps] * len(outputs), [weights] * len(outputs))

    def _stage(self, number: int, feat: Tensor) -> Tensor:
        return self.multi_final_layers[number](self.multi_deconv_layers[number](feat))
