"""RTMDet as a torch network.

Lyu et al.: "RTMDet: An Empirical Study of Designing Real-Time Object Detectors", 2022. B images, A
cells of all maps, C classes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor, nn

from raypose.models.assigners import MlvlPointGenerator
from raypose.models.base_module import BaseModule, InitCfg
from raypose.models.detectors.rtmdet import MEAN, NMS_THR, STD
from raypose.models.detectors.single_stage_detector import SingleStageDetector
from raypose.models.heads.one_stage_head import flatten_maps
from raypose.models.layers.conv_module import ConvModule, conv_stacks
from raypose.models.layers.csp_layer import CSP_BN, SILU
from raypose.registry import MODELS

DEFAULT_POINTS: Mapping[str, Any] = MappingProxyType(
    {"type": "MlvlPointGenerator", "offset": 0, "strides": (8, 16, 32)}
)


@MODELS.register_module()
class RTMDetSepBNHead(BaseModule):
    """Scores and boxes, by convolutions that the maps share and batch norms that they do not.

    Args:
        num_classes: C.
        in_channels: channels of the maps.
        feat_channels: channels of the convolutions.
        stacked_convs: convolutions before the outputs.
        share_conv: share the convolutions between the maps.
        use_depthwise: depthwise-separable convolutions.
        pred_kernel_size: kernel of the outputs, odd.
        exp_on_reg: predict logarithms of distances.
        anchor_generator: config of the generator of points, or an object.
        norm_cfg: kind of norm.
        act_cfg: kind of activation.
        init_cfg: see `BaseModule`.

    Example:
        type: RTMDetSepBNHead
        num_classes: 1
        in_channels: 64
        feat_channels: 64
    """

    def __init__(
        self,
        num_classes: int,
        in_channels: int,
        feat_channels: int = 256,
        stacked_convs: int = 2,
        share_conv: bool = True,
        use_depthwise: bool = False,
        pred_kernel_size: int = 1,
        exp_on_reg: bool = False,
        anchor_generator: Mapping[str, Any] | MlvlPointGenerator = DEFAULT_POINTS,
        norm_cfg: Mapping[str, Any] = CSP_BN,
        act_cfg: Mapping[str, Any] = SILU,
        init_cfg: InitCfg = None,
    ) -> None:
        super().__init__(init_cfg)
        self.num_classes = num_classes
        self.exp_on_reg = exp_on_reg
        self.prior_generator: MlvlPointGenerator = MODELS.build(anchor_generator)
        maps, layers = len(self.prior_generator.strides), {"norm_cfg": norm_cfg, "act_cfg": act_cfg}

        def stacks() -> nn.ModuleList:
            return conv_stacks(
                maps, stacked_convs, in_channels, feat_channels, layers, use_depthwise=use_depthwise
            )

        def outputs(out: int) -> nn.ModuleList:
            kernel, padding = pred_kernel_size, pred_kernel_size // 2
            return nn.ModuleList(
                [nn.Conv2d(feat_channels, out, kernel, padding=padding) for _ in range(maps)]
            )

        self.cls_convs, self.reg_convs = stacks(), stacks()
        self.rtm_cls, self.rtm_reg = outputs(num_classes), outputs(4)
        if share_conv:
            for branch in (self.cls_convs, self.reg_convs):
                _share(branch)

    def forward(self, feats: Sequence[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        """Return logits (B, C, H_i, W_i) and distances (B, 4, H_i, W_i) in pixels."""
        scores, distances = [], []
        for level, x in enumerate(feats):
            scores.append(self.rtm_cls[level](self.cls_convs[level](x)))
            distance = self.rtm_reg[level](self.reg_convs[level](x))
            distance = distance.exp() if self.exp_on_reg else distance
            distances.append(distance * self.prior_generator.strides[level][0])
        return scores, distances

    def predict(self, outputs: tuple[list[Tensor], list[Tensor]]) -> tuple[Tensor, Tensor]:
        """Return boxes (B, A, 4) xyxy in input space and scores (B, A, C)."""
        scores, distances = outputs
        sizes = [item.shape[-2:] for item in scores]
        points = self.prior_generator.grid_priors(sizes, torch.float32, scores[0].device)[:, :2]
        before, after = flatten_maps(distances).chunk(2, dim=-1)
        return torch.cat([points - before, points + after], dim=-1), flatten_maps(scores).sigmoid()


@MODELS.register_module()
class RTMDet(SingleStageDetector):
    """RTMDet: CSPNeXt, CSPNeXtPAFPN and a head with shared convolutions.

    Args: see `SingleStageDetector`.

    Example:
        type: RTMDet
        input_size: [320, 320]
        backbone:
          type: CSPNeXt
          deepen_factor: 0.33
          widen_factor: 0.25
          use_depthwise: true
          norm_cfg: {type: SyncBN}
        neck:
          type: CSPNeXtPAFPN
          in_channels: [64, 128, 256]
          out_channels: 64
          num_csp_blocks: 1
          use_depthwise: true
          norm_cfg: {type: SyncBN}
          act_cfg: {type: SiLU}
        bbox_head:
          type: RTMDetSepBNHead
          num_classes: 1
          in_channels: 64
          feat_channels: 64
          share_conv: false
          use_depthwise: true
          norm_cfg: {type: SyncBN}
    """

    default_preprocessor = MappingProxyType(
        {"type": "PoseDataPreprocessor", "mean": MEAN, "std": STD}
    )
    default_nms_thr = NMS_THR


def _share(branch: nn.ModuleList) -> None:
    """Let all maps use the convolutions of the first, with their own norms."""
    first = list(branch[0].modules())
    for other in branch[1:]:
        for one, module in zip(first, other.modules(), strict=True):
            if isinstance(module, ConvModule):
                assert isinstance(one, ConvModule)
                module.conv = one.conv
