"""Detectors: whole images in, boxes out."""

from raypose.models.detectors.aliases import DETECTOR_ALIASES
from raypose.models.detectors.base import BaseDetector, Detections
from raypose.models.detectors.class_names import Classes
from raypose.models.detectors.joint_detector import JointDetector
from raypose.models.detectors.onnx_detector import ONNXDetector
from raypose.models.detectors.rtmdet_network import RTMDet, RTMDetSepBNHead
from raypose.models.detectors.single_stage_detector import SingleStageDetector
from raypose.models.detectors.yolox_network import YOLOX, YOLOXHead

__all__ = [
    "DETECTOR_ALIASES",
    "YOLOX",
    "BaseDetector",
    "Classes",
    "Detections",
    "JointDetector",
    "ONNXDetector",
    "RTMDet",
    "RTMDetSepBNHead",
    "SingleStageDetector",
    "YOLOXHead",
]
