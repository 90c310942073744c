"""Which of a dense head's predictions stands for which person; importing this registers them."""

from raypose.models.assigners.metric_calculators import BBoxOverlaps2D, PoseOKS
from raypose.models.assigners.mlvl_point_generator import MlvlPointGenerator
from raypose.models.assigners.sim_ota_assigner import Assignment, SimOTAAssigner, Truth, one_hot

__all__ = [
    "Assignment",
    "BBoxOverlaps2D",
    "MlvlPointGenerator",
    "PoseOKS",
    "SimOTAAssigner",
    "Truth",
    "one_hot",
]
