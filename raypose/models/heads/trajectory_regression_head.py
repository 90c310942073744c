"""Where a lifted pose is in space.

Paper: Pavllo et al., 3D Human Pose Estimation in Video with Temporal Convolutions and
Semi-Supervised Training, CVPR 2019. B sequences, T target frames, J joints (as a rule the root).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor, nn

from raypose.codecs.base import BaseKeypointCodec
from raypose.models.base_module import InitCfg
from raypose.models.heads.temporal_regression_head import DEFAULT_INIT, TemporalRegressionHead
from raypose.ops.output_accuracy import mean_position_error
from raypose.registry import MODELS
from raypose.structures import PoseBatch, Poses

_LOSS: Mapping[str, Any] = {"type": "MPJPELoss", "use_target_weight": True}


@MODELS.register_module()
class TrajectoryRegressionHead(TemporalRegressionHead):
    """Regress the root's position of each frame that the backbone leaves.

    Args:
        in_channels: channels of the features.
        num_joints: number of joints J, 1 for the root.
        loss: config of the loss, or a built one.
        decoder: config of the codec, or a built one.
        init_cfg: see `BaseModule`.

    Example:
        type: TrajectoryRegressionHead
        in_channels: 256
        num_joints: 1
        decoder: {type: VideoPoseLifting, num_keypoints: 17}
    """

    def __init__(
        self,
        in_channels: int,
        num_joints: int,
        loss: Mapping[str, Any] | nn.Module = _LOSS,
        decoder: Mapping[str, Any] | BaseKeypointCodec | None = None,
        init_cfg: InitCfg = DEFAULT_INIT,
    ) -> None:
        super().__init__(in_channels, num_joints, loss, decoder, init_cfg)

    def loss(self, feats: Sequence[Tensor] | Tensor, batch: PoseBatch) -> dict[str, Tensor]:
        """Return `loss_traj` and `mpjpe_traj`, the mean error in the unit of the targets.

        The target is the root's position, weighted by 1 / depth as in the paper, where the codec
        encodes `target_root` (B, T, 3); otherwise the keypoints of `lifting_target_label` with
        `trajectory_weights`.
        """
        positions = self.forward(feats)
        weights = batch.targets["trajectory_weights"].flatten(0, 1)
        if "target_root" in batch.targets:
            targets = batch.targets["target_root"].flatten(0, 1)[:, None]
            weights = (weights > 0).any(dim=-1, keepdim=True) / targets[..., 2].clamp(min=1e-3)
        else:
            targets = batch.targets["lifting_target_label"].flatten(0, 1)
        losses = {"loss_traj": self.loss_module(positions, targets, weights.unsqueeze(-1))}
        if self.train_cfg.get("compute_acc", True):
            losses["mpjpe_traj"] = mean_position_error(positions.detach(), targets, weights > 0)
        return losses

    def predict(self, feats: Sequence[Tensor] | Tensor, batch: PoseBatch) -> list[Poses]:
        """Return the positions (T, J, 3) of each sequence in camera space."""
        positions = self.forward_test(feats, batch)
        return self.decode(positions.reshape(len(batch), -1, self.num_joints, 3))

    def flip_outputs(self, outputs: Tensor, batch: PoseBatch) -> Tensor:
        """Negate x."""
        return outputs * outputs.new_tensor([-1.0, 1.0, 1.0])
