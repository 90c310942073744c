"""Detectors: whole images in, boxes out."""

from raypose.models.detectors.base import BaseDetector, Detections
from raypose.models.detectors.onnx_detector import ONNXDetector

__all__ = ["BaseDetector", "Detections", "ONNXDetector"]
