"""Feature extractors."""

from raypose.models.backbones.base_backbone import BaseBackbone
from raypose.models.backbones.cspnext import CSPNeXt
from raypose.models.backbones.hrnet import HRNet
from raypose.models.backbones.mobilenet_v2 import MobileNetV2
from raypose.models.backbones.resnet import ResNet
from raypose.models.backbones.staged_backbone import StagedBackbone
from raypose.models.backbones.tcn import TCN
from raypose.models.backbones.vision_transformer import VisionTransformer

__all__ = [
    "TCN",
    "BaseBackbone",
    "CSPNeXt",
    "HRNet",
    "MobileNetV2",
    "ResNet",
    "StagedBackbone",
    "VisionTransformer",
]
