"""Codecs: keypoints to training targets and network outputs back to keypoints, one to a file."""

from raypose.codecs.annotation_processors import YOLOXPoseAnnotationProcessor
from raypose.codecs.associative_embedding import AssociativeEmbedding
from raypose.codecs.base import BaseKeypointCodec
from raypose.codecs.decoupled_heatmap import DecoupledHeatmap
from raypose.codecs.edpose_label import EDPoseLabel
from raypose.codecs.hand_3d_heatmap import Hand3DHeatmap
from raypose.codecs.image_pose_lifting import ImagePoseLifting
from raypose.codecs.integral_regression_label import IntegralRegressionLabel
from raypose.codecs.megvii_heatmap import MegviiHeatmap
from raypose.codecs.motionbert_label import MotionBERTLabel
from raypose.codecs.msra_heatmap import MSRAHeatmap
from raypose.codecs.multilevel_heatmap import MultilevelHeatmap
from raypose.codecs.regression_label import RegressionLabel
from raypose.codecs.simcc_3d_label import SimCC3DLabel
from raypose.codecs.simcc_label import SimCCLabel
from raypose.codecs.spr import SPR
from raypose.codecs.udp_heatmap import UDPHeatmap
from raypose.codecs.video_pose_lifting import VideoPoseLifting

__all__ = [
    "AssociativeEmbedding",
    "BaseKeypointCodec",
    "DecoupledHeatmap",
    "EDPoseLabel",
    "Hand3DHeatmap",
    "ImagePoseLifting",
    "IntegralRegressionLabel",
    "MSRAHeatmap",
    "MegviiHeatmap",
    "MotionBERTLabel",
    "MultilevelHeatmap",
    "RegressionLabel",
    "SPR",
    "SimCC3DLabel",
    "SimCCLabel",
    "UDPHeatmap",
    "VideoPoseLifting",
    "YOLOXPoseAnnotationProcessor",
]
