"""The stages as deployments of their own: calls that survive the death of a replica."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from ray.exceptions import RayActorError
from ray.serve.exceptions import BackPressureError, ReplicaUnavailableError

from raypose.distributed.serving.records import Description, Estimate, Floats, PoseQuery, Refusal
from raypose.distributed.serving.timing import milliseconds_since
from raypose.inference.lift_windows import LiftInput
from raypose.structures import Poses

# Ray Serve needs some seconds to notice that a replica is gone and to start another.
_PAUSES = (0.0, 0.1, 0.5, 1.0, 2.0, 4.0, 8.0)


class ChainStages:
    """Detector, pose model and lifter behind handles of Ray Serve.

    Args:
        about: what is served.
        pose: handle of the pose deployment.
        detector: handle of the detector, if there is one.
        lifter: handle of the lifter, if there is one.
    """

    def __init__(self, about: Description, pose: Any, detector: Any, lifter: Any) -> None:
        # By value: what passes is small, and a trip through the object store costs more.
        self._pose: Any
        self._detector: Any
        self._lifter: Any
        self._pose, self._detector, self._lifter = (
            None if handle is None else handle.options(_by_reference=False)
            for handle in (pose, detector, lifter)
        )
        self._about = about

    async def estimate(self, query: PoseQuery) -> Estimate | Refusal:
        """Return the poses of an image, in boxes that are given or detected."""
        timings: dict[str, float] = {}
        whole = self._about.models[query.model]["whole_image"]
        if query.found is None and self._detector is not None and not whole:
            started = time.perf_counter()
            found = await _call(lambda: self._detector.remote(query.image))
            timings["detector"] = milliseconds_since(started)
            if isinstance(found, Refusal):
                return found
            query = PoseQuery(query.image, query.model, found)
        started = time.perf_counter()
        handle = self._pose
        if len(self._about.models) > 1:
            handle = handle.options(multiplexed_model_id=query.model)
        answer = await _call(lambda: handle.remote(query))
        timings["pose"] = milliseconds_since(started)
        if isinstance(answer, Refusal):
            return answer
        poses, size = answer
        return Estimate(poses, size, timings)

    async def lift(self, poses: Poses, size: tuple[int, int]) -> Poses:
        """Return the poses of an image with `keypoints_3d`."""
        return await _call(lambda: self._lifter.remote(poses, size))

    async def lift_frame(self, given: LiftInput) -> Poses:
        """Return the poses of a frame of a video with `keypoints_3d`."""
        return await _call(lambda: self._lifter.lift_frame.remote(given))

    async def lift_sequence(
        self, keypoints: Floats, scores: Floats, size: tuple[int, int]
    ) -> Floats:
        """Return (T, K3, 3) for the keypoints (T, K, 2) of one person."""
        return np.asarray(
            await _call(lambda: self._lifter.lift_sequence.remote(keypoints, scores, size))
        )

    async def check(self) -> None:
        """Wait until every stage answers; a stage that is busy is in good health."""
        handles = [h for h in (self._pose, self._detector, self._lifter) if h is not None]
        answers = await asyncio.gather(
            *(handle.ping.remote() for handle in handles), return_exceptions=True
        )
        for answer in answers:
            if isinstance(answer, BaseException) and not isinstance(answer, BackPressureError):
                raise answer


async def _call(ask: Callable[[], Any]) -> Any:
    """Ask until a replica has answered: asking twice does no harm, and a replica may die."""
    for pause in _PAUSES:
        try:
            return await ask()
        except (RayActorError, ReplicaUnavailableError):
            await asyncio.sleep(pause)
    return await ask()
