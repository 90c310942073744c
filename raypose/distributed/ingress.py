"""The HTTP side of serving: what comes in is checked here before a model sees it."""

from __future__ import annotations

import asyncio
import hmac
import inspect
import json
import math
import time
from collections.abc import AsyncIterator
from typing import Any, TypeVar, get_type_hints

from fastapi import FastAPI, HTTPException, Request
from ray import serve
from ray.serve.exceptions import BackPressureError
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser

from raypose.config.sections import ServeSection
from raypose.inference.annotation_table import instances_of
from raypose.ops.image_headers import image_size
from raypose.structures import Poses

app = FastAPI(title="raypose", summary="Poses of the people in an image, in 2D and 3D.")
T = TypeVar("T")


def _with_evaluated_annotations(cls: type[T]) -> type[T]:
    """Turn the annotations of methods from text to types.

    Ray Serve sends methods to a replica without the names that only their annotations use; FastAPI
    reads these there and would take a `Request` it cannot find for a query parameter.
    """
    for method in vars(cls).values():
        if inspect.isfunction(method):
            method.__annotations__ = get_type_hints(method)
    return cls


@serve.ingress(app)
@_with_evaluated_annotations
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
        self._pose, self._detector, self._lifter = (
            None if handle is None else handle.options(_by_reference=False)
            for handle in (pose, detector, lifter)
        )
        self._section = section

    @app.post("/v1/pose")
    async def pose(self, request: Request) -> dict[str, Any]:
        """Estimate the poses in one image.

        The image is the body (`image/*`), or the field `image` of a form. Boxes may come along as
        `boxes`, a JSON list of [x0, y0, x1, y1], in the query or the form; then each of them gets
        a pose and nothing is detected. Without boxes and without a detector the whole image is
        the box.
        """
        self._authorize(request)
        data, boxes_text = await self._read(request)
        size = image_size(data)
        if size is None:
            found = f"it begins with {data[:8]!r}" if data else "it is empty"
            raise HTTPException(400, f"not an image (JPEG, PNG, WebP or BMP): {found}")
        width, height = size
        pixels = self._section.max_image_pixels
        if width * height > pixels:
            raise HTTPException(
                413, f"the image has {width} x {height} pixels, at most {pixels} are accepted"
            )
        boxes = self._parse_boxes(boxes_text)
        try:
            limit = self._section.request_timeout_s
            return await asyncio.wait_for(self._chain(data, boxes, size), limit)
        except asyncio.TimeoutError as error:
            raise HTTPException(504, f"no answer within {limit:g} s") from error
        except BackPressureError as error:
            raise HTTPException(
                503, "all replicas are busy; try again", {"Retry-After": "1"}
            ) from error

    @app.get("/v1/models")
    async def models(self, request: Request) -> dict[str, Any]:
        """Say what is served: the skeleton of the poses and the stages of the chain."""
        self._authorize(request)
        return {
            "skeleton": await self._pose.describe.remote(),
            "detector": self._detector is not None,
            "lifter": self._lifter is not None,
        }

    @app.get("/healthz")
    async def healthz(self) -> dict[str, str]:
        """Answer once the pose model is loaded."""
        await self._pose.describe.remote()
        return {"status": "ok"}

    async def _chain(
        self, data: bytes, boxes: dict[str, Any] | None, size: tuple[int, int]
    ) -> dict[str, Any]:
        timings: dict[str, float] = {}

        async def timed(stage: str, response: Any) -> dict[str, Any]:
            started = time.perf_counter()
            answer = await response
            timings[stage] = round((time.perf_counter() - started) * 1000, 2)
            if "error" in answer:
                raise HTTPException(400, answer["error"])
            return answer

        if boxes is None and self._detector is not None:
            boxes = await timed("detector", self._detector.remote(data))
        row = (await timed("pose", self._pose.remote(data, boxes)))["poses"]
        if self._lifter is not None:
            row = await timed("lifter", self._lifter.remote(row, size))
        return {
            "image": {"width": size[0], "height": size[1]},
            "instances": instances_of(Poses.from_row(row)),
            "timings_ms": timings,
        }

    def _authorize(self, request: Request) -> None:
        key = self._section.api_key
        given = request.headers.get("authorization", "").removeprefix("Bearer ")
        if key is not None and not hmac.compare_digest(given.encode(), key.encode()):
            raise HTTPException(
                401,
                "the header 'Authorization: Bearer KEY' is missing or wrong",
                {"WWW-Authenticate": "Bearer"},
            )

    async def _read(self, request: Request) -> tuple[bytes, str | None]:
        """Return the encoded image and the text of the boxes."""
        body = self._limited(request)
        boxes = request.query_params.get("boxes")
        if not request.headers.get("content-type", "").startswith("multipart/form-data"):
            return b"".join([chunk async for chunk in body]), boxes
        try:
            form = await MultiPartParser(
                request.headers, body, max_part_size=self._section.max_image_bytes
            ).parse()
        except MultiPartException as error:
            raise HTTPException(400, f"the form cannot be read: {error.message}") from error
        upload = form.get("image")
        if not isinstance(upload, UploadFile):
            fields = ", ".join(form) or "none"
            raise HTTPException(422, f"the form needs a file field 'image'; it has: {fields}")
        text = form.get("boxes", boxes)
        return await upload.read(), text if isinstance(text, str) else None

    async def _limited(self, request: Request) -> AsyncIterator[bytes]:
        limit = self._section.max_image_bytes
        announced = request.headers.get("content-length", "0")
        received = int(announced) if announced.isdigit() else 0
        too_large = HTTPException(413, f"the request is larger than {limit} bytes")
        # Room for the frame of a form around the image.
        if received > limit + 65536:
            raise too_large
        received = 0
        async for chunk in request.stream():
            received += len(chunk)
            if received > limit + 65536:
                raise too_large
            yield chunk

    def _parse_boxes(self, text: str | None) -> dict[str, Any] | None:
        if text is None:
            return None
        try:
            boxes = [[float(value) for value in box] for box in json.loads(text)]
        except (TypeError, ValueError) as error:
            raise HTTPException(422, f"boxes: a JSON list of [x0, y0, x1, y1], {error}") from error
        for box in boxes:
            if len(box) != 4 or not all(map(math.isfinite, box)):
                raise HTTPException(422, f"boxes: [x0, y0, x1, y1] in pixels, got {box}")
        limit = self._section.max_instances
        if len(boxes) > limit:
            raise HTTPException(422, f"boxes: at most {limit} are accepted, got {len(boxes)}")
        return {"boxes": boxes, "scores": [1.0] * len(boxes)}
