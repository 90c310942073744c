"""The deployments of the chain: one model each, batching across requests.

What passes between them is encoded bytes, boxes and poses: the pose deployment decodes the image
again rather than receive its pixels.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from ray import serve

from raypose.config.sections import (
    DetectorStageSection,
    LifterStageSection,
    PoseStageSection,
    StageSection,
)
from raypose.distributed.serving.models import (
    Health,
    Image,
    decode,
    estimate,
    lift_sequence,
    limit_threads,
    load_served_detector,
    load_served_lifter,
    load_served_pose,
    probe_detector,
    probe_lifter,
    probe_pose,
)
from raypose.distributed.serving.records import Floats, PoseQuery, Refusal
from raypose.inference.lift_windows import LiftInput, single_frame
from raypose.inference.pose_stage import PoseStage
from raypose.models.detectors import Detections
from raypose.structures import Poses, Skeleton

Size = tuple[int, int]


class _Sized:
    """A request of a batch and how much of the batch it takes."""

    __slots__ = ("amount", "value")

    def __init__(self, value: Any, amount: int, most: int) -> None:
        self.value = value
        # Ray refuses what alone is larger than a batch; the model takes it in several calls.
        self.amount = min(max(amount, 1), most)


def _total(requests: Sequence[_Sized]) -> int:
    return sum(request.amount for request in requests)


class StageDeployment:
    """What the deployments of the chain have in common.

    Args:
        section: of the stage; what `user_config` changes is not in it.
    """

    def __init__(self, section: StageSection) -> None:
        limit_threads(section)
        self._health = Health(self._probe, section.health_check_period_s)

    async def ping(self) -> None:
        """Answer that the model is loaded."""

    async def check_health(self) -> None:
        """Run the model, for Ray Serve to replace the replica if it fails."""
        await asyncio.to_thread(self._health.check)

    def _probe(self) -> None:
        raise NotImplementedError

    def _set_batching(self, method: Any, options: dict[str, Any]) -> None:
        self._max_batch_size = int(options["max_batch_size"])
        method.set_max_batch_size(self._max_batch_size)
        method.set_batch_wait_timeout_s(options["batch_wait_timeout_s"])


class DetectorDeployment(StageDeployment):
    """Finds the boxes of encoded images."""

    def __init__(self, section: DetectorStageSection) -> None:
        super().__init__(section)
        self._section = section
        self._detector = load_served_detector(section)

    async def reconfigure(self, user_config: dict[str, Any]) -> None:
        """Take over thresholds and the size of batches."""
        section = self._section.model_copy(update=user_config)
        if section != self._section:
            self._detector = await asyncio.to_thread(load_served_detector, section)
            self._section = section
        self._set_batching(self._batch, user_config)

    async def __call__(self, data: bytes) -> Detections | Refusal:
        """Return the boxes of an encoded image."""
        image = await asyncio.to_thread(decode, data)
        return image if isinstance(image, Refusal) else await self._batch(image)

    @serve.batch
    async def _batch(self, images: list[Image]) -> list[Detections]:
        found = await asyncio.to_thread(self._detector.detect, images)
        self._health.answered()
        return found

    def _probe(self) -> None:
        probe_detector(self._detector)


class PoseDeployment(StageDeployment):
    """Estimates the poses in encoded images with their boxes, crops of all requests together."""

    def __init__(self, section: PoseStageSection) -> None:
        super().__init__(section)
        self._section = section
        names = list(section.named_models)
        self._only = load_served_pose(*self._named(names[0])) if len(names) == 1 else None

    async def reconfigure(self, user_config: dict[str, Any]) -> None:
        """Take over the size of batches."""
        self._set_batching(self._batch, user_config)

    async def __call__(self, query: PoseQuery) -> tuple[Poses, Size] | Refusal:
        """Return the poses of an encoded image and its size (w, h)."""
        image = await asyncio.to_thread(decode, query.image)
        if isinstance(image, Refusal):
            return image
        amount = 1 if query.found is None else len(query.found)
        request = (image, query.found, query.model)
        poses = await self._batch(_Sized(request, amount, self._max_batch_size))
        return poses if isinstance(poses, Refusal) else (poses, (image.shape[1], image.shape[0]))

    @serve.batch(batch_size_fn=_total)
    async def _batch(self, requests: list[_Sized]) -> list[Poses | Refusal]:
        images, found, names = zip(*(request.value for request in requests), strict=True)
        # Ray Serve puts requests for one model together.
        stage = self._only or await self.model(names[0])
        answers = await asyncio.to_thread(estimate, stage, images, found)
        self._health.answered()
        return answers

    async def model(self, name: str) -> PoseStage:
        """Load one of several models; `multiplexed` keeps those that are asked for most."""
        return await asyncio.to_thread(load_served_pose, *self._named(name))

    def _named(self, name: str) -> tuple[Any, PoseStageSection]:
        return self._section.named_models[name], self._section

    def _probe(self) -> None:
        if self._only is not None:
            probe_pose(self._only)


class LifterDeployment(StageDeployment):
    """Lifts poses to 3D."""

    def __init__(self, section: LifterStageSection, skeleton: dict[str, Any]) -> None:
        super().__init__(section)
        self._stage = load_served_lifter(section, Skeleton.load(skeleton))

    async def reconfigure(self, user_config: dict[str, Any]) -> None:
        """Take over the size of batches."""
        self._set_batching(self._batch, user_config)

    async def __call__(self, poses: Poses, size: Size) -> Poses:
        """Return the poses of an image of size (w, h), by themselves, with `keypoints_3d`."""
        return await self.lift_frame(single_frame(poses, size, self._stage.num_frames))

    async def lift_frame(self, given: LiftInput) -> Poses:
        """Return the poses of a frame of a video with `keypoints_3d`."""
        return await self._batch(_Sized(given, len(given.poses), self._max_batch_size))

    async def lift_sequence(self, keypoints: Floats, scores: Floats, size: Size) -> Floats:
        """Return (T, K3, 3) for the 2D keypoints (T, K, 2) of one person in T frames."""
        return await asyncio.to_thread(lift_sequence, self._stage, keypoints, scores, size)

    @serve.batch(batch_size_fn=_total)
    async def _batch(self, requests: list[_Sized]) -> list[Poses]:
        lifted = await asyncio.to_thread(self._stage, [request.value for request in requests])
        self._health.answered()
        return lifted

    def _probe(self) -> None:
        probe_lifter(self._stage)
