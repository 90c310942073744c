"""Metrics: what predictions are worth, over a whole data set.

Importing this package registers the built-in ones in `raypose.registry.METRICS`.
"""

from raypose.evaluation.base import BaseMetric, SampleMetric
from raypose.evaluation.coco import CocoMetric
from raypose.evaluation.coco_wholebody import CocoWholeBodyMetric
from raypose.evaluation.dataset_pck import JhmdbPCKAccuracy, MpiiPCKAccuracy
from raypose.evaluation.interhand import InterHandMetric
from raypose.evaluation.keypoint_accuracy import AUC, EPE, NME, PCKAccuracy
from raypose.evaluation.multi_dataset import MultiDatasetEvaluator
from raypose.evaluation.partition import KeypointPartitionMetric
from raypose.evaluation.posetrack18 import PoseTrack18Metric
from raypose.evaluation.position_error import MPJPE, SimpleMPJPE

__all__ = [
    "AUC",
    "BaseMetric",
    "CocoMetric",
    "CocoWholeBodyMetric",
    "EPE",
    "InterHandMetric",
    "JhmdbPCKAccuracy",
    "KeypointPartitionMetric",
    "MPJPE",
    "MpiiPCKAccuracy",
    "MultiDatasetEvaluator",
    "NME",
    "PCKAccuracy",
    "PoseTrack18Metric",
    "SampleMetric",
    "SimpleMPJPE",
]
