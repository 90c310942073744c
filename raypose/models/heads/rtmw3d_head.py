"""`RTMW3DHead`: RTMW's head with a third axis, the depth behind the root."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor, nn

from raypose.codecs.base import BaseKeypointCodec
from raypose.errors import ConfigError
from raypose.models.base_module import InitCfg
from raypose.models.heads.base_head import Features
from raypose.models.heads.rtmcc_head import DEFAULT_GAU
from raypose.models.heads.rtmw_head import RTMWHead
from raypose.models.losses.semi_supervision import BoneLoss
from raypose.ops.flips import flip_vectors
from raypose.ops.peaks import simcc_3d_maximum
from raypose.registry import MODELS
from raypose.structures import PoseBatch

_DEFAULT_LOSS: Mapping[str, Any] = MappingProxyType({"type": "KLDiscretLossWithWeight"})


@MODELS.register_module()
class RTMW3DHead(RTMWHead):
    """Tokens as in `RTMWHead`, classified along x, y and z.

    Jiang et al.: "RTMW: Real-Time Multi-Person 2D and 3D Whole-body Pose Estimation", 2024.

    Args:
        in_channels: channels of the coarse map; the fine one has half as many.
        out_channels: K.
        input_size: (w, h, d): the network's input and, in the same unit, the extent of depth.
        in_featuremap_size: (w, h) of the coarse map.
        simcc_split_ratio: bins for each pixel of the input.
        final_layer_kernel_size: kernel size of the convolutions; odd.
        gau_cfg: see `RTMCCHead`.
        loss: config of the loss, or a module; it takes logits, labels and weights of three axes.
            In a list there may be a `BoneLoss` besides, as in published configs. The bones lie
            between places of maxima, which pass no gradient, so that it is only measured.
        decoder: config of the codec, or a codec; prediction needs it.
        init_cfg: see `BaseModule`.

    Raises:
        ConfigError: for another list of losses, sizes with too few or too many numbers, or an
            unknown option of `gau_cfg`.

    Example:
        type: RTMW3DHead
        in_channels: 1024
        out_channels: 133
        input_size: [288, 384, 288]
        in_featuremap_size: [9, 12]
        final_layer_kernel_size: 7
        gau_cfg: {hidden_dims: 256, s: 128, dropout_rate: 0.1, act_fn: SiLU}
        loss: {type: KLDiscretLossWithWeight, beta: 10.0, label_softmax: true}
        decoder:
          type: SimCC3DLabel
          input_size: [288, 384, 288]
          sigma: [6.0, 6.93, 6.0]
          simcc_split_ratio: 2.0
          normalize: false
          root_index: [11, 12]
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        input_size: tuple[int, int, int],
        in_featuremap_size: tuple[int, int],
        simcc_split_ratio: float = 2.0,
        final_layer_kernel_size: int = 1,
        gau_cfg: Mapping[str, Any] = DEFAULT_GAU,
        loss: Mapping[str, Any] | nn.Module | Sequence[Mapping[str, Any]] = _DEFAULT_LOSS,
        decoder: Mapping[str, Any] | BaseKeypointCodec | None = None,
        init_cfg: InitCfg = None,
    ) -> None:
        if len(input_size) != 3:
            raise ConfigError(f"RTMW3DHead: input_size is (w, h, d), got {list(input_size)}")
        if len(in_featuremap_size) != 2:
            raise ConfigError(
                f"RTMW3DHead: in_featuremap_size is (w, h), got {list(in_featuremap_size)}"
            )
        bins_loss, bone_loss = _losses(loss)
        super().__init__(
            in_channels,
            out_channels,
            (input_size[0], input_size[1]),
            in_featuremap_size,
            simcc_split_ratio,
            final_layer_kernel_size,
            gau_cfg,
            bins_loss,
            decoder,
            init_cfg,
        )
        self.cls_z = self.classifier(self.cls_x.in_features, input_size[2])
        self.bone_loss = bone_loss

    def forward(self, feats: Features) -> tuple[Tensor, ...]:
        """Return logits (B, K, Wx), (B, K, Wy) and (B, K, Wz) from a fine and a coarse map."""
        tokens = self.tokens(feats)
        return self.cls_x(tokens), self.cls_y(tokens), self.cls_z(tokens)

    def losses_of(self, outputs: tuple[Tensor, ...], batch: PoseBatch) -> dict[str, Tensor]:
        """Return `loss_kld`, `mpjpe` and, with a `BoneLoss`, what it measures, `bone`.

        `mpjpe` is the mean error in pixels where the depth is known. `bone` is in bins; a bone
        counts by the weight of its end, and is flat where the depth is not known.

        Uses the targets `keypoint_x_labels` (B, 1, K, Wx), `keypoint_y_labels` (B, 1, K, Wy),
        `keypoint_z_labels` (B, 1, K, Wz), `keypoint_weights` and `weight_z` (B, 1, K).
        """
        targets = {name: batch.targets[name].flatten(0, 1) for name in _TARGETS}
        x, y, z, weights, z_weights = targets.values()
        axes = torch.stack([weights, weights, z_weights])
        losses = {"loss_kld": self.loss_module(outputs, (x, y, z), axes)}
        if self.train_cfg.get("compute_acc", True):
            known = z_weights > 0
            found, _ = simcc_3d_maximum(*(values.detach() for values in outputs))
            true, _ = simcc_3d_maximum(x, y, z)
            error = torch.linalg.vector_norm(found - true, dim=-1) / self.simcc_split_ratio
            losses["mpjpe"] = (error * known).sum() / known.sum().clamp(min=1)
            if self.bone_loss is not None:
                poses = [_flat_where(~known, pose) for pose in (found, true)]
                losses["bone"] = self.bone_loss(*poses, weights[:, self.bone_loss.ends])
        return losses

    def flip_outputs(self, outputs: tuple[Tensor, ...], batch: PoseBatch) -> tuple[Tensor, ...]:
        """Mirror the bins of x and swap left and right."""
        x, y, z = outputs
        x, others = flip_vectors(x, torch.cat([y, z], dim=-1), self.flip_indices(batch))
        return x, *others.split([y.shape[-1], z.shape[-1]], dim=-1)


_TARGETS = (
    "keypoint_x_labels",
    "keypoint_y_labels",
    "keypoint_z_labels",
    "keypoint_weights",
    "weight_z",
)


def _flat_where(unknown: Tensor, poses: Tensor) -> Tensor:
    """Return poses (N, K, 3) with a depth of 0 where that is not known (N, K)."""
    return torch.cat([poses[..., :2], poses[..., 2:].masked_fill(unknown[..., None], 0)], dim=-1)


def _losses(
    loss: Mapping[str, Any] | nn.Module | Sequence[Mapping[str, Any]],
) -> tuple[Mapping[str, Any] | nn.Module, BoneLoss | None]:
    """Return the loss of the bins, and that of the bones if there is one.

    Raises:
        ConfigError: for a list of others.
    """
    if not isinstance(loss, Sequence):
        return loss, None
    names = [str(item.get("type")) for item in loss]
    bins = [item for item, name in zip(loss, names, strict=True) if name != "BoneLoss"]
    bones = [item for item, name in zip(loss, names, strict=True) if name == "BoneLoss"]
    if len(bins) != 1 or len(bones) > 1:
        raise ConfigError(
            "RTMW3DHead: loss is that of the bins and, if wanted, a BoneLoss; got "
            + ", ".join(names)
        )
    return bins[0], MODELS.build(bones[0]) if bones else None
