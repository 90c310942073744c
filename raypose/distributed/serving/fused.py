"""All stages in one process: what a picture costs beyond its models is one hop."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from ray import serve

from raypose.config.sections import ServeSection
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
from raypose.distributed.serving.records import Description, Estimate, Floats, PoseQuery, Refusal
from raypose.distributed.serving.timing import milliseconds_since
from raypose.inference.lift_windows import LiftInput, single_frame
from raypose.inference.pose_stage import PoseStage
from raypose.models.detectors import Detections
from raypose.structures import Poses, Skeleton

Size = tuple[int, int]
# One decoded image waiting for the models: itself, its boxes if it brought some, and its model.
_Waiting = tuple[Image, Detections | None, str]


class FusedStages:
    """Detector, pose model and lifter in this process.

    Images are decoded as they come, in threads; the models run in one thread, on all images that
    came while they were busy.

    Args:
        section: what is served.
        about: what it is, by name.
    """

    def __init__(self, section: ServeSection, about: Description) -> None:
        limit_threads(section.pose)
        self._section = section
        self._about = about
        self._models_thread = ThreadPoolExecutor(1, thread_name_prefix="models")
        self._detector = (
            None if section.detector is None else load_served_detector(section.detector)
        )
        names = list(section.pose.named_models)
        self._only = self._load(names[0]) if len(names) == 1 else None
        self._lifter = None
        if section.lifter is not None:
            skeleton = Skeleton.load(about.models[about.default]["skeleton"])
            self._lifter = load_served_lifter(section.lifter, skeleton)
        self._health = Health(self._probe, section.pose.health_check_period_s)
        self._set_batching(section)

    async def reconfigure(self, section: ServeSection) -> None:
        """Take over thresholds and the size of batches."""
        if section.detector is not None and section.detector != self._section.detector:
            self._detector = await asyncio.to_thread(load_served_detector, section.detector)
        self._section = section
        self._set_batching(section)

    async def estimate(self, query: PoseQuery) -> Estimate | Refusal:
        """Return the poses of an image, in boxes that are given or detected."""
        image = await asyncio.to_thread(decode, query.image)
        if isinstance(image, Refusal):
            return image
        return await self._batch((image, query.found, query.model))

    async def lift(self, poses: Poses, size: Size) -> Poses:
        """Return the poses of an image with `keypoints_3d`."""
        assert self._lifter is not None, "asked only where there is one"
        return await self.lift_frame(single_frame(poses, size, self._lifter.num_frames))

    async def lift_frame(self, given: LiftInput) -> Poses:
        """Return the poses of a frame of a video with `keypoints_3d`."""
        return await self._lift_batch(given)

    async def lift_sequence(self, keypoints: Floats, scores: Floats, size: Size) -> Floats:
        """Return (T, K3, 3) for the keypoints (T, K, 2) of one person."""
        return await self._run(lift_sequence, self._lifter, keypoints, scores, size)

    async def check(self) -> None:
        """Return at once: whoever asks is in the process with the models."""

    async def check_health(self) -> None:
        """Run the models unless they have answered lately."""
        await self._run(self._health.check)

    async def model(self, name: str) -> PoseStage:
        """Load one of several models; `multiplexed` keeps those that are asked for most."""
        return await asyncio.to_thread(self._load, name)

    @serve.batch
    async def _batch(self, waiting: list[_Waiting]) -> list[Estimate | Refusal]:
        stages = {name: self._only or await self.model(name) for _, _, name in waiting}
        answers = await self._run(self._estimate, waiting, stages)
        self._health.answered()
        return answers

    @serve.batch
    async def _lift_batch(self, inputs: list[LiftInput]) -> list[Poses]:
        return await self._run(self._lifter, inputs)

    def _estimate(
        self, waiting: Sequence[_Waiting], stages: dict[str, PoseStage]
    ) -> list[Estimate | Refusal]:
        found = [given for _, given, _ in waiting]
        timings: list[dict[str, float]] = [{} for _ in waiting]
        searched = [
            i
            for i, (_, given, name) in enumerate(waiting)
            if given is None and not stages[name].crop.whole_image
        ]
        if self._detector is not None and searched:
            started = time.perf_counter()
            for i, boxes in zip(
                searched, self._detector.detect([waiting[i][0] for i in searched]), strict=True
            ):
                found[i] = boxes
            spent = milliseconds_since(started)
            for i in searched:
                timings[i]["detector"] = spent
        answers: dict[int, Estimate | Refusal] = {}
        for name, stage in stages.items():
            mine = [i for i, (_, _, wanted) in enumerate(waiting) if wanted == name]
            started = time.perf_counter()
            poses = estimate(stage, [waiting[i][0] for i in mine], [found[i] for i in mine])
            spent = milliseconds_since(started)
            for i, pose in zip(mine, poses, strict=True):
                height, width = waiting[i][0].shape[:2]
                answers[i] = (
                    pose
                    if isinstance(pose, Refusal)
                    else Estimate(pose, (width, height), {**timings[i], "pose": spent})
                )
        return [answers[i] for i in range(len(waiting))]

    async def _run(self, function: Any, *arguments: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(
            self._models_thread, function, *arguments
        )

    def _load(self, name: str) -> PoseStage:
        return load_served_pose(self._section.pose.named_models[name], self._section.pose)

    def _set_batching(self, section: ServeSection) -> None:
        for method in (self._batch, self._lift_batch):
            method.set_max_batch_size(section.pose.max_batch_size)  # type: ignore[attr-defined]
            method.set_batch_wait_timeout_s(  # type: ignore[attr-defined]
                section.pose.batch_wait_timeout_s
            )

    def _probe(self) -> None:
        if self._detector is not None:
            probe_detector(self._detector)
        if self._only is not None:
            probe_pose(self._only)
        if self._lifter is not None:
            probe_lifter(self._lifter)
