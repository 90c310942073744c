"""`MSPNHead`: heatmaps from each unit of each stage of MSPN and RSN.

B samples, K keypoints, C channels, H and W of the heatmaps, L levels of the targets.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

from raypose.codecs.base import BaseKeypointCodec
from raypose.errors import ConfigError, RayposeError
from raypose.models.base_module import InitCfg
from raypose.models.heads.heatmap_head import DEFAULT_LOSS
from raypose.models.heads.multi_stage_head import Losses, MultiStageHead
from raypose.models.layers import ConvModule, DepthwiseSeparableConvModule
from raypose.models.layers.norm import BN
from raypose.registry import MODELS
from raypose.structures import PoseBatch

MultiStageFeatures = Sequence[Sequence[Tensor]]
DEFAULT_INIT: Sequence[Mapping[str, Any]] = (
    {"type": "Kaiming", "layer": "Conv2d"},
    {"type": "Normal", "layer": "Linear", "std": 0.01},
    {"type": "Constant", "layer": "BatchNorm2d", "val": 1},
)


class PRM(nn.Module):
    """Pose refine machine: weigh heatmaps by keypoint and by place.

    Cai et al.: "Learning Delicate Local Representations for Multi-Person Pose Estimation", ECCV
    2020.

    Args:
        out_channels: K.
        norm_cfg: kind of norm.
    """

    def __init__(self, out_channels: int, norm_cfg: Mapping[str, Any] = BN) -> None:
        super().__init__()
        K = out_channels
        self.conv_bn_relu_prm_1 = ConvModule(K, K, 3, padding=1, norm_cfg=norm_cfg)
        self.middle_path = nn.Sequential(
            nn.Linear(K, K),
            nn.BatchNorm1d(K),
            nn.ReLU(),
            nn.Linear(K, K),
            nn.BatchNorm1d(K),
            nn.ReLU(),
            nn.Sigmoid(),
        )
        self.bottom_path = nn.Sequential(
            ConvModule(K, K, 1, norm_cfg=norm_cfg),
            DepthwiseSeparableConvModule(K, 1, 9, padding=4, norm_cfg=norm_cfg),
            nn.Sigmoid(),
        )

    def forward(self, heatmaps: Tensor) -> Tensor:
        """Return heatmaps (B, K, H, W) from heatmaps (B, K, H, W)."""
        x = self.conv_bn_relu_prm_1(heatmaps)
        of_keypoint = self.middle_path(x.mean(dim=(2, 3)))[..., None, None]
        return x * (1 + of_keypoint * self.bottom_path(x))


class PredictHeatmap(nn.Module):
    """Two convolutions and a resizing that make heatmaps.

    Args:
        unit_channels: channels of the feature map.
        out_channels: K.
        out_shape: (H, W).
        use_prm: refine the heatmaps by `PRM`.
        norm_cfg: kind of norm.
    """

    def __init__(
        self,
        unit_channels: int,
        out_channels: int,
        out_shape: Sequence[int],
        use_prm: bool = False,
        norm_cfg: Mapping[str, Any] = BN,
    ) -> None:
        super().__init__()
        self.out_shape = (int(out_shape[0]), int(out_shape[1]))
        self.prm: nn.Module = PRM(out_channels, norm_cfg) if use_prm else nn.Identity()
        self.conv_layers = nn.Sequential(
            ConvModule(unit_channels, unit_channels, 1, norm_cfg=norm_cfg),
            ConvModule(unit_channels, out_channels, 3, padding=1, norm_cfg=norm_cfg, act_cfg=None),
        )

    def forward(self, feat: Tensor) -> Tensor:
        """Return heatmaps (B, K, H, W) from a map (B, unit_channels, H', W')."""
        x = self.conv_layers(feat)
        return self.prm(F.interpolate(x, self.out_shape, mode="bilinear", align_corners=True))


@MODELS.register_module()
class MSPNHead(MultiStageHead):
    """Heatmaps of one size from all units; coarse units learn coarse targets.

    Li et al.: "Rethinking on Multi-Stage Networks for Human Pose Estimation", 2019; Cai et al.:
    "Learning Delicate Local Representations for Multi-Person Pose Estimation", ECCV 2020.

    Args:
        num_stages: number of stages.
        num_units: units of each stage.
        out_shape: (H, W).
        unit_channels: channels of the feature maps.
        out_channels: K.
        use_prm: refine the heatmaps by `PRM`.
        norm_cfg: kind of norm.
        level_indices: the level of the targets that each unit learns, stage by stage.
        loss: config of the loss of all units, or a module; or a list with one for each.
        decoder: config of the codec, or a codec; prediction needs it.
        init_cfg: see `BaseModule`.

    Raises:
        ConfigError: if there are not as many levels as units, or another number of losses.

    Example:
        type: MSPNHead
        num_stages: 1
        num_units: 4
        out_shape: [64, 48]
        unit_channels: 256
        out_channels: 17
        level_indices: [0, 1, 2, 3]
        loss:
          - {type: KeypointMSELoss, use_target_weight: true, loss_weight: 0.25}
          - {type: KeypointMSELoss, use_target_weight: true, loss_weight: 0.25}
          - {type: KeypointMSELoss, use_target_weight: true, loss_weight: 0.25}
          - {type: KeypointOHKMMSELoss, use_target_weight: true}
        decoder: {type: MegviiHeatmap, input_size: [192, 256], heatmap_size: [48, 64],
          kernel_size: 5}
    """

    def __init__(
        self,
        num_stages: int = 4,
        num_units: int = 4,
        out_shape: Sequence[int] = (64, 48),
        unit_channels: int = 256,
        out_channels: int = 17,
        use_prm: bool = False,
        norm_cfg: Mapping[str, Any] = BN,
        level_indices: Sequence[int] = (),
        loss: Losses = DEFAULT_LOSS,
        decoder: Mapping[str, Any] | BaseKeypointCodec | None = None,
        init_cfg: InitCfg = None,
    ) -> None:
        count = num_stages * num_units
        super().__init__(count, loss, decoder, DEFAULT_INIT if init_cfg is None else init_cfg)
        if len(level_indices) != count or min(level_indices) < 0:
            raise ConfigError(
                f"MSPNHead: level_indices has an index for each of {num_stages} * {num_units} "
                f"units, got {list(level_indices)}"
            )
        self.num_stages = num_stages
        self.num_units = num_units
        self.out_channels = out_channels
        self.level_indices = tuple(level_indices)
        self.predict_layers = nn.ModuleList(
            [
                PredictHeatmap(unit_channels, out_channels, out_shape, use_prm, norm_cfg)
                for _ in range(count)
            ]
        )

    def forward(self, feats: MultiStageFeatures) -> list[Tensor]:
        """Return heatmaps (B, K, H, W) of all units, stage by stage.

        Args:
            feats: for each stage the maps (B, unit_channels, H_i, W_i) of its units.

        Raises:
            RayposeError: if there is another number of stages or units.
        """
        if [len(stage) for stage in feats] != [self.num_units] * self.num_stages:
            raise RayposeError(
                f"MSPNHead was built for {self.num_stages} stages of {self.num_units} units, "
                f"the features have stages of {[len(stage) for stage in feats]}"
            )
        units = [feat for stage in feats for feat in stage]
        return [layer(feat) for layer, feat in zip(self.predict_layers, units, strict=True)]

    def last_output(self, feats: MultiStageFeatures) -> Tensor:
        """Return the heatmaps of the last unit of the last stage."""
        return self.predict_layers[-1](feats[-1][-1])

    def loss(self, feats: MultiStageFeatures, batch: PoseBatch) -> dict[str, Tensor]:
        """Return `loss_kpt` and the accuracy `acc_pose`.

        Uses the targets `heatmaps` (B, L, K, H, W) and `keypoint_weights` (B, L, K), as
        `MultilevelHeatmap` makes them.

        Raises:
            RayposeError: if the targets lack a level.
        """
        outputs = self.forward(feats)
        heatmaps, weights = batch.targets["heatmaps"], batch.targets["keypoint_weights"]
        levels = heatmaps.shape[1] if heatmaps.dim() == 5 else 0
        if max(self.level_indices) >= levels:
            raise RayposeError(
                f"MSPNHead learns the levels {sorted(set(self.level_indices))}, the targets are "
                f"heatmaps {tuple(heatmaps.shape)}; codec: MultilevelHeatmap makes (B, L, K, H, W)"
            )
        return self.output_losses(
            outputs,
            [heatmaps[:, level] for level in self.level_indices],
            [weights[:, level] for level in self.level_indices],
        )
