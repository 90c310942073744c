"""`DEKRHead`: heatmaps of people's middles, and the way from there to their keypoints.

B samples, N people found in a sample, K keypoints, H and W of the maps.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor, nn

from raypose.codecs.base import BaseKeypointCodec
from raypose.errors import ConfigError, RayposeError
from raypose.models.base_module import InitCfg
from raypose.models.heads.base_head import BaseHead, Features, numpy_of
from raypose.models.heads.heatmap_head import DEFAULT_INIT
from raypose.models.heads.heatmap_mask import heatmap_mask
from raypose.models.heads.rescore_net import RescoreNet
from raypose.models.layers import BasicBlock, ConvModule
from raypose.models.layers.adaptive_activation import AdaptiveActivationBlock
from raypose.models.layers.norm import BN
from raypose.ops.flips import flip_heatmaps
from raypose.ops.nms import nearby_joints_nms
from raypose.registry import CODECS, MODELS, argument_problems
from raypose.structures import PoseBatch, Poses

DEFAULT_HEATMAP_LOSS: Mapping[str, Any] = MappingProxyType(
    {"type": "KeypointMSELoss", "use_target_weight": True}
)
DEFAULT_DISPLACEMENT_LOSS: Mapping[str, Any] = MappingProxyType(
    {"type": "SoftWeightSmoothL1Loss", "use_target_weight": True, "supervise_empty": False}
)


@MODELS.register_module()
class DEKRHead(BaseHead):
    """Disentangled keypoint regression: a branch of heatmaps and one of displacements.

    Geng et al.: "Bottom-Up Human Pose Estimation Via Disentangled Keypoint Regression", CVPR 2021.

    Options of `test_cfg`: `nms_dist_thr`, above 0, and `nms_joints_thr` suppress poses of the same
    person, at most `max_num_people` stay (see `nearby_joints_nms`); `shift_heatmap` is that of the
    flip test. Poses are rescored where the estimator has a `skeleton`.

    Args:
        in_channels: channels of the last feature map.
        num_keypoints: K.
        num_heatmap_filters: channels inside the branch of heatmaps.
        num_displacement_filters_per_keypoint: channels of each keypoint inside the other branch.
        heatmap_loss: config of the loss of heatmaps, or a module.
        displacement_loss: config of the loss of displacements, or a module.
        decoder: config of the codec, or a codec; prediction needs it.
        rescore_cfg: arguments of `RescoreNet`, None for scores as they are.
        init_cfg: see `BaseModule`.

    Raises:
        ConfigError: for arguments that `RescoreNet` does not take.

    Example:
        type: DEKRHead
        in_channels: 480
        num_keypoints: 17
        displacement_loss:
          type: SoftWeightSmoothL1Loss
          use_target_weight: true
          supervise_empty: false
          beta: 0.1111
          loss_weight: 0.002
        decoder:
          type: SPR
          input_size: [512, 512]
          heatmap_size: [128, 128]
          sigma: [4, 2]
          generate_keypoint_heatmaps: true
        rescore_cfg: {in_channels: 74, norm_indexes: [5, 6]}
    """

    test_cfg_keys = ("nms_dist_thr", "nms_joints_thr", "max_num_people")

    def __init__(
        self,
        in_channels: int,
        num_keypoints: int,
        num_heatmap_filters: int = 32,
        num_displacement_filters_per_keypoint: int = 15,
        heatmap_loss: Mapping[str, Any] | nn.Module = DEFAULT_HEATMAP_LOSS,
        displacement_loss: Mapping[str, Any] | nn.Module = DEFAULT_DISPLACEMENT_LOSS,
        decoder: Mapping[str, Any] | BaseKeypointCodec | None = None,
        rescore_cfg: Mapping[str, Any] | None = None,
        init_cfg: InitCfg = None,
    ) -> None:
        super().__init__(DEFAULT_INIT if init_cfg is None else init_cfg)
        self.in_channels = in_channels
        self.num_keypoints = num_keypoints
        width = num_keypoints * num_displacement_filters_per_keypoint
        self.heatmap_conv_layers = nn.Sequential(
            ConvModule(in_channels, num_heatmap_filters, 1, norm_cfg=BN),
            BasicBlock(num_heatmap_filters, num_heatmap_filters),
            nn.Conv2d(num_heatmap_filters, num_keypoints + 1, 1),
        )
        self.displacement_conv_layers = nn.Sequential(
            ConvModule(in_channels, width, 1, norm_cfg=BN),
            AdaptiveActivationBlock(width, num_keypoints),
            AdaptiveActivationBlock(width, num_keypoints),
            nn.Conv2d(width, 2 * num_keypoints, 1, groups=num_keypoints),
        )
        self.loss_module = nn.ModuleDict(
            {
                "heatmap": MODELS.build(heatmap_loss),
                "displacement": MODELS.build(displacement_loss),
            }
        )
        self.decoder = None if decoder is None else CODECS.build(decoder)
        self.rescore_net = None if rescore_cfg is None else _rescore_net(rescore_cfg)

    def forward(self, feats: Features) -> tuple[Tensor, Tensor]:
        """Return heatmaps (B, K + 1, H, W), the roots last, and displacements (B, 2K, H, W)."""
        x = feats[-1]
        return self.heatmap_conv_layers(x), self.displacement_conv_layers(x)

    def loss(self, feats: Features, batch: PoseBatch) -> dict[str, Tensor]:
        """Return `loss/heatmap` and `loss/displacement`.

        Uses the targets of `SPR` and the batch's mask (see `heatmap_mask`).
        """
        heatmaps, displacements = self.forward(feats)
        targets = batch.targets
        mask = heatmap_mask(batch, heatmaps)
        return {
            "loss/heatmap": self.loss_module["heatmap"](
                heatmaps, targets["heatmaps"], targets["heatmap_weights"], mask
            ),
            "loss/displacement": self.loss_module["displacement"](
                displacements, targets["displacements"], targets["displacement_weights"]
            ),
        }

    def predict(self, feats: Features, batch: PoseBatch) -> list[Poses]:
        """Return the people of each sample in input space.

        Raises:
            RayposeError: for features of several scales.
        """
        if self.test_cfg.get("multiscale_test", False):
            raise RayposeError("DEKRHead predicts at one scale: set multiscale_test to false")
        return self.decode(self.forward_test(feats, batch))

    def flip_outputs(
        self, outputs: tuple[Tensor, Tensor], batch: PoseBatch
    ) -> tuple[Tensor, Tensor]:
        """Mirror heatmaps and displacements and swap left and right in both.

        Raises:
            RayposeError: if the batch does not tell the width of the input.
        """
        if batch.inputs is None:
            raise RayposeError("the flip test of DEKRHead needs the inputs of the batch")
        flips = self.flip_indices(batch)
        heatmaps = flip_heatmaps(
            outputs[0],
            (*flips, len(flips)),  # the root is its own partner
            shift_heatmap=self.test_cfg.get("shift_heatmap", False),
        )
        displacements = flip_heatmaps(outputs[1], flips, "offset", shift_heatmap=False)
        # Cells stand for pixels at their left border: mirrored ones are off by a part of a cell.
        stride = batch.inputs[0].shape[-1] / heatmaps.shape[-1]
        shift = displacements.new_zeros(2)
        shift[0] = (stride - 1) / stride
        return heatmaps, displacements + shift.repeat(len(flips))[:, None, None]

    def decode(self, outputs: tuple[Tensor, Tensor]) -> list[Poses]:
        """Let the codec find people, rescore them and keep each once; in input space."""
        assert self.decoder is not None, "DEKRHead was built without a decoder"
        keypoints, (roots, scores) = self.decoder.decode(outputs)
        return [
            self._poses(keypoints[i], roots[i], None if scores is None else scores[i])
            for i in range(len(keypoints))
        ]

    def _poses(self, keypoints: Tensor, roots: Tensor, scores: Tensor | None) -> Poses:
        """Return the people of one sample from keypoints (N, K, 2) and scores (N,), (N, K)."""
        if scores is None:  # all that is known of the keypoints is that of their root
            scores = torch.ones_like(keypoints[..., 0])
        if self.rescore_net is not None and self.skeleton is not None and len(keypoints):
            estimated = self.rescore_net(keypoints, scores, self.skeleton.links)
            roots = roots * estimated.nan_to_num(nan=0.0)
        points, point_scores = numpy_of(keypoints), numpy_of(scores)
        poses = Poses(
            keypoints=points,
            keypoint_scores=numpy_of(roots[:, None] * scores),
            scores=numpy_of(roots),
        )
        threshold = self.test_cfg.get("nms_dist_thr", 0)
        if threshold <= 0 or not len(poses):
            return poses
        kept = nearby_joints_nms(
            points,
            point_scores,
            threshold,
            self.test_cfg.get("nms_joints_thr"),
            self.test_cfg.get("max_num_people", 30),
        )
        return poses.select(kept)


def _rescore_net(options: Mapping[str, Any]) -> RescoreNet:
    problems = argument_problems(RescoreNet, options)
    if problems:
        raise ConfigError([f"rescore_cfg: {message}" for _, message in problems])
    return RescoreNet(**options)
