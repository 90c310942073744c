"""Lifting: 2D keypoints of a sequence in, 3D poses out."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from raypose.errors import ConfigError, RayposeError
from raypose.models.estimators.base import BasePoseEstimator
from raypose.registry import MODELS
from raypose.structures import PoseBatch, Poses


@MODELS.register_module()
class PoseLifter(BasePoseEstimator):
    """Lift sequences of 2D poses to 3D.

    The network's input is made from 2D keypoints by the codec: `codec.encode_batch(batch)`
    fills `batch.inputs`; `predict` does it by the head's decoder where it is left out.

    Args: see `BasePoseEstimator`.

    Example:
        type: PoseLifter
        backbone: {type: TCN, in_channels: 34, stem_channels: 256}
        head:
          type: TemporalRegressionHead
          in_channels: 256
          num_joints: 17
          loss: {type: MPJPELoss}
          decoder: {type: VideoPoseLifting, num_keypoints: 17}
    """

    # stats_info: where the people of the training images were, see inference.LiftStage
    test_cfg_keys: ClassVar[tuple[str, ...]] = ("flip_test", "stats_info")

    def loss(self, batch: PoseBatch) -> dict[str, Tensor]:
        """Return the head's losses; see `BasePoseEstimator.loss`."""
        return self.required_head().loss(self.extract_feat(self.preprocess(batch)), batch)

    @torch.no_grad()
    def predict(self, batch: PoseBatch) -> list[Poses]:
        """Return one 3D pose for each sequence, in camera space and the unit of the training.

        Raises:
            ConfigError: if a flip test is asked for but the inputs cannot be mirrored.
        """
        head = self.required_head()
        if batch.inputs is None and head.decoder is not None:
            batch = head.decoder.encode_batch(batch)
        inputs, batch = self.mirrored(self.preprocess(batch), batch)
        return head.predict(self.extract_feat(inputs), batch)

    def preprocess(self, batch: PoseBatch) -> Tensor:
        """Return the encoded keypoints.

        Raises:
            RayposeError: if they are not there.
        """
        if not isinstance(batch.inputs, Tensor):
            raise RayposeError("a lifter's inputs are encoded keypoints: call codec.encode_batch")
        return batch.inputs

    def mirrored(self, inputs: Tensor, batch: PoseBatch) -> tuple[Tensor, PoseBatch]:
        """Return keypoints and batch of a flip test: B samples, then the same mirrored in x.

        Without `test_cfg.flip_test` both come back as they are.

        Args:
            inputs: (B, K * C, T) or (B, T, K, C), x first and centred on zero.
            batch: the samples.

        Raises:
            ConfigError: if the codec standardises each keypoint, so that x is not centred.
        """
        if not self.test_cfg.get("flip_test", False):
            return inputs, batch
        if "keypoints_mean" in batch.targets:
            raise ConfigError(
                "flip_test: keypoints that the codec standardises one by one cannot be mirrored; "
                "set test_cfg.flip_test to false"
            )
        flips = self.flip_indices(batch)
        return (
            torch.cat([inputs, mirror_keypoints(inputs, flips)]),
            batch.replace(flip_test=True, flip_indices=flips),
        )


def mirror_keypoints(inputs: Tensor, flip_indices: tuple[int, ...]) -> Tensor:
    """Negate x and swap left and right, in a new tensor.

    Args:
        inputs: (B, K * C, T) or (B, T, K, C), x first.
        flip_indices: for each of K keypoints its mirror partner.

    Raises:
        ConfigError: if the inputs are of another number of keypoints.
    """
    K = len(flip_indices)
    if inputs.dim() == 4 and inputs.shape[2] == K:
        sign = inputs.new_ones(inputs.shape[3])
        sign[0] = -1
        return inputs[:, :, list(flip_indices)] * sign
    if inputs.dim() != 3 or inputs.shape[1] % K:
        raise ConfigError(
            f"flip_test: inputs of shape {tuple(inputs.shape)} are not of {K} keypoints"
        )
    points = inputs.reshape(len(inputs), K, -1, inputs.shape[2])
    sign = inputs.new_ones(points.shape[2], 1)
    sign[0] = -1
    return (points[:, list(flip_indices)] * sign).reshape(inputs.shape)
