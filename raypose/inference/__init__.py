"""Prediction in one process: the stages that every runner uses, and `Predictor` over them."""

from raypose.inference.crop_stage import CropStage
from raypose.inference.frame import Frame
from raypose.inference.lift_stage import LiftStage
from raypose.inference.lift_windows import LiftInput, LiftWindows, single_frame
from raypose.inference.loading import (
    build_crop_stage,
    load_detector,
    load_estimator,
    load_lift_stage,
    load_model,
    load_pose_stage,
    resolve_device,
)
from raypose.inference.pose_stage import PoseStage
from raypose.inference.predictor import LiveStream, Predictor
from raypose.inference.sources import (
    count_frames,
    is_video,
    iter_frames,
    iter_video,
    list_images,
)
from raypose.inference.stream import PoseStream, build_pose_stream

__all__ = [
    "CropStage",
    "Frame",
    "LiftInput",
    "LiftStage",
    "LiftWindows",
    "LiveStream",
    "PoseStage",
    "PoseStream",
    "Predictor",
    "build_crop_stage",
    "build_pose_stream",
    "count_frames",
    "is_video",
    "iter_frames",
    "iter_video",
    "list_images",
    "load_detector",
    "load_estimator",
    "load_lift_stage",
    "load_model",
    "load_pose_stage",
    "resolve_device",
    "single_frame",
]
