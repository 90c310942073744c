"""What stands between a backbone and a head."""

from raypose.models.necks.channel_mapper import ChannelMapper
from raypose.models.necks.cspnext_pafpn import CSPNeXtPAFPN
from raypose.models.necks.feature_map_processor import FeatureMapProcessor
from raypose.models.necks.fpn import FPN
from raypose.models.necks.global_average_pooling import GlobalAveragePooling
from raypose.models.necks.hybrid_encoder import HybridEncoder
from raypose.models.necks.posewarper import PoseWarperNeck
from raypose.models.necks.yolox_pafpn import YOLOXPAFPN

__all__ = [
    "CSPNeXtPAFPN",
    "ChannelMapper",
    "FPN",
    "FeatureMapProcessor",
    "GlobalAveragePooling",
    "HybridEncoder",
    "PoseWarperNeck",
    "YOLOXPAFPN",
]
