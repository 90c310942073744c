"""YOLOX as a torch network.

Ge et al.: "YOLOX: Exceeding YOLO Series in 2021". B images, A cells of all maps, C classes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor, nn

from raypose.models.assigners import MlvlPointGenerator
from raypose.models.base_module import BaseModule, InitCfg
from raypose.models.detectors.single_stage_detector import SingleStageDetector
from raypose.models.detectors.yolox import NMS_THR
from raypose.models.heads.one_stage_head import decode_boxes, flatten_maps
from raypose.models.layers.conv_module import conv_stacks
from raypose.models.layers.csp_layer import CSP_BN, SWISH
from raypose.registry import MODELS

Outputs = tuple[list[Tensor], list[Tensor], list[Tensor]]


@MODELS.register_module()
class YOLOXHead(BaseModule):
    """Scores, boxes and objectness, for each map by layers of its own.

    Args:
        num_classes: C.
        in_channels: channels of the maps.
        feat_channels: channels of the convolutions.
        stacked_convs: convolutions before the outputs.
        strides: of the maps.
        use_depthwise: depthwise-separable convolutions.
        norm_cfg: kind of norm.
        act_cfg: kind of activation.
        init_cfg: see `BaseModule`.

    Example:
        type: YOLOXHead
        num_classes: 80
        in_channels: 128
        feat_channels: 128
    """

    def __init__(
        self,
        num_classes: int,
        in_channels: int,
        feat_channels: int = 256,
        stacked_convs: int = 2,
        strides: Sequence[int] = (8, 16, 32),
        use_depthwise: bool = False,
        norm_cfg: Mapping[str, Any] = CSP_BN,
        act_cfg: Mapping[str, Any] = SWISH,
        init_cfg: InitCfg = None,
    ) -> None:
        super().__init__(init_cfg)
        self.num_classes = num_classes
        self.prior_generator = MlvlPointGenerator(strides, offset=0)
        layers = {"norm_cfg": norm_cfg, "act_cfg": act_cfg}
        maps = len(strides)

        def stacks() -> nn.ModuleList:
            return conv_stacks(
                maps, stacked_convs, in_channels, feat_channels, layers, use_depthwise=use_depthwise
            )

        def outputs(out: int) -> nn.ModuleList:
            return nn.ModuleList([nn.Conv2d(feat_channels, out, 1) for _ in strides])

        self.multi_level_cls_convs, self.multi_level_reg_convs = stacks(), stacks()
        self.multi_level_conv_cls = outputs(num_classes)
        self.multi_level_conv_reg = outputs(4)
        self.multi_level_conv_obj = outputs(1)

    def forward(self, feats: Sequence[Tensor]) -> Outputs:
        """Return lists of maps (B, ., H_i, W_i): class logits (C), boxes (4), objectness (1)."""
        scores, boxes, objectness = [], [], []
        for level, x in enumerate(feats):
            box = self.multi_level_reg_convs[level](x)
            scores.append(self.multi_level_conv_cls[level](self.multi_level_cls_convs[level](x)))
            boxes.append(self.multi_level_conv_reg[level](box))
            objectness.append(self.multi_level_conv_obj[level](box))
        return scores, boxes, objectness

    def predict(self, outputs: Outputs) -> tuple[Tensor, Tensor]:
        """Return boxes (B, A, 4) xyxy in input space and scores (B, A, C)."""
        sizes = [item.shape[-2:] for item in outputs[0]]
        scores, boxes, objectness = (flatten_maps(part) for part in outputs)
        priors = self.prior_generator.grid_priors(sizes, torch.float32, scores.device)
        return decode_boxes(boxes, priors), scores.sigmoid() * objectness.sigmoid()


@MODELS.register_module()
class YOLOX(SingleStageDetector):
    """YOLOX: CSPDarknet, YOLOXPAFPN and a head that tells classes and boxes apart.

    Args: see `SingleStageDetector`.

    Example:
        type: YOLOX
        input_size: [416, 416]
        backbone: {type: CSPDarknet, deepen_factor: 0.33, widen_factor: 0.375}
        neck: {type: YOLOXPAFPN, in_channels: [96, 192, 384], out_channels: 96, num_csp_blocks: 1}
        bbox_head: {type: YOLOXHead, num_classes: 80, in_channels: 96, feat_channels: 96}
    """

    default_preprocessor = MappingProxyType({"type": "PoseDataPreprocessor"})
    default_nms_thr = NMS_THR
