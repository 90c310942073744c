"""Detectors: whole images in, boxes out."""

from raypose.models.detectors.base import BaseDetector, Detections
from raypose.models.detectors.onnx_detector import ONNXDetector
from raypose.models.detectors.rtmdet_network import RTMDet, RTMDetSepBNHead
from raypose.models.detectors.single_stage_detector import SingleStageDetector
from raypose.models.detectors.yolox_network import YOLOX, YOLOXHead

__all__ = [
    "YOLOX",
    "BaseDetector",
    "Detections",
    "ONNXDetector",
    "RTMDet",
    "RTMDetSepBNHead",
    "SingleStageDetector",
    "YOLOXHead",
]
