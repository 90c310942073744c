"""The HTTP side of serving: sends requests down the chain and answers in JSON."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from fastapi import FastAPI, HTTPException, Request
from ray import serve
from ray.serve.exceptions import BackPressureError

from raypose.config.sections import ServeSection
from raypose.distributed.serving.requests import PoseRequest, check_key, read_pose_request
from raypose.inference.annotation_table import instances_of
from raypose.structures import Poses


@serve.ingress()
class Ingress:
    """Checks requests, sends them down the chain and answers in JSON.

    Args:
        section: limits and what the chain is made of.
        pose: handle of the pose deployment.
        detector: handle of the detector, if there is one.
        lifter: handle of the lifter, if there is one.
    """

    def __init__(self, section: ServeSection, pose: Any, detector: Any, lifter: Any) -> None:
        # By value: what passes is small, and a trip through the object store costs more.
        self._pose = pose.options(_by_reference=False)
        self._detector, self._lifter = (
            None if handle is None else handle.options(_by_reference=False)
            for handle in (detector, lifter)
        )
        self._section = section
        self._skeleton: dict[str, Any] | None = None

    def __serve_build_asgi_app__(self) -> FastAPI:
        """Return the routes; made in the replica, where the types of arguments are known."""
        app = FastAPI(title="raypose", summary="Poses of the people in an image, in 2D and 3D.")
        app.add_api_route("/v1/pose", self.pose, methods=["POST"])
        app.add_api_route("/v1/models", self.models)
        app.add_api_route("/healthz", self.healthz)
        return app

    async def pose(self, request: Request) -> dict[str, Any]:
        """Estimate the poses in one image.

        The image is the body (`image/*`), or the field `image` of a form. Boxes may come along as
        `boxes`, a JSON list of [x0, y0, x1, y1], in the query or the form; then each of them gets
        a pose and nothing is detected. Without boxes and without a detector the whole image is
        the box.
        """
        check_key(request, self._section.api_key)
        checked = await read_pose_request(request, self._section)
        limit = self._section.request_timeout_s
        try:
            return await asyncio.wait_for(self._answer(checked), limit)
        except asyncio.TimeoutError as error:
            raise HTTPException(504, f"no answer within {limit:g} s") from error
        except BackPressureError as error:
            raise HTTPException(
                503, "all replicas are busy; try again", {"Retry-After": "1"}
            ) from error

    async def models(self, request: Request) -> dict[str, Any]:
        """Say what is served: the skeleton of the poses and the stages of the chain."""
        check_key(request, self._section.api_key)
        return {
            "skeleton": await self._describe(),
            "detector": self._detector is not None,
            "lifter": self._lifter is not None,
        }

    async def healthz(self) -> dict[str, str]:
        """Answer once the pose model is loaded."""
        await self._describe()
        return {"status": "ok"}

    async def _describe(self) -> dict[str, Any]:
        # Asked once: a model that is busy is in good health.
        skeleton = self._skeleton
        if skeleton is None:
            self._skeleton = skeleton = await self._pose.describe.remote()
        return skeleton

    async def _answer(self, request: PoseRequest) -> dict[str, Any]:
        timings: dict[str, float] = {}

        async def timed(stage: str, response: Any) -> dict[str, Any]:
            started = time.perf_counter()
            answer = await response
            timings[stage] = round((time.perf_counter() - started) * 1000, 2)
            if "error" in answer:
                raise HTTPException(answer["status"], answer["error"])
            return answer

        found: dict[str, Any] | None = None
        if request.boxes is not None:
            found = {"boxes": request.boxes, "scores": [1.0] * len(request.boxes)}
        elif self._detector is not None:
            found = await timed("detector", self._detector.remote(request.image))
        answer = await timed("pose", self._pose.remote(request.image, found))
        row, size = answer["poses"], answer["size"]
        if self._lifter is not None:
            row = await timed("lifter", self._lifter.remote(row, size))
        return {
            "image": {"width": size[0], "height": size[1]},
            "instances": instances_of(Poses.from_row(row)),
            "timings_ms": timings,
        }
