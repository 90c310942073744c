"""`YOLOXPoseHead`: boxes, keypoints and their visibility at every cell.

B images, A cells of all maps, P positive cells, K keypoints, C classes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from raypose.models.base_module import BaseModule, InitCfg
from raypose.models.heads.base_head import Features
from raypose.models.heads.one_stage_head import (
    LossConfig,
    OneStageHead,
    Positives,
    decode_boxes,
    flatten_maps,
)
from raypose.models.layers.conv_module import conv_stacks
from raypose.models.layers.csp_layer import CSP_BN, SILU
from raypose.models.layers.detr import build_layer
from raypose.registry import MODELS
from raypose.structures import PoseBatch, Poses

# So that a score starts at 0.01.
PRIOR_BIAS = -math.log((1 - 0.01) / 0.01)


class YOLOXPoseHeadModule(BaseModule):
    """The layers of the head, for each map its own.

    Args:
        num_keypoints: K.
        in_channels: channels of the maps, times `widen_factor`.
        num_classes: C.
        widen_factor: scales the channels.
        feat_channels: channels of the convolutions, times `widen_factor`.
        stacked_convs: convolutions before the outputs, twice as many before those of poses.
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
        feat_channels: int = 256,
        stacked_convs: int = 2,
        featmap_strides: Sequence[int] = (8, 16, 32),
        conv_cfg: Mapping[str, Any] | None = None,
        norm_cfg: Mapping[str, Any] = CSP_BN,
        act_cfg: Mapping[str, Any] = SILU,
        init_cfg: InitCfg = None,
    ) -> None:
        super().__init__(init_cfg)
        width, channels = int(in_channels * widen_factor), int(feat_channels * widen_factor)
        layers: dict[str, Any] = {"conv_cfg": conv_cfg, "norm_cfg": norm_cfg, "act_cfg": act_cfg}

        def convs(count: int) -> nn.ModuleList:
            return conv_stacks(len(featmap_strides), count, width, channels, layers)

        def outputs(out: int) -> nn.ModuleList:
            return nn.ModuleList([nn.Conv2d(channels, out, 1) for _ in featmap_strides])

        self.conv_cls, self.out_cls = convs(stacked_convs), outputs(num_classes)
        self.conv_reg = convs(stacked_convs)
        self.out_bbox, self.out_obj = outputs(4), outputs(1)
        self.conv_pose = convs(2 * stacked_convs)
        self.out_kpt, self.out_kpt_vis = outputs(2 * num_keypoints), outputs(num_keypoints)

    def init_weights(self) -> None:
        """Start the scores low, which keeps the first steps stable."""
        super().init_weights()
        for conv in (*self.out_cls, *self.out_obj):
            assert isinstance(conv.bias, Tensor)
            nn.init.constant_(conv.bias, PRIOR_BIAS)

    def forward(self, feats: Sequence[Tensor]) -> tuple[list[Tensor], ...]:
        """Return five lists of maps (B, ., H_i, W_i); see `YOLOXPoseHead.forward`."""
        scores = [conv(x) for conv, x in zip(self.conv_cls, feats, strict=True)]
        boxes = [conv(x) for conv, x in zip(self.conv_reg, feats, strict=True)]
        poses = [conv(x) for conv, x in zip(self.conv_pose, feats, strict=True)]
        return (
            apply_each(self.out_cls, scores),
            apply_each(self.out_obj, boxes),
            apply_each(self.out_bbox, boxes),
            apply_each(self.out_kpt, poses),
            apply_each(self.out_kpt_vis, poses),
        )


