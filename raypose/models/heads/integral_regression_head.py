"""Heads whose coordinates are the mean of a heatmap: `IntegralRegressionHead` and `DSNTHead`.

B samples, K keypoints, H and W of the heatmaps; coordinates are fractions of the input's width
and height.
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
from raypose.models.heads.heatmap_head import (
    DEFAULT_FINAL_LAYER,
    HeatmapHead,
    build_final_layer,
)
from raypose.models.heads.regression_head import DEFAULT_INIT, DEFAULT_LOSS
from raypose.ops.flips import flip_coordinates, flip_heatmaps
from raypose.ops.output_accuracy import coordinate_pck_accuracy
from raypose.registry import CODECS, MODELS
from raypose.structures import PoseBatch, Poses

DEFAULT_DSNT_LOSS: Mapping[str, Any] = MappingProxyType(
    {
        "type": "MultipleLossWrapper",
        "losses": (
            {"type": "SmoothL1Loss", "use_target_weight": True},
            {"type": "JSDiscretLoss", "use_target_weight": True},
        ),
    }
)
# Of a `HeatmapHead`, as they are called in its state dict.
_HEATMAP_LAYERS = ("deconv_layers.", "conv_layers.", "final_layer.")


@MODELS.register_module()
class IntegralRegressionHead(BaseHead):
    """Heatmaps as `HeatmapHead` makes them, a softmax, and the mean place.

    Sun et al.: "Integral Human Pose Regression", ECCV 2018. With `debias` as in Gu et al.:
    "Removing the Bias of Integral Pose Regression", ICCV 2021. The weights of a `HeatmapHead` can
    be loaded.

    Args:
        in_channels: channels of the last feature map.
        in_featuremap_size: (w, h) of the last feature map.
        num_joints: K.
        debias: take out what the softmax's tails add to the mean.
        beta: factor of the heatmaps before the softmax.
        deconv_out_channels: see `HeatmapHead`; None for no deconvolutions, and then no further
            convolutions either.
        deconv_kernel_sizes: see `HeatmapHead`.
        conv_out_channels: see `HeatmapHead`.
        conv_kernel_sizes: see `HeatmapHead`.
        final_layer: see `HeatmapHead`.
        loss: config of the loss, or a module.
        decoder: config of the codec, or a codec; prediction needs it.
        init_cfg: see `BaseModule`.

    Raises:
        ConfigError: see `HeatmapHead`.

    Example:
        type: IntegralRegressionHead
        in_channels: 2048
        in_featuremap_size: [8, 8]
        num_joints: 17
        loss: {type: SmoothL1Loss, use_target_weight: true}
        decoder: {type: RegressionLabel, input_size: [256, 256]}
    """

    def __init__(
        self,
        in_channels: int,
        in_featuremap_size: Sequence[int],
        num_joints: int,
        debias: bool = False,
        beta: float = 1.0,
        deconv_out_channels: Sequence[int] | None = (256, 256, 256),
        deconv_kernel_sizes: Sequence[int] | None = (4, 4, 4),
        conv_out_channels: Sequence[int] | None = None,
        conv_kernel_sizes: Sequence[int] | None = None,
        final_layer: Mapping[str, Any] | None = DEFAULT_FINAL_LAYER,
        loss: Mapping[str, Any] | nn.Module = DEFAULT_LOSS,
        decoder: Mapping[str, Any] | BaseKeypointCodec | None = None,
        init_cfg: InitCfg = None,
    ) -> None:
        super().__init__(DEFAULT_INIT if init_cfg is None else init_cfg)
        self.in_channels = in_channels
        self.num_joints = num_joints
        self.debias = debias
        self.beta = beta
        self.loss_module = MODELS.build(loss)
        self.decoder = None if decoder is None else CODECS.build(decoder)
        self.simplebaseline_head: HeatmapHead | None = None
        self.final_layer: nn.Module | None = None
        if deconv_out_channels:
            self.simplebaseline_head = HeatmapHead(
                in_channels,
                num_joints,
                deconv_out_channels,
                deconv_kernel_sizes,
                conv_out_channels,
                conv_kernel_sizes,
                final_layer,
            )
        elif final_layer is not None:
            self.final_layer = build_final_layer(in_channels, num_joints, final_layer)
        W, H = (size * 2 ** len(deconv_out_channels or ()) for size in in_featuremap_size)
        # Not trained, but parameters, as in MMPose's files.
        self.linspace_x = nn.Parameter(torch.arange(W).view(1, 1, 1, W) / W, requires_grad=False)
        self.linspace_y = nn.Parameter(torch.arange(H).view(1, 1, H, 1) / H, requires_grad=False)

    def forward(self, feats: Features) -> tuple[Tensor, Tensor]:
        """Return coordinates (B, K, 2) and heatmaps (B, K, H, W) that sum to 1."""
        if self.simplebaseline_head is not None:
            logits = self.simplebaseline_head(feats)
        else:
            logits = feats[-1] if self.final_layer is None else self.final_layer(feats[-1])
        heatmaps = (logits * self.beta).flatten(2).softmax(dim=2).view(logits.shape)
        x = (heatmaps * self.linspace_x).flatten(2).sum(dim=2)
        y = (heatmaps * self.linspace_y).flatten(2).sum(dim=2)
        coords = torch.stack([x, y], dim=-1)
        if self.debias:
            # 1 / C of the paper; its C is a sum of exponentials and overflows.
            inverse = torch.exp(-logits.flatten(2).logsumexp(dim=2, keepdim=True))
            coords = (coords - inverse / 2) / (1 - inverse)
        return coords, heatmaps

    def loss(self, feats: Features, batch: PoseBatch) -> dict[str, Tensor]:
        """Return `loss_kpt` and the accuracy `acc_pose`.

        Uses the targets `keypoint_labels` (B, 1, K, 2) and `keypoint_weights` (B, 1, K).
        """
        outputs = self.forward(feats)
        labels = batch.targets["keypoint_labels"].flatten(0, 1)
        weights = batch.targets["keypoint_weights"].flatten(0, 1)
        losses = {"loss_kpt": self.keypoint_loss(outputs, labels, weights, batch)}
        if self.train_cfg.get("compute_acc", True):
            coords = outputs[0].detach()
            losses["acc_pose"] = coordinate_pck_accuracy(coords, labels, weights > 0)[1]
        return losses

    def keypoint_loss(
        self, outputs: tuple[Tensor, Tensor], labels: Tensor, weights: Tensor, batch: PoseBatch
    ) -> Tensor:
        """Compare outputs with labels (B, K, 2), weighted by (B, K), and other targets."""
        return self.loss_module(outputs[0], labels, weights)

    def predict(self, feats: Features, batch: PoseBatch) -> list[Poses]:
        """Return one instance for each sample, in input space."""
        coords, _ = self.forward_test(feats, batch)
        return self.decode(coords)

    def flip_outputs(
        self, outputs: tuple[Tensor, Tensor], batch: PoseBatch
    ) -> tuple[Tensor, Tensor]:
        """Mirror coordinates and heatmaps and swap left and right in both.

        `test_cfg.shift_coords` and `test_cfg.shift_heatmap` move them by one pixel and one cell.
        """
        coords, heatmaps = outputs
        flips = self.flip_indices(batch)
        coords = flip_coordinates(
            coords,
            flips,
            shift_coords=self.test_cfg.get("shift_coords", True),
            input_size=batch.transforms[0].input_size,
        )
        shift = self.test_cfg.get("shift_heatmap", False)
        return coords, flip_heatmaps(heatmaps, flips, shift_heatmap=shift)

    def adapt_state_dict(self, weights: dict[str, Tensor], prefix: str) -> None:
        """Put the weights of a `HeatmapHead`, if there are some, where they belong here.

        Args:
            weights: changed in place.
            prefix: of this module's keys.
        """
        if self.simplebaseline_head is None:
            return
        for key in list(weights):
            name = key.removeprefix(prefix)
            if key.startswith(prefix) and name.startswith(_HEATMAP_LAYERS):
                weights[f"{prefix}simplebaseline_head.{name}"] = weights.pop(key)


@MODELS.register_module()
class DSNTHead(IntegralRegressionHead):
    """An integral head that learns its heatmaps, too.

    Nibali et al.: "Numerical Coordinate Regression with Convolutional Neural Networks", 2018.

    Args:
        in_channels: see `IntegralRegressionHead`.
        in_featuremap_size: see `IntegralRegressionHead`.
        num_joints: K.
        lambda_t: epoch, counted from 0, from which on heatmaps are not learned any more; they are
            in all epochs if it is not above 0.
        debias: see `IntegralRegressionHead`.
        beta: see `IntegralRegressionHead`.
        deconv_out_channels: see `HeatmapHead`.
        deconv_kernel_sizes: see `HeatmapHead`.
        conv_out_channels: see `HeatmapHead`.
        conv_kernel_sizes: see `HeatmapHead`.
        final_layer: see `HeatmapHead`.
        loss: config of a `MultipleLossWrapper` with a loss of coordinates and one of heatmaps, or
            a module.
        decoder: config of the codec, or a codec; prediction needs it.
        init_cfg: see `BaseModule`.

    Raises:
        ConfigError: see `HeatmapHead`.

    Example:
        type: DSNTHead
        in_channels: 2048
        in_featuremap_size: [8, 8]
        num_joints: 17
        loss:
          type: MultipleLossWrapper
          losses:
            - {type: SmoothL1Loss, use_target_weight: true}
            - {type: JSDiscretLoss, use_target_weight: true}
        decoder: {type: IntegralRegressionLabel, input_size: [256, 256], heatmap_size: [64, 64],
          sigma: 2.0}
    """

    def __init__(
        self,
        in_channels: int,
        in_featuremap_size: Sequence[int],
        num_joints: int,
        lambda_t: int = -1,
        debias: bool = False,
        beta: float = 1.0,
        deconv_out_channels: Sequence[int] | None = (256, 256, 256),
        deconv_kernel_sizes: Sequence[int] | None = (4, 4, 4),
        conv_out_channels: Sequence[int] | None = None,
        conv_kernel_sizes: Sequence[int] | None = None,
        final_layer: Mapping[str, Any] | None = DEFAULT_FINAL_LAYER,
        loss: Mapping[str, Any] | nn.Module = DEFAULT_DSNT_LOSS,
        decoder: Mapping[str, Any] | BaseKeypointCodec | None = None,
        init_cfg: InitCfg = None,
    ) -> None:
        super().__init__(
            in_channels,
            in_featuremap_size,
            num_joints,
            debias,
            beta,
            deconv_out_channels,
            deconv_kernel_sizes,
            conv_out_channels,
            conv_kernel_sizes,
            final_layer,
            loss,
            decoder,
            init_cfg,
        )
        self.lambda_t = lambda_t
        self.learns_heatmaps = True

    def set_epoch(self, epoch: int, epochs: int) -> None:
        """Say where the training is.

        Args:
            epoch: counted from 0.
            epochs: length of the run.
        """
        self.learns_heatmaps = not 0 < self.lambda_t <= epoch

    def keypoint_loss(
        self, outputs: tuple[Tensor, Tensor], labels: Tensor, weights: Tensor, batch: PoseBatch
    ) -> Tensor:
        """Compare coordinates with labels and heatmaps with the target `heatmaps` (B, K, H, W)."""
        targets = [labels, batch.targets["heatmaps"]]
        of_coords, of_heatmaps = self.loss_module(outputs, targets, weights)
        return of_coords + of_heatmaps if self.learns_heatmaps else of_coords
