"""`RTMOHead`: people found at cells, their poses read by coordinate classification.

Lu et al.: "RTMO: Towards High-Performance One-Stage Real-Time Multi-Person Pose Estimation",
CVPR 2024. B images, A cells of all maps, P people, K keypoints, C classes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from raypose.models.base_module import BaseModule, InitCfg
from raypose.models.heads.base_head import Features
from raypose.models.heads.dynamic_coordinate_classifier import DCC
from raypose.models.heads.one_stage_head import (
    LossConfig,
    OneStageHead,
    Positives,
    decode_boxes,
    flatten_maps,
)
from raypose.models.heads.yoloxpose_head import (
    PRIOR_BIAS,
    apply_each,
    means,
    relative_boxes,
)
from raypose.models.layers.conv_module import conv_stacks
from raypose.models.layers.csp_layer import CSP_BN, SILU
from raypose.models.layers.detr import build_layer
from raypose.registry import MODELS
from raypose.structures import PoseBatch, Poses


class RTMOHeadModule(BaseModule):
    """The layers of the head, for each map its own.

    Args:
        num_keypoints: K.
        in_channels: half the channels of the maps, times `widen_factor`.
        num_classes: C.
        widen_factor: scales the channels.
        cls_feat_channels: channels of the convolutions of scores, times `widen_factor`.
        stacked_convs: convolutions before the scores, twice as many before poses.
        num_groups: groups of the convolutions of poses.
        channels_per_group: channels of each group, times `widen_factor`.
        pose_vec_channels: length of a pose vector; below 1 that of the convolutions.
        featmap_strides: of each map.
        conv_cfg: kind of convolution.
        norm_cfg: kind of norm.
        act_cfg: kind of activation.
        init_cfg: see `BaseModule`.
    """

    def __init__(
        self,
        num_keypoints: int,
        in_channels: int,
        num_classes: int = 1,
        widen_factor: float = 1.0,
        cls_feat_channels: int = 256,
        stacked_convs: int = 2,
        num_groups: int = 8,
        channels_per_group: int = 36,
        pose_vec_channels: int = -1,
        featmap_strides: Sequence[int] = (8, 16, 32),
        conv_cfg: Mapping[str, Any] | None = None,
        norm_cfg: Mapping[str, Any] = CSP_BN,
        act_cfg: Mapping[str, Any] = SILU,
        init_cfg: InitCfg = None,
    ) -> None:
        super().__init__(init_cfg)
        width, maps = int(in_channels * widen_factor), len(featmap_strides)
        layers: dict[str, Any] = {"conv_cfg": conv_cfg, "norm_cfg": norm_cfg, "act_cfg": act_cfg}

        def outputs(channels: int, out: int) -> nn.ModuleList:
            return nn.ModuleList([nn.Conv2d(channels, out, 1) for _ in featmap_strides])

        score_channels = int(cls_feat_channels * widen_factor)
        self.conv_cls = conv_stacks(maps, stacked_convs, width, score_channels, layers)
        self.out_cls = outputs(score_channels, num_classes)
        channels = num_groups * int(widen_factor * channels_per_group)
        self.conv_pose = conv_stacks(
            maps, 2 * stacked_convs, width, channels, layers, groups=num_groups
        )
        self.out_bbox = outputs(channels, 4)
        self.out_kpt_reg = outputs(channels, 2 * num_keypoints)
        self.out_kpt_vis = outputs(channels, num_keypoints)
        self.out_pose: nn.ModuleList | None = None
        if pose_vec_channels > 0:
            self.out_pose = outputs(channels, pose_vec_channels)

    def init_weights(self) -> None:
        """Start the scores low, which keeps the first steps stable."""
        super().init_weights()
        for conv in self.out_cls:
            assert isinstance(conv.bias, Tensor)
            nn.init.constant_(conv.bias, PRIOR_BIAS)

    def forward(
        self, feats: Sequence[Tensor], with_offsets: bool = False
    ) -> tuple[list[Tensor], list[Tensor], list[Tensor] | None, list[Tensor], list[Tensor]]:
        """Return lists of maps (B, ., H_i, W_i); see `RTMOHead.forward`.

        Args:
            feats: maps (B, 2 * in_channels, H_i, W_i).
            with_offsets: compute the offsets of keypoints, too; only training needs them.
        """
        halves = [x.chunk(2, dim=1) for x in feats]
        scores = apply_each(self.conv_cls, [half for half, _ in halves])
        poses = apply_each(self.conv_pose, [half for _, half in halves])
        return (
            apply_each(self.out_cls, scores),
            apply_each(self.out_bbox, poses),
            apply_each(self.out_kpt_reg, poses) if with_offsets else None,
            apply_each(self.out_kpt_vis, poses),
            poses if self.out_pose is None else apply_each(self.out_pose, poses),
        )


@MODELS.register_module()
class RTMOHead(OneStageHead):
    """People at cells; a dynamic coordinate classifier reads the pose of each.

    Options of `test_cfg`: see `OneStageHead`.

    Args:
        num_keypoints: K.
        head_module_cfg: arguments of `RTMOHeadModule`.
        featmap_strides: of each map.
        num_classes: C.
        use_aux_loss: also use `loss_bbox_aux`.
        proxy_target_cc: let offsets learn from the classifier's keypoints, where these are the
            better ones, instead of from the annotations (the last epochs do).
        assigner: config of the assigner, or a module; training needs it.
        prior_generator: config of the generator of points, or an object.
        bbox_padding: margin of the boxes that bins span.
        overlaps_power: exponent of the overlaps that scores learn.
        dcc_cfg: arguments of `DCC`.
        loss_cls: config of the loss of scores, or a module; training needs it, as the next four.
        loss_bbox: of boxes.
        loss_oks: of keypoints by offsets, which the assignment goes by.
        loss_vis: of visibility.
        loss_mle: of keypoints by classification.
        loss_bbox_aux: of boxes relative to their cell.

    Raises:
        ConfigError: without a `prior_generator`, or for arguments the layers do not take.

    Example:
        type: RTMOHead
        num_keypoints: 17
        featmap_strides: [16, 32]
        head_module_cfg: {in_channels: 256, pose_vec_channels: 192, widen_factor: 0.375}
        dcc_cfg: {in_channels: 192, feat_channels: 128, num_bins: [192, 256]}
        prior_generator: {type: MlvlPointGenerator, centralize_points: true, strides: [16, 32]}
        assigner:
          type: SimOTAAssigner
          dynamic_k_indicator: oks
          oks_calculator: {type: PoseOKS, metainfo: coco}
          use_keypoints_for_center: true
        overlaps_power: 0.5
        loss_cls: {type: VariFocalLoss, reduction: sum, use_target_weight: true}
        loss_bbox: {type: IoULoss, mode: square, reduction: sum, loss_weight: 5.0}
        loss_oks: {type: OKSLoss, metainfo: coco, reduction: none, loss_weight: 30.0}
        loss_vis: {type: BCELoss, use_target_weight: true}
        loss_mle: {type: MLECCLoss, use_target_weight: true}
    """

    loss_cls: Any
    loss_bbox: Any
    loss_oks: Any
    loss_vis: Any
    loss_mle: Any
    loss_bbox_aux: Any

    def __init__(
        self,
        num_keypoints: int,
        head_module_cfg: Mapping[str, Any],
        dcc_cfg: Mapping[str, Any],
        featmap_strides: Sequence[int] = (16, 32),
        num_classes: int = 1,
        use_aux_loss: bool = False,
        proxy_target_cc: bool = False,
        assigner: Mapping[str, Any] | nn.Module | None = None,
        prior_generator: Mapping[str, Any] | Any = None,
        bbox_padding: float = 1.25,
        overlaps_power: float = 1.0,
        loss_cls: LossConfig = None,
        loss_bbox: LossConfig = None,
        loss_oks: LossConfig = None,
        loss_vis: LossConfig = None,
        loss_mle: LossConfig = None,
        loss_bbox_aux: LossConfig = None,
    ) -> None:
        losses = {
            "loss_cls": loss_cls,
            "loss_bbox": loss_bbox,
            "loss_oks": loss_oks,
            "loss_vis": loss_vis,
            "loss_mle": loss_mle,
            "loss_bbox_aux": loss_bbox_aux,
        }
        super().__init__(
            num_keypoints,
            featmap_strides,
            num_classes,
            use_aux_loss,
            assigner,
            prior_generator,
            losses,
            overlaps_power,
        )
        self.bbox_padding = bbox_padding
        self.proxy_target_cc = proxy_target_cc
        given = {
            **head_module_cfg,
            "featmap_strides": featmap_strides,
            "num_keypoints": num_keypoints,
        }
        self.head_module = build_layer(RTMOHeadModule, given, "head_module_cfg")
        self.dcc: DCC = build_layer(DCC, {**dcc_cfg, "num_keypoints": num_keypoints}, "dcc_cfg")

    def forward(
        self, feats: Features
    ) -> tuple[list[Tensor], list[Tensor], list[Tensor] | None, list[Tensor], list[Tensor]]:
        """Return raw outputs.

        Returns:
            Scores (B, C, H_i, W_i), boxes (B, 4, ...), None for the offsets that only training
            needs, visibilities (B, K, ...) and pose vectors, each a list of maps; scores and
            visibilities before the sigmoid.
        """
        return self.head_module(feats)

    def loss(self, feats: Features, batch: PoseBatch) -> dict[str, Tensor]:
        """Return `loss_bbox`, `loss_vis`, `loss_mle`, `loss_oks` and `loss_cls`.

        With `use_aux_loss` also `loss_bbox_aux`. For the targets see `assign`.
        """
        maps = self.head_module(feats, with_offsets=True)
        scores, boxes, offsets, visible, vectors = (flatten_maps(part) for part in maps)
        priors = self.priors(maps[0])
        bboxes = decode_boxes(boxes, priors)
        keypoints = self.decode_keypoints(offsets, priors)
        chosen = self.assign(
            priors, scores.detach().sigmoid().sqrt(), bboxes, keypoints, visible, batch
        )
        boxes, bboxes, keypoints, visible, vectors = (
            part.flatten(0, 1)[chosen.index]
            for part in (boxes, bboxes, keypoints, visible, vectors)
        )
        losses = {
            "loss_bbox": self.loss_bbox(bboxes, chosen.bboxes) / chosen.number,
            "loss_vis": self.loss_vis(visible, chosen.visible, chosen.visible_weights),
        }
        if self.use_aux_loss and self.loss_bbox_aux is not None:
            wanted = relative_boxes(chosen)
            losses["loss_bbox_aux"] = self.loss_bbox_aux(boxes, wanted) / chosen.number
        overlaps = chosen.classes
        center, scale = self._spans(bboxes)
        read, probabilities = self.dcc(vectors, center, scale, chosen.priors[:, :2])
        densities = self.dcc.targets(vectors, chosen.keypoints, center, scale, chosen.areas)
        losses["loss_mle"] = self.loss_mle(probabilities, densities, chosen.visible)
        if self.proxy_target_cc:
            losses["loss_oks"], overlaps = self._learn_from_classifier(keypoints, read, chosen)
        else:
            losses["loss_oks"] = self.loss_oks(
                keypoints, chosen.keypoints, chosen.visible, chosen.areas
            )
        scores = scores.flatten(0, 1)
        targets = torch.zeros_like(scores).index_copy(
            0, chosen.index, overlaps.pow(self.overlaps_power)
        )
        losses["loss_cls"] = (
            self.loss_cls(scores, targets, torch.ones_like(scores[:, :1])) / chosen.number
        )
        return means(losses, len(chosen.index))

    def predict(self, feats: Features, batch: PoseBatch) -> list[Poses]:
        """Return the people of each image, with `bboxes`, `scores` and the extra `labels`."""
        self.refuse_flip_test(batch)
        maps = self.forward(feats)
        scores, boxes, visible, vectors = (
            flatten_maps(part) for part in (maps[0], maps[1], maps[3], maps[4])
        )
        priors = self.priors(maps[0])
        found = self.candidates(scores.sigmoid(), decode_boxes(boxes, priors))
        center, scale = self._spans(found.bboxes)
        cells = (found.image, found.cell)
        keypoints, _ = self.dcc(vectors[cells], center, scale, priors[found.cell, :2])
        return self.poses(found, keypoints, visible[cells].sigmoid(), batch)

    def switch_to_deploy(self) -> None:
        """Fold what only training needs into the weights; see `DCC.switch_to_deploy`."""
        self.dcc.switch_to_deploy()

    def _spans(self, bboxes: Tensor) -> tuple[Tensor, Tensor]:
        """Return middle and extent (P, 2) of what bins span."""
        low, high = bboxes.chunk(2, dim=-1)
        return (low + high) / 2, (high - low) * self.bbox_padding

    def _learn_from_classifier(
        self, keypoints: Tensor, read: Tensor, chosen: Positives
    ) -> tuple[Tensor, Tensor]:
        """Compare offsets with the classifier's keypoints, where these are nearer to the truth.

        Returns:
            The loss, and the overlaps (P, 1) that scores learn, those of the classifier.
        """
        read = read.detach()
        errors = [
            torch.linalg.vector_norm(points - chosen.keypoints, dim=-1)
            for points in (keypoints.detach(), read)
        ]
        weights = chosen.visible * (errors[0] > errors[1])
        assert self.assigner is not None
        overlaps = self.assigner.oks_calculator(
            read, chosen.keypoints, chosen.visible, chosen.areas
        )
        return self.loss_oks(keypoints, read, weights, chosen.areas), overlaps[:, None]