@MODELS.register_module()
class YOLOXPoseHead(OneStageHead):
    """Boxes and poses of everybody, from every cell.

    Maji et al.: "YOLO-Pose: Enhancing YOLO for Multi Person Pose Estimation Using Object Keypoint
    Similarity Loss", CVPR workshops 2022. Options of `test_cfg`: see `OneStageHead`.

    Args:
        num_keypoints: K.
        head_module_cfg: arguments of `YOLOXPoseHeadModule`.
        featmap_strides: of each map.
        num_classes: C.
        use_aux_loss: also use `loss_bbox_aux` and `loss_kpt_aux`.
        assigner: config of the assigner, or a module; training needs it.
        prior_generator: config of the generator of points, or an object.
        loss_cls: config of the loss of class scores, or a module; training needs it, as the
            next four.
        loss_obj: of objectness.
        loss_bbox: of boxes.
        loss_oks: of keypoints.
        loss_vis: of visibility.
        loss_bbox_aux: of boxes relative to their cell.
        loss_kpt_aux: of keypoints relative to their cell.
        overlaps_power: exponent of the overlaps that class scores learn.

    Raises:
        ConfigError: without a `prior_generator`, or for arguments the layers do not take.

    Example:
        type: YOLOXPoseHead
        num_keypoints: 17
        featmap_strides: [8, 16, 32]
        head_module_cfg: {in_channels: 256, feat_channels: 256, widen_factor: 0.375}
        prior_generator: {type: MlvlPointGenerator, offset: 0, strides: [8, 16, 32]}
        assigner: {type: SimOTAAssigner, dynamic_k_indicator: oks}
        overlaps_power: 0.5
        loss_cls: {type: BCELoss, reduction: sum}
        loss_obj: {type: BCELoss, use_target_weight: true, reduction: sum}
        loss_bbox: {type: IoULoss, mode: square, reduction: sum, loss_weight: 5.0}
        loss_oks: {type: OKSLoss, metainfo: coco, reduction: none, loss_weight: 30.0}
        loss_vis: {type: BCELoss, use_target_weight: true}
        loss_bbox_aux: {type: L1Loss, reduction: sum}
    """

    loss_cls: Any
    loss_obj: Any
    loss_bbox: Any
    loss_oks: Any
    loss_vis: Any
    loss_bbox_aux: Any
    loss_kpt_aux: Any

    def __init__(
        self,
        num_keypoints: int,
        head_module_cfg: Mapping[str, Any],
        featmap_strides: Sequence[int] = (8, 16, 32),
        num_classes: int = 1,
        use_aux_loss: bool = False,
        assigner: Mapping[str, Any] | nn.Module | None = None,
        prior_generator: Mapping[str, Any] | Any = None,
        loss_cls: LossConfig = None,
        loss_obj: LossConfig = None,
        loss_bbox: LossConfig = None,
        loss_oks: LossConfig = None,
        loss_vis: LossConfig = None,
        loss_bbox_aux: LossConfig = None,
        loss_kpt_aux: LossConfig = None,
        overlaps_power: float = 1.0,
    ) -> None:
        losses = {
            "loss_cls": loss_cls,
            "loss_obj": loss_obj,
            "loss_bbox": loss_bbox,
            "loss_oks": loss_oks,
            "loss_vis": loss_vis,
            "loss_bbox_aux": loss_bbox_aux,
            "loss_kpt_aux": loss_kpt_aux,
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
        given = {
            **head_module_cfg,
            "featmap_strides": featmap_strides,
            "num_keypoints": num_keypoints,
        }
        self.head_module = build_layer(YOLOXPoseHeadModule, given, "head_module_cfg")

    def forward(self, feats: Features) -> tuple[list[Tensor], ...]:
        """Return raw outputs.

        Returns:
            Class scores (B, C, H_i, W_i), objectness (B, 1, ...), boxes (B, 4, ...), keypoint
            offsets (B, 2K, ...) and visibilities (B, K, ...), each a list of maps; scores and
            visibilities before the sigmoid.
        """
        return self.head_module(feats)

    def loss(self, feats: Features, batch: PoseBatch) -> dict[str, Tensor]:
        """Return `loss_obj`, `loss_bbox`, `loss_kpt`, `loss_vis` and `loss_cls`.

        With `use_aux_loss` also `loss_bbox_aux` and `loss_kpt_aux`. For the targets see `assign`.
        """
        maps = self.forward(feats)
        scores, objectness, boxes, offsets, visible = (flatten_maps(part) for part in maps)
        priors = self.priors(maps[0])
        bboxes = decode_boxes(boxes, priors)
        keypoints = self.decode_keypoints(offsets, priors)
        confidence = (scores.detach().sigmoid() * objectness.detach().sigmoid()).sqrt()
        chosen = self.assign(priors, confidence, bboxes, keypoints, visible, batch)
        objectness = objectness.flatten(0, 1)
        is_person = torch.zeros_like(objectness).index_fill(0, chosen.index, 1.0)
        losses = {
            "loss_obj": self.loss_obj(objectness, is_person, torch.ones_like(is_person))
            / chosen.number
        }
        scores, boxes, bboxes, offsets, keypoints, visible = (
            part.flatten(0, 1)[chosen.index]
            for part in (scores, boxes, bboxes, offsets, keypoints, visible)
        )
        targets = chosen.classes.pow(self.overlaps_power)
        losses |= {
            "loss_bbox": self.loss_bbox(bboxes, chosen.bboxes) / chosen.number,
            "loss_kpt": self.loss_oks(keypoints, chosen.keypoints, chosen.visible, chosen.areas),
            "loss_vis": self.loss_vis(visible, chosen.visible, chosen.visible_weights),
            "loss_cls": self.loss_cls(scores, targets) / chosen.number,
        }
        if self.use_aux_loss and self.loss_bbox_aux is not None:
            wanted = relative_boxes(chosen)
            losses["loss_bbox_aux"] = self.loss_bbox_aux(boxes, wanted) / chosen.number
        if self.use_aux_loss and self.loss_kpt_aux is not None:
            points, strides = chosen.priors[:, None].chunk(2, dim=-1)
            losses["loss_kpt_aux"] = self.loss_kpt_aux(
                offsets.unflatten(-1, (self.num_keypoints, 2)),
                (chosen.keypoints - points) / strides,
                chosen.visible / self.num_keypoints,
            )
        return means(losses, len(chosen.index))

    def predict(self, feats: Features, batch: PoseBatch) -> list[Poses]:
        """Return the people of each image, with `bboxes`, `scores` and the extra `labels`."""
        self.refuse_flip_test(batch)
        maps = self.forward(feats)
        scores, objectness, boxes, offsets, visible = (flatten_maps(part) for part in maps)
        priors = self.priors(maps[0])
        found = self.candidates(
            scores.sigmoid() * objectness.sigmoid(), decode_boxes(boxes, priors)
        )
        keypoints = self.decode_keypoints(offsets, priors)[found.image, found.cell]
        return self.poses(found, keypoints, visible[found.image, found.cell].sigmoid(), batch)


def apply_each(convs: nn.ModuleList, maps: Sequence[Tensor]) -> list[Tensor]:
    """Return what each layer makes of its map."""
    return [conv(x) for conv, x in zip(convs, maps, strict=True)]


def relative_boxes(chosen: Positives) -> Tensor:
    """Return the target boxes (P, 4) as offsets and logarithms of extents, in strides."""
    points, strides = chosen.priors.chunk(2, dim=-1)
    low, high = chosen.bboxes.chunk(2, dim=-1)
    offset, extent = ((low + high) / 2 - points) / strides, (high - low) / strides
    return torch.cat([offset, torch.log(extent + 1e-8)], dim=-1)


def means(losses: Mapping[str, Tensor], positives: int) -> dict[str, Tensor]:
    """Return the mean of each loss; of nobody there is no mean, only zero."""
    if positives:
        return {name: loss.mean() for name, loss in losses.items()}
    return {name: loss.sum().nan_to_num() for name, loss in losses.items()}
