"""The HTTP side of serving: checks requests, asks the stages and answers in JSON."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any, Protocol
from urllib.parse import urlsplit

import cv2
from fastapi import FastAPI, HTTPException, Request, Response, WebSocket
from ray import serve
from ray.serve.exceptions import BackPressureError

from raypose.config.sections import ServeSection
from raypose.distributed.serving.answers import (
    JSONAnswer,
    LiftAnswer,
    Mistake,
    ModelsAnswer,
    PoseAnswer,
    PoseAnswers,
    coco_answer,
    lifted_sequence,
    pose_answer,
)
from raypose.distributed.serving.metrics import ServeMetrics
from raypose.distributed.serving.openapi import LIFT_BODY, POSE_BODY
from raypose.distributed.serving.page import add_page
from raypose.distributed.serving.proxy import BodyWithHead
from raypose.distributed.serving.records import Description, Estimate, Floats, PoseQuery, Refusal
from raypose.distributed.serving.requests import (
    check_key,
    read_lift_request,
    read_pose_request,
)
from raypose.distributed.serving.stream import StreamSession
from raypose.distributed.serving.timing import milliseconds_since
from raypose.errors import did_you_mean
from raypose.inference.lift_windows import LiftInput, LiftWindows
from raypose.inference.stream import build_pose_stream
from raypose.models.detectors import Detections
from raypose.ops.image_files import decode_image
from raypose.structures import Poses, Skeleton
from raypose.visualization import draw_poses

_REFUSALS: dict[int | str, dict[str, Any]] = {
    status: {"model": Mistake} for status in (400, 401, 408, 413, 422, 503, 504)
}


class Stages(Protocol):
    """Detector, pose model and lifter, wherever they run."""

    async def estimate(self, query: PoseQuery) -> Estimate | Refusal:
        """Return the poses of an image, in boxes that are given or detected."""
        ...

    async def lift(self, poses: Poses, size: tuple[int, int]) -> Poses:
        """Return the poses of an image with `keypoints_3d`."""
        ...

    async def lift_frame(self, given: LiftInput) -> Poses:
        """Return the poses of a frame of a video with `keypoints_3d`."""
        ...

    async def lift_sequence(
        self, keypoints: Floats, scores: Floats, size: tuple[int, int]
    ) -> Floats:
        """Return (T, K3, 3) for the keypoints (T, K, 2) of one person."""
        ...

    async def check(self) -> None:
        """Wait until every stage answers."""
        ...


class Ingress:
    """The routes over some stages.

    Args:
        section: limits and what is served.
        about: what that is.
        stages: where the models are.
    """

    def __init__(self, section: ServeSection, about: Description, stages: Stages) -> None:
        self._section = section
        self._about = about
        self._stages = stages
        self._metrics = ServeMetrics(serve.get_replica_context().replica_id.unique_id)
        self._streams: set[StreamSession] = set()
        self._in_flight = 0
        self._leaving = False

    def __serve_build_asgi_app__(self) -> FastAPI:
        """Return the routes; made in the replica, where the types of arguments are known."""
        app = FastAPI(
            title="raypose",
            summary="Poses of people and animals in images and video, in 2D and 3D.",
        )
        app.add_api_route(
            "/v1/pose",
            self.pose,
            methods=["POST"],
            responses={200: {"model": PoseAnswer | PoseAnswers}, **_REFUSALS},
            openapi_extra=POSE_BODY,
        )
        app.add_api_route(
            "/v1/lift",
            self.lift,
            methods=["POST"],
            responses={200: {"model": LiftAnswer}, **_REFUSALS},
            openapi_extra=LIFT_BODY,
        )
        app.add_api_route("/v1/models", self.models, responses={200: {"model": ModelsAnswer}})
        app.add_api_route("/healthz", self.healthz)
        app.add_api_route("/metrics", self.metrics)
        app.add_api_websocket_route("/v1/stream", self.stream)
        app.add_exception_handler(Exception, self._failed)
        app.add_middleware(BodyWithHead)
        if self._section.page:
            add_page(app)
        return app

    async def pose(self, request: Request) -> Response:
        """Estimate the poses in one image or several.

        The image is the body (`image/*`), or the field `image` of a form, which may be there
        several times. Options come in the query or the form: `boxes`, a JSON list of
        [x0, y0, x1, y1] (for several images, a list of these), then each of them gets a pose and
        nothing is detected; `model`, one of `GET /v1/models`; `format`: `json`, `coco` or
        `overlay`, a JPEG with the poses drawn. Without boxes and without a detector the whole
        image is the box.
        """
        return await self._counted("pose", request, self._pose)

    async def lift(self, request: Request) -> Response:
        """Lift 2D poses of people through time to 3D.

        The body is JSON: `image_size` [width, height] and `sequences`, one for each person, with
        `keypoints` (frames x K x 2, pixels) and, if there are any, `keypoint_scores`
        (frames x K), K in the order of the pose model's skeleton.
        """
        return await self._counted("lift", request, self._lift)

    async def models(self, request: Request) -> Response:
        """Say what is served: the pose models with their skeletons, detector and lifter."""
        check_key(request, self._section.api_key)
        return JSONAnswer(self._about.to_answer())

    async def healthz(self) -> Response:
        """Answer once every stage is there."""
        if self._leaving:
            raise _leaving()
        await asyncio.wait_for(self._stages.check(), self._section.request_timeout_s)
        return JSONAnswer({"status": "ok"})

    async def metrics(self) -> Response:
        """Return counters in the text format of Prometheus."""
        return Response(self._metrics.render(), media_type=self._metrics.content_type)

    async def stream(self, socket: WebSocket) -> None:
        """Answer a video: each frame is one binary message, each answer one of JSON, in order.

        `?model=` takes a pose model, `?fps=` says how fast the frames were taken, `?api_key=`
        brings the key where headers cannot be sent.
        """
        refusal = self._stream_refusal(socket)
        await socket.accept()
        if refusal is not None:
            await socket.close(*refusal)
            return
        model = socket.query_params.get("model") or self._about.default
        session = self._session(socket, model)
        self._streams.add(session)
        self._metrics.streams(1)
        try:
            await session.run()
        finally:
            self._streams.remove(session)
            self._metrics.streams(-1)

    async def drain(self) -> bool:
        """Take no more requests and frames; returns whether all that came have their answers."""
        self._leaving = True
        for session in self._streams:
            session.leave()
        return self._in_flight == 0 and not self._streams

    async def _counted(
        self, route: str, request: Request, answer: Callable[[Request], Awaitable[Response]]
    ) -> Response:
        """Answer within the time there is, and count it."""
        status = 500
        limit = self._section.request_timeout_s
        self._in_flight += 1
        try:
            if self._leaving:
                raise _leaving()
            check_key(request, self._section.api_key)
            response = await answer(request)
            status = response.status_code
            return response
        except asyncio.TimeoutError as error:
            status = 504
            raise HTTPException(504, f"no answer within {limit:g} s") from error
        except BackPressureError as error:
            status = 503
            raise _busy() from error
        except HTTPException as error:
            status = error.status_code
            raise
        finally:
            self._in_flight -= 1
            self._metrics.count_request(route, status)

    async def _pose(self, request: Request) -> Response:
        asked = await read_pose_request(request, self._section)
        model = self._known_model(asked.model)
        boxes = asked.boxes or [None] * len(asked.images)
        limit = self._section.request_timeout_s
        answers = await asyncio.wait_for(
            asyncio.gather(
                *(
                    self._estimate(PoseQuery(image, model, _detections(given)))
                    for image, given in zip(asked.images, boxes, strict=True)
                )
            ),
            limit,
        )
        if len(answers) > 1:
            return JSONAnswer(
                {"images": [self._content(each, model, asked.format) for each in answers]}
            )
        (answer,) = answers
        if isinstance(answer, Refusal):
            raise HTTPException(answer.status, answer.reason)
        if asked.format == "overlay":
            drawn = await asyncio.to_thread(self._overlay, asked.images[0], answer.poses, model)
            return Response(drawn, media_type="image/jpeg")
        return JSONAnswer(self._content(answer, model, asked.format))

    async def _estimate(self, query: PoseQuery) -> Estimate | Refusal:
        """Return the poses of an image, in 3D as well where they can be lifted."""
        started = time.perf_counter()
        answer = await self._stages.estimate(query)
        if isinstance(answer, Refusal):
            return answer
        poses, timings = answer.poses, answer.timings
        if self._lifts(query.model) and len(poses):
            begun = time.perf_counter()
            poses = await self._stages.lift(poses, answer.size)
            timings = {**timings, "lifter": milliseconds_since(begun)}
        timings = {**timings, "total": milliseconds_since(started)}
        self._metrics.observe(timings, len(poses))
        return Estimate(poses, answer.size, timings)

    async def _lift(self, request: Request) -> Response:
        if self._about.lifter is None:
            raise HTTPException(422, "there is no lifter here; see /v1/models")
        skeleton = self._about.models[self._about.default]["skeleton"]
        asked = await read_lift_request(request, self._section, len(skeleton["keypoints"]))
        started = time.perf_counter()
        lifted = await asyncio.wait_for(
            asyncio.gather(
                *(
                    self._stages.lift_sequence(keypoints, scores, asked.image_size)
                    for keypoints, scores in asked.sequences
                )
            ),
            self._section.request_timeout_s,
        )
        timings = {"lifter": milliseconds_since(started), "total": milliseconds_since(started)}
        self._metrics.observe(timings, 0)
        return JSONAnswer(
            {"sequences": [lifted_sequence(each) for each in lifted], "timings_ms": timings}
        )

    def _content(self, answer: Estimate | Refusal, model: str, wanted: str) -> Any:
        if isinstance(answer, Refusal):
            return {"error": answer.reason, "status": answer.status}
        if wanted == "coco":
            return coco_answer(answer.poses)
        return pose_answer(answer.poses, answer.size, model, answer.timings)

    def _overlay(self, image: bytes, poses: Poses, model: str) -> bytes:
        skeleton = self._skeleton(model)
        if skeleton is None:
            raise HTTPException(422, f"the model '{model}' does not say what its skeleton is")
        drawn = draw_poses(decode_image(image), poses, skeleton)
        return cv2.imencode(".jpg", drawn)[1].tobytes()

    def _session(self, socket: WebSocket, model: str) -> StreamSession:
        windows = None
        if self._lifts(model) and self._about.lifter is not None:
            shape = {key: self._about.lifter[key] for key in ("num_frames", "target", "step")}
            windows = LiftWindows(**shape, causal=True)
        rate = socket.query_params.get("fps")
        return StreamSession(
            socket,
            self._stages,
            self._section,
            model,
            build_pose_stream(self._section.stream.tracking, self._skeleton(model)),
            windows,
            self._metrics,
            None if rate is None else float(rate),
        )

    def _stream_refusal(self, socket: WebSocket) -> tuple[int, str] | None:
        """Return code and reason for a stream that may not be opened."""
        origin = socket.headers.get("origin")
        if origin is not None and urlsplit(origin).netloc != socket.headers.get("host"):
            return 1008, "pages of other servers may not open streams"
        try:
            check_key(socket, self._section.api_key)
            self._known_model(socket.query_params.get("model"))
        except HTTPException as error:
            return 1008, error.detail
        rate = socket.query_params.get("fps")
        if rate is not None and not _is_rate(rate):
            return 1008, f"fps: a number above 0 is expected, got {rate[:20]!r}"
        if self._leaving or len(self._streams) >= self._section.stream.max_streams:
            return 1013, "no more streams here for now; try again"
        return None

    def _known_model(self, name: str | None) -> str:
        if name is None:
            return self._about.default
        if name not in self._about.models:
            known = ", ".join(self._about.models)
            raise HTTPException(
                422,
                f"model is one of {known}, got {name[:80]!r}."
                + did_you_mean(name[:80], self._about.models),
            )
        return name

    def _lifts(self, model: str) -> bool:
        return self._about.lifter is not None and model == self._about.default

    def _skeleton(self, model: str) -> Skeleton | None:
        known = self._about.models[model]["skeleton"]
        return Skeleton.load(known) if known else None

    async def _failed(self, request: Request, error: Exception) -> Response:
        """Answer where something went wrong that is not the client's fault."""
        del request
        return JSONAnswer({"detail": f"the server failed ({type(error).__name__})"}, 500)


# Made anew each time: one that is raised again keeps the frames of all requests before.
def _busy() -> HTTPException:
    return HTTPException(503, "all replicas are busy; try again", {"Retry-After": "1"})


def _leaving() -> HTTPException:
    return HTTPException(503, "this server is about to stop", {"Retry-After": "5"})


def _detections(boxes: list[list[float]] | None) -> Detections | None:
    return None if boxes is None else Detections.from_boxes(boxes)


def _is_rate(text: str) -> bool:
    try:
        return 0 < float(text) < 1e4
    except ValueError:
        return False
