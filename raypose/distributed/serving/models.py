"""The models that a replica holds: batches in, answers out. Nothing here knows of Ray Serve.

A replica that runs one stage and one that runs all of them use the same classes.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import torch

from raypose.config.sections import (
    DetectorStageSection,
    LifterStageSection,
    PoseStageSection,
    ServedModelSection,
    StageSection,
)
from raypose.distributed.serving.records import Floats, Refusal
from raypose.errors import DataError
from raypose.inference.lift_stage import LiftStage
from raypose.inference.lift_windows import LiftInput
from raypose.inference.loading import load_detector, load_lift_stage, load_pose_stage
from raypose.inference.pose_stage import PoseStage
from raypose.models.detectors import BaseDetector, Detections
from raypose.ops.image_files import decode_image
from raypose.structures import Poses, Skeleton

Image = npt.NDArray[np.uint8]

_BLANK = np.zeros((64, 64, 3), np.uint8)
_NO_BOXES = Refusal(422, "this model finds the people itself; leave the boxes out")


def load_served_detector(section: DetectorStageSection) -> BaseDetector:
    """Return the detector of a `serve:` section, ready.

    Raises:
        RayposeError: if it cannot be loaded or is no detector.
    """
    return load_detector(
        section.model,
        "auto",
        weights=section.weights,
        score_thr=section.bbox_thr,
        nms_thr=section.nms_thr,
        max_per_image=section.max_instances,
        batch_size=section.max_batch_size,
    )


def load_served_pose(model: ServedModelSection, section: PoseStageSection) -> PoseStage:
    """Return a pose model of a `serve:` section.

    Raises:
        RayposeError: if it cannot be loaded.
    """
    return load_pose_stage(
        model.source, model.weights, "auto", section.max_batch_size, section.backend
    )


def load_served_lifter(section: LifterStageSection, skeleton: Skeleton) -> LiftStage:
    """Return the lifter of a `serve:` section, for poses of a skeleton.

    Raises:
        RayposeError: if it cannot be loaded or does not take such poses.
    """
    return load_lift_stage(section.source, skeleton, section.weights, "auto")


def limit_threads(section: StageSection) -> None:
    """Let one call of a model use the threads it may: replicas share the cores of their node."""
    if not torch.cuda.is_available():
        torch.set_num_threads(section.threads)
    cv2.setNumThreads(1)


def decode(data: bytes) -> Image | Refusal:
    """Return the image, or why there is none."""
    try:
        return decode_image(data)
    except DataError as error:
        return Refusal(400, str(error))


def estimate(
    stage: PoseStage, images: Sequence[Image], found: Sequence[Detections | None]
) -> list[Poses | Refusal]:
    """Return the poses of each image, the crops of all of them in full batches.

    Args:
        stage: the model.
        images: B images (H_i, W_i, 3) uint8 BGR.
        found: for each its boxes; None takes the whole image.
    """
    whole = stage.crop.whole_image
    answered = [i for i, boxes in enumerate(found) if not (whole and boxes is not None)]
    detections = [_boxes_or_whole(found[i], images[i]) for i in answered]
    answers: list[Poses | Refusal] = [_NO_BOXES] * len(images)
    poses = stage([images[i] for i in answered], detections)
    for i, pose in zip(answered, poses, strict=True):
        answers[i] = pose
    return answers


def _boxes_or_whole(found: Detections | None, image: Image) -> Detections:
    return Detections.from_boxes([[0, 0, *image.shape[1::-1]]]) if found is None else found


class Health:
    """Whether a model still answers; one that has just done so is not asked again.

    Args:
        probe: runs the model on something small.
        period: seconds for which an answer counts.
    """

    def __init__(self, probe: Callable[[], Any], period: float) -> None:
        self._probe = probe
        self._period = period
        self._answered = time.monotonic()

    def answered(self) -> None:
        """Take note that the model has answered."""
        self._answered = time.monotonic()

    def check(self) -> None:
        """Run the model unless it has answered lately; what it raises is the finding."""
        if time.monotonic() - self._answered >= self._period:
            self._probe()
            self.answered()


def probe_detector(detector: BaseDetector) -> None:
    """Run a detector on a blank image."""
    detector.detect([_BLANK])


def probe_pose(stage: PoseStage) -> None:
    """Run a pose model on a blank image."""
    estimate(stage, [_BLANK], [None])


def probe_lifter(stage: LiftStage) -> None:
    """Lift a person whose keypoints all lie in one place."""
    lift_sequence(stage, *_nobody_in_particular(stage))


def lift_sequence(
    stage: LiftStage, keypoints: Floats, scores: Floats, size: tuple[int, int]
) -> Floats:
    """Lift one person through a sequence; every frame sees its neighbours.

    Args:
        stage: the lifter.
        keypoints: (T, K, 2) in image space, of the skeleton the stage takes.
        scores: (T, K).
        size: (w, h) of the images.

    Returns:
        (T, K3, 3) in the unit and frame of the lifter.
    """
    windows = stage.windows(causal=False)
    inputs: list[LiftInput] = []
    for points, values in zip(keypoints, scores, strict=True):
        poses = Poses(
            keypoints=points[None],
            keypoint_scores=values[None],
            track_ids=np.zeros(1, np.int64),
        )
        inputs += windows.push(poses, size)
    inputs += windows.flush()
    lifted = [poses.keypoints_3d for poses in stage(inputs)]
    return np.concatenate([each for each in lifted if each is not None])


def _nobody_in_particular(stage: LiftStage) -> tuple[Floats, Floats, tuple[int, int]]:
    K = stage.source.num_keypoints
    return np.zeros((1, K, 2), np.float32), np.ones((1, K), np.float32), (64, 64)
