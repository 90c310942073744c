"""Feature extractors."""

from raypose.models.backbones.alexnet import AlexNet
from raypose.models.backbones.base_backbone import BaseBackbone
from raypose.models.backbones.cpm import CPM
from raypose.models.backbones.csp_darknet import CSPDarknet
from raypose.models.backbones.cspnext import CSPNeXt
from raypose.models.backbones.dstformer import DSTFormer
from raypose.models.backbones.hourglass import HourglassNet
from raypose.models.backbones.hourglass_ae import HourglassAENet
from raypose.models.backbones.hrformer import HRFormer
from raypose.models.backbones.hrnet import HRNet
from raypose.models.backbones.litehrnet import LiteHRNet
from raypose.models.backbones.mobilenet_v2 import MobileNetV2
from raypose.models.backbones.mobilenet_v3 import MobileNetV3
from raypose.models.backbones.mspn import MSPN
from raypose.models.backbones.multi_stage import MultiStageBackbone
from raypose.models.backbones.pyramid_vision_transformer import (
    PyramidVisionTransformer,
    PyramidVisionTransformerV2,
)
from raypose.models.backbones.regnet import RegNet
from raypose.models.backbones.resnest import ResNeSt
from raypose.models.backbones.resnet import ResNet, ResNetV1d
from raypose.models.backbones.resnext import ResNeXt
from raypose.models.backbones.rsn import RSN
from raypose.models.backbones.scnet import SCNet
from raypose.models.backbones.seresnet import SEResNet, SEResNeXt
from raypose.models.backbones.shufflenet_v1 import ShuffleNetV1
from raypose.models.backbones.shufflenet_v2 import ShuffleNetV2
from raypose.models.backbones.staged_backbone import StagedBackbone
from raypose.models.backbones.swin_transformer import SwinTransformer
from raypose.models.backbones.tcn import TCN
from raypose.models.backbones.v2v_net import V2VNet
from raypose.models.backbones.vgg import VGG
from raypose.models.backbones.vipnas_mobilenet_v3 import ViPNAS_MobileNetV3
from raypose.models.backbones.vipnas_resnet import ViPNAS_ResNet
from raypose.models.backbones.vision_transformer import VisionTransformer

__all__ = [
    "CPM",
    "MSPN",
    "RSN",
    "TCN",
    "V2VNet",
    "VGG",
    "AlexNet",
    "BaseBackbone",
    "CSPDarknet",
    "CSPNeXt",
    "DSTFormer",
    "HRFormer",
    "HRNet",
    "HourglassAENet",
    "HourglassNet",
    "LiteHRNet",
    "MobileNetV2",
    "MobileNetV3",
    "MultiStageBackbone",
    "PyramidVisionTransformer",
    "PyramidVisionTransformerV2",
    "RegNet",
    "ResNeSt",
    "ResNeXt",
    "ResNet",
    "ResNetV1d",
    "SCNet",
    "SEResNeXt",
    "SEResNet",
    "ShuffleNetV1",
    "ShuffleNetV2",
    "StagedBackbone",
    "SwinTransformer",
    "ViPNAS_MobileNetV3",
    "ViPNAS_ResNet",
    "VisionTransformer",
]
