"""Codecs: keypoints to training targets and network outputs back to keypoints, one to a file."""

from raypose.codecs.associative_embedding import AssociativeEmbedding
from raypose.codecs.base import BaseKeypointCodec
from raypose.codecs.image_pose_lifting import ImagePoseLifting
from raypose.codecs.msra_heatmap import MSRAHeatmap
from raypose.codecs.regression_label import RegressionLabel
from raypose.codecs.simcc_label import SimCCLabel
from raypose.codecs.udp_heatmap import UDPHeatmap
from raypose.codecs.video_pose_lifting import VideoPoseLifting

__all__ = [
    "AssociativeEmbedding",
    "BaseKeypointCodec",
    "ImagePoseLifting",
    "MSRAHeatmap",
    "RegressionLabel",
    "SimCCLabel",
    "UDPHeatmap",
    "VideoPoseLifting",
]
