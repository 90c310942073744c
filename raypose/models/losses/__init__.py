"""Losses, by what they compare; importing this package registers them."""

from raypose.models.losses.associative_embedding import AssociativeEmbeddingLoss
from raypose.models.losses.box import IoULoss
from raypose.models.losses.classification import (
    BCELoss,
    InfoNCELoss,
    JSDiscretLoss,
    KLDiscretLoss,
    MLECCLoss,
    VariFocalLoss,
)
from raypose.models.losses.classification_3d import KLDiscretLossWithWeight
from raypose.models.losses.distillation import FeaLoss, KDLoss
from raypose.models.losses.heatmap import (
    AdaptiveWingLoss,
    CombinedTargetMSELoss,
    FocalHeatmapLoss,
    KeypointMSELoss,
    KeypointOHKMMSELoss,
)
from raypose.models.losses.mpjpe import MPJPELoss, MPJPEVelocityJointLoss
from raypose.models.losses.oks import OKSLoss
from raypose.models.losses.regression import (
    L1Loss,
    MSELoss,
    SmoothL1Loss,
    SoftWeightSmoothL1Loss,
    SoftWingLoss,
    WingLoss,
)
from raypose.models.losses.rle import RLELoss
from raypose.models.losses.semi_supervision import BoneLoss, SemiSupervisionLoss
from raypose.models.losses.wrappers import CombinedLoss, MultipleLossWrapper

__all__ = [
    "AdaptiveWingLoss",
    "AssociativeEmbeddingLoss",
    "BCELoss",
    "BoneLoss",
    "CombinedLoss",
    "CombinedTargetMSELoss",
    "FeaLoss",
    "FocalHeatmapLoss",
    "InfoNCELoss",
    "IoULoss",
    "JSDiscretLoss",
    "KDLoss",
    "KLDiscretLoss",
    "KLDiscretLossWithWeight",
    "KeypointMSELoss",
    "KeypointOHKMMSELoss",
    "L1Loss",
    "MLECCLoss",
    "MPJPELoss",
    "MPJPEVelocityJointLoss",
    "MSELoss",
    "MultipleLossWrapper",
    "OKSLoss",
    "RLELoss",
    "SemiSupervisionLoss",
    "SmoothL1Loss",
    "SoftWeightSmoothL1Loss",
    "SoftWingLoss",
    "VariFocalLoss",
    "WingLoss",
]
