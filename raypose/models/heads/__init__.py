"""Heads, from features to keypoints and losses; importing this package registers them."""

from raypose.models.heads.ae_head import AssociativeEmbeddingHead
from raypose.models.heads.base_head import BaseHead
from raypose.models.heads.heatmap_head import HeatmapHead
from raypose.models.heads.regression_head import RegressionHead, RLEHead
from raypose.models.heads.rtmcc_head import RTMCCHead
from raypose.models.heads.simcc_head import SimCCHead
from raypose.models.heads.temporal_regression_head import TemporalRegressionHead
from raypose.models.heads.vis_head import VisPredictHead

__all__ = [
    "AssociativeEmbeddingHead",
    "BaseHead",
    "HeatmapHead",
    "RLEHead",
    "RTMCCHead",
    "RegressionHead",
    "SimCCHead",
    "TemporalRegressionHead",
    "VisPredictHead",
]
