"""From features of every keypoint in every frame to 3D poses.

Paper: Zhu et al., MotionBERT: A Unified Perspective on Learning Human Motion Representations,
ICCV 2023. B sequences, T frames, K keypoints.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor, nn

from raypose.codecs.base import BaseKeypointCodec
from raypose.codecs.lifting import image_sizes
from raypose.errors import ConfigError
from raypose.models.base_module import InitCfg
from raypose.models.heads.base_head import BaseHead
from raypose.ops.output_accuracy import mean_position_error
from raypose.registry import CODECS, MODELS
from raypose.structures import PoseBatch, Poses

_LOSS: Mapping[str, Any] = {"type": "MSELoss", "use_target_weight": True}
_INIT: Sequence[Mapping[str, Any]] = ({"type": "TruncNormal", "layer": ["Linear"], "std": 0.02},)


@MODELS.register_module()
class MotionRegressionHead(BaseHead):
    """Regress the 3D position of each keypoint in each frame by itself.

    Args:
        in_channels: channels of the features.
        out_channels: dimensions of a position.
        embedding_size: channels between the two layers.
        loss: config of the loss, or a built one.
        decoder: config of the codec, or a built one.
        init_cfg: see `BaseModule`.

    Example:
        type: MotionRegressionHead
        in_channels: 512
        out_channels: 3
        embedding_size: 512
        loss: {type: MPJPEVelocityJointLoss}
        decoder: {type: MotionBERTLabel, num_keypoints: 17, concat_vis: true, rootrel: true}
    """

    def __init__(
        self,
        in_channels: int = 256,
        out_channels: int = 3,
        embedding_size: int = 512,
        loss: Mapping[str, Any] | nn.Module = _LOSS,
        decoder: Mapping[str, Any] | BaseKeypointCodec | None = None,
        init_cfg: InitCfg = _INIT,
    ) -> None:
        super().__init__(init_cfg)
        self.loss_module: nn.Module = MODELS.build(loss)
        self.decoder = None if decoder is None else CODECS.build(decoder)
        self.pre_logits = nn.Sequential(
            OrderedDict([("fc", nn.Linear(in_channels, embedding_size)), ("act", nn.Tanh())])
        )
        self.fc = nn.Linear(embedding_size, out_channels)

    def forward(self, feats: Sequence[Tensor] | Tensor) -> Tensor:
        """Return poses (B, T, K, out_channels) from features (B, T, K, in_channels)."""
        assert isinstance(feats, Tensor), "this head takes one tensor, as DSTFormer returns it"
        return self.fc(self.pre_logits(feats))

    def loss(self, feats: Sequence[Tensor] | Tensor, batch: PoseBatch) -> dict[str, Tensor]:
        """Return `loss_pose3d` and `mpjpe`, the mean error in the unit of the targets."""
        poses = self.forward(feats)
        targets = batch.targets["lifting_target_label"]
        weights = batch.targets["lifting_target_weight"]
        losses = {"loss_pose3d": self.loss_module(poses, targets, weights.unsqueeze(-1))}
        if self.train_cfg.get("compute_acc", True):
            losses["mpjpe"] = mean_position_error(poses.detach(), targets, weights > 0)
        return losses

    def predict(self, feats: Sequence[Tensor] | Tensor, batch: PoseBatch) -> list[Poses]:
        """Return the pose of each frame, about its root or, where the root is known, in space.

        Keypoints (T, K, 3) are in the unit of camera space where the batch has `camera_param` and
        the codec's `factor`.
        """
        poses = self.forward_test(feats, batch)
        width = height = None
        if "camera_param" in batch.annotations:
            width, height = image_sizes(batch.annotations["camera_param"]).split(1, dim=1)
        factor, root = batch.targets.get("factor"), batch.targets.get("target_root")
        return self.decode((poses, width, height, factor, root))

    def flip_outputs(self, outputs: Tensor, batch: PoseBatch) -> Tensor:
        """Negate x and swap left and right.

        Raises:
            ConfigError: if the mirror partners are not of these keypoints.
        """
        flips = list(self.flip_indices(batch))
        if len(flips) != outputs.shape[2]:
            raise ConfigError(
                f"flip_test: {outputs.shape[2]} output joints cannot be mirrored by "
                f"{len(flips)} flip_indices"
            )
        sign = outputs.new_ones(outputs.shape[-1])
        sign[0] = -1
        return outputs[:, :, flips] * sign
