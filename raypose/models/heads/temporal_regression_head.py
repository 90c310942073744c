"""From sequences of features to 3D poses.

Paper: Pavllo et al., 3D Human Pose Estimation in Video with Temporal Convolutions and
Semi-Supervised Training, CVPR 2019. B sequences, T target frames, K keypoints.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor, nn

from raypose.codecs.base import BaseKeypointCodec
from raypose.errors import ConfigError
from raypose.models.base_module import InitCfg
from raypose.models.heads.base_head import BaseHead
from raypose.models.layers.conv1d import Conv1d
from raypose.ops.output_accuracy import mean_position_error
from raypose.registry import CODECS, MODELS
from raypose.structures import PoseBatch, Poses

_LOSS: Mapping[str, Any] = {"type": "MSELoss", "use_target_weight": True}
DEFAULT_INIT: Sequence[Mapping[str, Any]] = (
    {"type": "Normal", "layer": ["Linear"], "std": 0.01, "bias": 0},
)


@MODELS.register_module()
class TemporalRegressionHead(BaseHead):
    """Regress the 3D pose of each frame that the backbone leaves.

    Args:
        in_channels: channels of the features.
        num_joints: number of keypoints K, without a root that the codec removes.
        loss: config of the loss, or a built one.
        decoder: config of the codec, or a built one.
        init_cfg: see `BaseModule`.

    Example:
        type: TemporalRegressionHead
        in_channels: 256
        num_joints: 17
        loss: {type: MPJPELoss}
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
        super().__init__(init_cfg)
        self.num_joints = num_joints
        self.loss_module: nn.Module = MODELS.build(loss)
        self.decoder = None if decoder is None else CODECS.build(decoder)
        self.conv = Conv1d(in_channels, num_joints * 3, 1)

    def forward(self, feats: Sequence[Tensor] | Tensor) -> Tensor:
        """Return poses (B * T, K, 3), T = 1 for inputs as long as the receptive field.

        Args:
            feats: sequences (B, C, T_i); the last one is used.
        """
        return self.conv(feats[-1]).transpose(1, 2).reshape(-1, self.num_joints, 3)

    def loss(self, feats: Sequence[Tensor] | Tensor, batch: PoseBatch) -> dict[str, Tensor]:
        """Return `loss_pose3d` and `mpjpe`, the mean error in the unit of the targets."""
        poses = self.forward(feats)
        targets = batch.targets["lifting_target_label"].flatten(0, 1)
        weights = batch.targets["lifting_target_weight"].flatten(0, 1)
        losses = {"loss_pose3d": self.loss_module(poses, targets, weights.unsqueeze(-1))}
        if self.train_cfg.get("compute_acc", True):
            losses["mpjpe"] = mean_position_error(poses.detach(), targets, weights > 0)
        return losses

    def predict(self, feats: Sequence[Tensor] | Tensor, batch: PoseBatch) -> list[Poses]:
        """Return the pose of each sequence, about its root or, where the root is known, in space.

        Keypoints (T, K, 3) are in camera space, in the unit of the targets.
        """
        poses = self.forward_test(feats, batch)
        poses = poses.reshape(len(batch), -1, self.num_joints, 3)
        root = batch.targets.get("target_root")
        return self.decode(poses if root is None else (poses, root))

    def flip_outputs(self, outputs: Tensor, batch: PoseBatch) -> Tensor:
        """Negate x and swap left and right.

        Raises:
            ConfigError: if the skeleton of the input is not that of the output.
        """
        mirrored = outputs * outputs.new_tensor([-1.0, 1.0, 1.0])
        return mirrored[:, self._output_flips(self.flip_indices(batch))]

    def _output_flips(self, flips: Sequence[int]) -> list[int]:
        roots = getattr(self.decoder, "root_index", ())
        removed = set(roots) if getattr(self.decoder, "remove_root", False) else set()
        kept = [i for i in range(len(flips)) if i not in removed]
        if len(kept) != self.num_joints or {flips[i] for i in kept} != set(kept):
            raise ConfigError(
                f"flip_test: {self.num_joints} output joints cannot be mirrored by the "
                f"{len(flips)} flip_indices of the input"
            )
        return [kept.index(flips[i]) for i in kept]
