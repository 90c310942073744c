"""Lifting: 2D keypoints of a sequence in, 3D poses out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, cast

import torch
from torch import Tensor, nn

from raypose.errors import ConfigError, RayposeError
from raypose.models.base_module import InitCfg
from raypose.models.estimators.base import BasePoseEstimator
from raypose.models.heads.base_head import BaseHead
from raypose.registry import MODELS
from raypose.structures import PoseBatch, Poses, Skeleton

# What a batch brings along for `semi_loss`.
_UNLABELED = ("unlabeled_inputs", "unlabeled_target_2d", "intrinsics")


@MODELS.register_module()
class PoseLifter(BasePoseEstimator):
    """Lift sequences of 2D poses to 3D.

    The network's input is made from 2D keypoints by the codec: `codec.encode_batch(batch)`
    fills `batch.inputs`; `predict` does it by the head's decoder where it is left out.

    A second branch may say where the root is in space. With both, `semi_loss` learns from
    sequences without 3D annotations, which come in `batch.annotations` as `unlabeled_inputs`
    (N, ...), laid out like `batch.inputs`; `unlabeled_target_2d` (N, K, 2), the 2D poses of the
    target frames; and `intrinsics` (N, 4) or (N, 9), cameras in the unit of these (see
    `project_joints` in `raypose.models.losses.semi_supervision`).

    Args:
        backbone: see `BasePoseEstimator`.
        neck: between backbone and head, if any.
        head: regresses poses about the root.
        traj_backbone: feature extractor of the second branch; without one it gets the features of
            the first.
        traj_neck: between `traj_backbone` and `traj_head`, if any.
        traj_head: regresses the position of the root.
        semi_loss: loss of sequences without annotations; needs both heads.
        train_cfg: see `BasePoseEstimator`.
        test_cfg: see `BasePoseEstimator`.
        data_preprocessor: see `BasePoseEstimator`.
        skeleton: see `BasePoseEstimator`.
        init_cfg: see `BaseModule`.

    Raises:
        ConfigError: if a part of the second branch or `semi_loss` lacks what it needs.

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

    # stats_info, conversion, unit: for its use after a 2D model, see inference.LiftStage
    test_cfg_keys: ClassVar[tuple[str, ...]] = ("flip_test", "stats_info", "conversion", "unit")

    def __init__(
        self,
        backbone: Mapping[str, Any] | nn.Module,
        neck: Mapping[str, Any] | nn.Module | None = None,
        head: Mapping[str, Any] | nn.Module | None = None,
        traj_backbone: Mapping[str, Any] | nn.Module | None = None,
        traj_neck: Mapping[str, Any] | nn.Module | None = None,
        traj_head: Mapping[str, Any] | nn.Module | None = None,
        semi_loss: Mapping[str, Any] | nn.Module | None = None,
        train_cfg: Mapping[str, Any] | None = None,
        test_cfg: Mapping[str, Any] | None = None,
        data_preprocessor: Mapping[str, Any] | nn.Module | None = None,
        skeleton: str | Mapping[str, Any] | Skeleton | None = None,
        init_cfg: InitCfg = None,
    ) -> None:
        super().__init__(
            backbone, neck, head, train_cfg, test_cfg, data_preprocessor, skeleton, init_cfg
        )
        if traj_head is None and (traj_backbone is not None or traj_neck is not None):
            raise ConfigError("PoseLifter: traj_backbone and traj_neck are for a traj_head")
        if semi_loss is not None and (head is None or traj_head is None):
            raise ConfigError("PoseLifter: semi_loss needs head and traj_head")
        self.traj_backbone: nn.Module | None = _built(traj_backbone)
        self.traj_neck: nn.Module | None = _built(traj_neck)
        self.traj_head: nn.Module | None = _built(traj_head)
        self.semi_loss: nn.Module | None = _built(semi_loss)
        if isinstance(self.traj_head, BaseHead):
            self.traj_head.train_cfg, self.traj_head.test_cfg = self.train_cfg, self.test_cfg

    def extract_feats(self, inputs: Tensor) -> tuple[Any, Any]:
        """Return the features of both branches; None for the second where there is none."""
        feats = self.extract_feat(inputs)
        if self.traj_head is None:
            return feats, None
        second = feats if self.traj_backbone is None else self.traj_backbone(inputs)
        return feats, second if self.traj_neck is None else self.traj_neck(second)

    def forward(self, inputs: Tensor) -> Any:
        """Return the raw outputs of the head, or those of both heads as a pair."""
        feats, second = self.extract_feats(inputs)
        outputs = feats if self.head is None else self.head(feats)
        return outputs if self.traj_head is None else (outputs, self.traj_head(second))

    def loss(self, batch: PoseBatch) -> dict[str, Tensor]:
        """Return the losses of the heads, and `loss_proj` and `loss_bone` of `semi_loss`.

        Raises:
            RayposeError: if the batch lacks sequences for `semi_loss`.
        """
        head = self.required_head()
        feats, second = self.extract_feats(self.preprocess(batch))
        losses = head.loss(feats, batch)
        if self.traj_head is not None:
            losses.update(cast(BaseHead, self.traj_head).loss(second, batch))
        if self.semi_loss is not None:
            found = self.semi_loss(*self._unlabeled(feats, batch))
            losses.update({f"loss_{k.removesuffix('_loss')}": v for k, v in found.items()})
        return losses

    @torch.no_grad()
    def predict(self, batch: PoseBatch) -> list[Poses]:
        """Return one 3D pose for each sequence, in camera space and the unit of the training.

        Where the batch does not know the position of the root, `traj_head` says it.

        Raises:
            ConfigError: if a flip test is asked for but the inputs cannot be mirrored.
        """
        head = self.required_head()
        if batch.inputs is None and head.decoder is not None:
            batch = head.decoder.encode_batch(batch)
        inputs, batch = self.mirrored(self.preprocess(batch), batch)
        feats, second = self.extract_feats(inputs)
        if self.traj_head is not None and "target_root" not in batch.targets:
            positions = cast(BaseHead, self.traj_head).forward_test(second, batch)
            # One joint, or the middle of several.
            root = positions.mean(dim=1).reshape(len(batch), -1, positions.shape[-1])
            batch = batch.replace(targets={**batch.targets, "target_root": root})
        return head.predict(feats, batch)

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

    def _unlabeled(
        self, feats: Any, batch: PoseBatch
    ) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """Return outputs and targets for `semi_loss`; none while it does not look at them."""
        if getattr(self.semi_loss, "warming_up", False):
            return {}, {}
        missing = [name for name in _UNLABELED if name not in batch.annotations]
        if missing:
            raise RayposeError(
                f"semi_loss needs {', '.join(_UNLABELED)} in the annotations of a batch; "
                f"missing: {', '.join(missing)}"
            )
        inputs, points, intrinsics = (batch.annotations[name] for name in _UNLABELED)
        unlabeled_pose, unlabeled_traj = self.forward(inputs)
        outputs = {
            "labeled_pose": self.required_head()(feats),
            "unlabeled_pose": unlabeled_pose,
            "unlabeled_traj": unlabeled_traj,
        }
        return outputs, {"unlabeled_target_2d": points, "intrinsics": intrinsics}


def _built(config: Mapping[str, Any] | nn.Module | None) -> Any:
    return None if config is None else MODELS.build(config)


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
