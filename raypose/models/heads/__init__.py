"""Heads, from features to keypoints and losses; importing this package registers them."""

from raypose.models.heads.ae_head import AssociativeEmbeddingHead
from raypose.models.heads.base_head import BaseHead
from raypose.models.heads.cid_head import CIDHead
from raypose.models.heads.cpm_head import CPMHead
from raypose.models.heads.dekr_head import DEKRHead
from raypose.models.heads.edpose_head import EDPoseHead
from raypose.models.heads.heatmap_head import HeatmapHead
from raypose.models.heads.integral_regression_head import DSNTHead, IntegralRegressionHead
from raypose.models.heads.internet_head import InternetHead
from raypose.models.heads.motion_regression_head import MotionRegressionHead
from raypose.models.heads.mspn_head import MSPNHead
from raypose.models.heads.multi_stage_head import MultiStageHead
from raypose.models.heads.regression_head import RegressionHead, RLEHead
from raypose.models.heads.rtmcc_head import RTMCCHead
from raypose.models.heads.rtmo_head import RTMOHead
from raypose.models.heads.rtmw3d_head import RTMW3DHead
from raypose.models.heads.rtmw_head import RTMWHead
from raypose.models.heads.simcc_head import SimCCHead
from raypose.models.heads.temporal_regression_head import TemporalRegressionHead
from raypose.models.heads.trajectory_regression_head import TrajectoryRegressionHead
from raypose.models.heads.vipnas_head import ViPNASHead
from raypose.models.heads.vis_head import VisPredictHead
from raypose.models.heads.yoloxpose_head import YOLOXPoseHead

__all__ = [
    "AssociativeEmbeddingHead",
    "BaseHead",
    "CIDHead",
    "DEKRHead",
    "CPMHead",
    "DSNTHead",
    "EDPoseHead",
    "HeatmapHead",
    "IntegralRegressionHead",
    "MSPNHead",
    "MotionRegressionHead",
    "MultiStageHead",
    "InternetHead",
    "RLEHead",
    "RTMCCHead",
    "RTMOHead",
    "RTMW3DHead",
    "RTMWHead",
    "RegressionHead",
    "SimCCHead",
    "TemporalRegressionHead",
    "TrajectoryRegressionHead",
    "ViPNASHead",
    "VisPredictHead",
    "YOLOXPoseHead",
]
