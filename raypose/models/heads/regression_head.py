"""Heads that regress coordinates: `RegressionHead` and `RLEHead`.

B samples, K keypoints; coordinates are fractions of the input's width and height.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor, nn

from raypose.codecs.base import BaseKeypointCodec
from raypose.models.base_module import InitCfg
from raypose.models.heads.base_head import BaseHead, Features
from raypose.ops.flips import flip_coordinates
from raypose.ops.output_accuracy import coordinate_pck_accuracy
from raypose.registry import CODECS, MODELS
from raypose.structures import PoseBatch, Poses

DEFAULT_LOSS: Mapping[str, Any] = MappingProxyType(
    {"type": "SmoothL1Loss", "use_target_weight": True}
)
DEFAULT_RLE_LOSS: Mapping[str, Any] = MappingProxyType(
    {"type": "RLELoss", "use_target_weight": True}
)
DEFAULT_INIT: Sequence[Mapping[str, Any]] = (
    {"type": "Normal", "layer": ["Linear"], "std": 0.01, "bias": 0},
)


@MODELS.register_module()
class RegressionHead(BaseHead):
    """A linear layer from pooled features to coordinates.

    Toshev and Szegedy: "DeepPose: Human Pose Estimation via Deep Neural Networks", CVPR 2014.

    Args:
        in_channels: channels of the pooled features.
        num_joints: K.
        loss: config of the loss, or a module.
        decoder: config of the codec, or a codec; prediction needs it.
        init_cfg: see `BaseModule`.

    Example:
        type: RegressionHead
        in_channels: 2048
        num_joints: 17
        loss: {type: SmoothL1Loss, use_target_weight: true}
        decoder: {type: RegressionLabel, input_size: [192, 256]}
    """

    values_per_joint = 2

    def __init__(
        self,
        in_channels: int,
        num_joints: int,
        loss: Mapping[str, Any] | nn.Module = DEFAULT_LOSS,
        decoder: Mapping[str, Any] | BaseKeypointCodec | None = None,
        init_cfg: InitCfg = None,
    ) -> None:
        super().__init__(DEFAULT_INIT if init_cfg is None else init_cfg)
        self.in_channels = in_channels
        self.num_joints = num_joints
        self.loss_module = MODELS.build(loss)
        self.decoder = None if decoder is None else CODECS.build(decoder)
        self.fc = nn.Linear(in_channels, num_joints * self.values_per_joint)

    def forward(self, feats: Features) -> Tensor:
        """Return coordinates (B, K, 2) from the last of the features, (B, C) or (B, C, 1, 1)."""
        values = self.fc(torch.flatten(feats[-1], 1))
        return values.reshape(-1, self.num_joints, self.values_per_joint)

    def loss(self, feats: Features, batch: PoseBatch) -> dict[str, Tensor]:
        """Return `loss_kpt` and the accuracy `acc_pose`.

        Uses the targets `keypoint_labels` (B, 1, K, 2) and `keypoint_weights` (B, 1, K).
        """
        outputs = self.forward(feats)
        labels = batch.targets["keypoint_labels"].flatten(0, 1)
        weights = batch.targets["keypoint_weights"].flatten(0, 1)
        losses = {"loss_kpt": self.keypoint_loss(outputs, labels, weights[..., None])}
        if self.train_cfg.get("compute_acc", True):
            coords = outputs.detach()[..., :2]
            losses["acc_pose"] = coordinate_pck_accuracy(coords, labels, weights > 0)[1]
        return losses

    def keypoint_loss(self, outputs: Tensor, labels: Tensor, weights: Tensor) -> Tensor:
        """Compare outputs with labels (B, K, 2), weighted by (B, K, 1)."""
        return self.loss_module(outputs, labels, weights)

    def predict(self, feats: Features, batch: PoseBatch) -> list[Poses]:
        """Return one instance for each sample, in input space."""
        return self.decode(self.forward_test(feats, batch))

    def flip_outputs(self, outputs: Tensor, batch: PoseBatch) -> Tensor:
        """Mirror x and swap left and right; `test_cfg.shift_coords` moves by one pixel, too."""
        return flip_coordinates(
            outputs,
            self.flip_indices(batch),
            shift_coords=self.test_cfg.get("shift_coords", True),
            input_size=batch.transforms[0].input_size,
        )


@MODELS.register_module()
class RLEHead(RegressionHead):
    """A linear layer from pooled features to coordinates and how far to trust them.

    Li et al.: "Human Pose Regression with Residual Log-likelihood Estimation", ICCV 2021.

    Args:
        in_channels: channels of the pooled features.
        num_joints: K.
        loss: config of the loss, or a module.
        decoder: config of the codec, or a codec; prediction needs it.
        init_cfg: see `BaseModule`.

    Example:
        type: RLEHead
        in_channels: 2048
        num_joints: 17
        loss: {type: RLELoss, use_target_weight: true}
        decoder: {type: RegressionLabel, input_size: [192, 256]}
    """

    values_per_joint = 4

    def __init__(
        self,
        in_channels: int,
        num_joints: int,
        loss: Mapping[str, Any] | nn.Module = DEFAULT_RLE_LOSS,
        decoder: Mapping[str, Any] | BaseKeypointCodec | None = None,
        init_cfg: InitCfg = None,
    ) -> None:
        super().__init__(in_channels, num_joints, loss, decoder, init_cfg)

    def forward(self, feats: Features) -> Tensor:
        """Return (B, K, 4): x, y and their spreads before the sigmoid."""
        return super().forward(feats)

    def keypoint_loss(self, outputs: Tensor, labels: Tensor, weights: Tensor) -> Tensor:
        """Compare outputs with labels (B, K, 2), weighted by (B, K, 1)."""
        return self.loss_module(outputs[..., :2], outputs[..., 2:], labels, weights)

    def forward_test(self, feats: Features, batch: PoseBatch) -> Tensor:
        """Return x, y and spreads; a flip test averages the spreads after their sigmoid."""
        outputs = self.forward(feats)
        outputs = torch.cat([outputs[..., :2], outputs[..., 2:].sigmoid()], dim=-1)
        return self.fold_flip_test(outputs, batch)
