"""Prediction in one process: the stages that every runner uses, and `Predictor` over them."""

from raypose.inference.crop_stage import CropStage
from raypose.inference.lift_stage import LiftStage
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
from raypose.inference.predictor import Predictor
from raypose.inference.sources import (
    Frame,
    count_frames,
    is_video,
    iter_frames,
    iter_video,
    list_images,
)

__all__ = [
    "CropStage",
    "Frame",
    "LiftStage",
    "PoseStage",
    "Predictor",
    "build_crop_stage",
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
]
