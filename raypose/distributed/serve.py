"""The served chain: Ingress -> Detector -> Pose -> Lifter, each scaling and batching alone.

What passes between deployments is encoded bytes, boxes and rows of numbers: the pose deployment
decodes the image again rather than receive its pixels.
"""

from __future__ import annotations

import asyncio
import logging
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
    ServeSection,
    StageSection,
)
from raypose.distributed.ingress import Ingress
from raypose.distributed.session import ClusterSize
from raypose.errors import DataError, RayposeError
from raypose.inference.loading import load_lift_stage, load_pose_stage
from raypose.models.detectors import Detections, ONNXDetector
from raypose.ops.image_files import decode_image
from raypose.structures import Poses, Skeleton

logger = logging.getLogger(__name__)


def build_app(section: ServeSection, cpus: float | None = None) -> serve.Application:
    """Bind the chain.

    Args:
        section: what is served and how.
        cpus: CPUs of the cluster, to share out among stages that do not say what they need.

    Raises:
        RayposeError: if the stages ask for more CPUs than the cluster has.
    """
    stages: list[StageSection] = [section.pose]
    stages += [stage for stage in (section.detector, section.lifter) if stage is not None]
    share = _cpu_share(stages, cpus)
    pose = _deploy(PoseDeployment, section.pose, share).bind(section.pose)
    detector = lifter = None
    if section.detector is not None:
        detector = _deploy(DetectorDeployment, section.detector, share).bind(section.detector)
    if section.lifter is not None:
        lifter = _deploy(LifterDeployment, section.lifter, share).bind(section.lifter, section.pose)
    options = {"num_cpus": 0, "num_gpus": 0}
    ingress = serve.deployment(Ingress).options(  # type: ignore[attr-defined]
        ray_actor_options=options, max_ongoing_requests=256
    )
    return ingress.bind(section, pose, detector, lifter)


def run(section: ServeSection) -> None:
    """Start serving on the cluster this process has joined; returns once requests are answered."""
    serve.start(
        http_options={
            "host": section.host,
            "port": section.port,
            "request_timeout_s": section.request_timeout_s + 5,
        }
    )
    serve.run(build_app(section, ClusterSize.current().cpus), name="raypose", route_prefix="/")


class DetectorDeployment:
    """Finds the boxes of encoded images."""

    def __init__(self, section: DetectorStageSection) -> None:
        _use_one_thread()
        self._detector = ONNXDetector(
            section.model,
            score_thr=section.bbox_thr,
            nms_thr=section.nms_thr,
            max_per_image=section.max_instances,
            batch_size=section.max_batch_size,
        )
        _set_batching(self._batch, section)

    async def __call__(self, data: bytes) -> dict[str, Any]:
        """Return `boxes` (N, 4) xyxy and `scores` (N,) as lists, or `error`."""
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
                answers.append({"error": image})
            else:
                boxes = next(found)
                answers.append({"boxes": boxes.boxes.tolist(), "scores": boxes.scores.tolist()})
        return answers


class PoseDeployment:
    """Estimates the poses in encoded images with their boxes, crops of all requests together."""

    def __init__(self, section: PoseStageSection) -> None:
        _use_one_thread()
        self._stage = _pose_stage(section)
        _set_batching(self._batch, section)

    async def __call__(self, data: bytes, boxes: dict[str, Any] | None) -> dict[str, Any]:
        """Return `poses` as a row, or `error`.

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
        decoded = [_decode(data) for data, _ in requests]
        readable = [i for i, image in enumerate(decoded) if not isinstance(image, str)]
        images = [image for image in decoded if not isinstance(image, str)]
        boxes = [
            _detections(requests[i][1], image) for i, image in zip(readable, images, strict=True)
        ]
        poses = self._stage(images, None if self._stage.crop.whole_image else boxes)
        found = {i: pose.to_row() for i, pose in zip(readable, poses, strict=True)}
        return [
            {"poses": found[i]} if i in found else {"error": image}
            for i, image in enumerate(decoded)
        ]


class LifterDeployment:
    """Lifts poses to 3D."""

    def __init__(self, section: LifterStageSection, pose: PoseStageSection) -> None:
        _use_one_thread()
        self._stage = load_lift_stage(
            section.config, _pose_skeleton(pose), section.weights, device="auto"
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


def _deploy(cls: type, section: StageSection, cpu_share: float) -> Any:
    cpus = cpu_share if section.num_cpus is None else section.num_cpus
    return serve.deployment(cls).options(  # type: ignore[attr-defined]
        num_replicas=section.num_replicas,
        max_ongoing_requests=section.max_ongoing_requests,
        max_queued_requests=section.max_queued_requests,
        ray_actor_options={"num_cpus": cpus, "num_gpus": section.num_gpus},
    )


def _cpu_share(stages: list[StageSection], cpus: float | None) -> float:
    """Return the CPUs of a replica that does not say; replicas without a CPU wait for ever."""
    if cpus is None:
        return 1.0
    fixed = sum(s.num_replicas * s.num_cpus for s in stages if s.num_cpus is not None)
    if fixed > cpus:
        raise RayposeError(
            f"serve: the replicas ask for {fixed:g} CPUs, the cluster has {cpus:g}; lower "
            "num_cpus or num_replicas of the stages"
        )
    open_replicas = sum(s.num_replicas for s in stages if s.num_cpus is None)
    return min(1.0, (cpus - fixed) / open_replicas) if open_replicas else 1.0


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


def _pose_stage(section: PoseStageSection) -> Any:
    source = section.config or section.weights
    if source is None:
        raise RayposeError("serve.pose: 'config' or 'weights' (a checkpoint of raypose) is needed")
    return load_pose_stage(source, section.weights, device="auto", batch_size=section.crops)


def _pose_skeleton(section: PoseStageSection) -> Skeleton:
    skeleton = _pose_stage(section).estimator.skeleton
    if skeleton is None:
        raise RayposeError("serve.lifter: the pose model does not say what its skeleton is")
    return skeleton
