"""The deployments of the served chain: one model each, batching across requests.

What passes between them is encoded bytes, boxes and rows of numbers: the pose deployment decodes
the image again rather than receive its pixels. What a request did wrong comes back as `error` with
its HTTP `status`, so that the others of its batch get their answers.
"""

from __future__ import annotations

import asyncio
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import torch
from ray import serve

from raypose.config.sections import (
    DetectorStageSection,
    LifterStageSection,
    PoseStageSection,
    StageSection,
)
from raypose.errors import DataError
from raypose.inference.loading import load_lift_stage, load_pose_stage, resolve_device
from raypose.inference.pose_stage import PoseStage
from raypose.models.detectors import Detections, ONNXDetector
from raypose.ops.image_files import decode_image
from raypose.structures import Poses, Skeleton

_NO_BOXES = "this model finds the people itself; leave the boxes out"


class DetectorDeployment:
    """Finds the boxes of encoded images."""

    def __init__(self, section: DetectorStageSection) -> None:
        _use_one_thread()
        self._detector = load_served_detector(section)
        _set_batching(self._batch, section)

    async def __call__(self, data: bytes) -> dict[str, Any]:
        """Return `boxes` (N, 4) xyxy and `scores` (N,) as lists, or `error` and `status`."""
        return await self._batch(data)

    @serve.batch
    async def _batch(self, images: list[bytes]) -> list[dict[str, Any]]:
        return await asyncio.to_thread(self._detect, images)

    def _detect(self, images: list[bytes]) -> list[dict[str, Any]]:
        decoded = [_decode(data) for data in images]
        readable = [image for image in decoded if not isinstance(image, str)]
        found = iter(self._detector.detect(readable))
        answers: list[dict[str, Any]] = []
        for image in decoded:
            if isinstance(image, str):
                answers.append({"error": image, "status": 400})
            else:
                boxes = next(found)
                answers.append({"boxes": boxes.boxes.tolist(), "scores": boxes.scores.tolist()})
        return answers


class PoseDeployment:
    """Estimates the poses in encoded images with their boxes, crops of all requests together."""

    def __init__(self, section: PoseStageSection) -> None:
        _use_one_thread()
        self._stage = load_served_pose(section)
        _set_batching(self._batch, section)

    async def __call__(self, data: bytes, boxes: dict[str, Any] | None) -> dict[str, Any]:
        """Return `poses` as a row and the `size` (w, h) of the image, or `error` and `status`.

        Args:
            data: an encoded image.
            boxes: `boxes` (N, 4) xyxy and `scores` (N,); None for the whole image.
        """
        return await self._batch((data, boxes))

    async def describe(self) -> dict[str, Any]:
        """Return the skeleton of the poses as a plain mapping."""
        skeleton = self._stage.estimator.skeleton
        return {} if skeleton is None else skeleton.to_dict()

    @serve.batch
    async def _batch(
        self, requests: list[tuple[bytes, dict[str, Any] | None]]
    ) -> list[dict[str, Any]]:
        return await asyncio.to_thread(self._estimate, requests)

    def _estimate(
        self, requests: list[tuple[bytes, dict[str, Any] | None]]
    ) -> list[dict[str, Any]]:
        answers: list[dict[str, Any]] = []
        images, boxes = [], []
        for data, given in requests:
            image = _decode(data)
            if isinstance(image, str):
                answers.append({"error": image, "status": 400})
            elif given is not None and self._stage.crop.whole_image:
                answers.append({"error": _NO_BOXES, "status": 422})
            else:
                answers.append({"size": [image.shape[1], image.shape[0]]})
                images.append(image)
                boxes.append(_detections(given, image))
        poses = iter(self._stage(images, boxes))
        for answer in answers:
            if "error" not in answer:
                answer["poses"] = next(poses).to_row()
        return answers


class LifterDeployment:
    """Lifts poses to 3D."""

    def __init__(self, section: LifterStageSection, skeleton: dict[str, Any]) -> None:
        _use_one_thread()
        self._stage = load_lift_stage(
            section.source, Skeleton.load(skeleton), section.weights, device="auto"
        )
        _set_batching(self._batch, section)

    async def __call__(self, poses: dict[str, Any], size: tuple[int, int]) -> dict[str, Any]:
        """Return the row of poses with `keypoints_3d`; `size` is (w, h) of their image."""
        return await self._batch((poses, size))

    @serve.batch
    async def _batch(
        self, requests: list[tuple[dict[str, Any], tuple[int, int]]]
    ) -> list[dict[str, Any]]:
        return await asyncio.to_thread(self._lift, requests)

    def _lift(self, requests: list[tuple[dict[str, Any], tuple[int, int]]]) -> list[dict[str, Any]]:
        poses = [Poses.from_row(row) for row, _ in requests]
        lifted = self._stage(poses, [size for _, size in requests])
        return [pose.to_row() for pose in lifted]


def load_served_pose(section: PoseStageSection) -> PoseStage:
    """Return the pose model of a `serve:` section.

    Raises:
        ConfigError: if the section does not say which model it is.
        CheckpointError: if it cannot be loaded.
    """
    return load_pose_stage(section.source, section.weights, device="auto", batch_size=section.crops)


def load_served_detector(section: DetectorStageSection) -> ONNXDetector:
    """Return the detector of a `serve:` section, ready.

    Raises:
        RayposeError: if the file is no detector.
    """
    detector = ONNXDetector(
        section.model,
        score_thr=section.bbox_thr,
        nms_thr=section.nms_thr,
        max_per_image=section.max_instances,
        batch_size=section.max_batch_size,
    )
    return detector.to(str(resolve_device("auto")))


def _set_batching(method: Any, section: StageSection) -> None:
    method.set_max_batch_size(section.max_batch_size)
    method.set_batch_wait_timeout_s(section.batch_wait_timeout_s)


def _use_one_thread() -> None:
    # Replicas share the cores of their node; threads of several would fight over them.
    if not torch.cuda.is_available():
        torch.set_num_threads(1)
    cv2.setNumThreads(1)


def _decode(data: bytes) -> npt.NDArray[np.uint8] | str:
    """Return the image, or why there is none."""
    try:
        return decode_image(data)
    except DataError as error:
        return str(error)


def _detections(given: dict[str, Any] | None, image: npt.NDArray[np.uint8]) -> Detections:
    if given is None:
        return Detections.from_boxes([[0, 0, *image.shape[1::-1]]])
    boxes = np.asarray(given["boxes"], np.float32).reshape(-1, 4)
    return Detections(
        boxes=boxes,
        scores=np.asarray(given["scores"], np.float32),
        labels=np.zeros(len(boxes), np.int64),
    )
