"""What comes in over HTTP, checked before a model sees it.

Sizes are checked before anything is read or decoded. Every refusal is a 4xx with its reason.
"""

from __future__ import annotations

import asyncio
import hmac
import json
import math
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from fastapi import HTTPException, Request
from starlette.datastructures import FormData, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import HTTPConnection

from raypose.config.sections import ServeSection
from raypose.distributed.serving.records import Floats
from raypose.errors import did_you_mean
from raypose.ops.image_headers import image_size

FORMATS = ("json", "coco", "overlay")
# Room for the frame of a form around the image.
_FORM_BYTES = 65536
_FIELDS = 16
# Farther out than any image; larger numbers overflow on the way to a crop.
_MAX_COORDINATE = 1e6

Boxes = list[list[float]]


@dataclass(frozen=True, kw_only=True)
class PoseRequest:
    """A request that may go on to the models.

    Attributes:
        images: encoded.
        boxes: for each image N lists of [x0, y0, x1, y1] in pixels, None if none came along.
        model: which pose model, None for the default.
        format: how to answer, one of `FORMATS`.
    """

    images: list[bytes]
    boxes: list[Boxes] | None
    model: str | None
    format: str


@dataclass(frozen=True, kw_only=True)
class LiftRequest:
    """Sequences to lift.

    Attributes:
        sequences: 2D keypoints (T, K, 2) and scores (T, K) of one person each.
        image_size: (w, h) of the images they are from.
    """

    sequences: list[tuple[Floats, Floats]]
    image_size: tuple[int, int]


async def read_pose_request(request: Request, section: ServeSection) -> PoseRequest:
    """Read and check a request for poses.

    Raises:
        HTTPException: 400 for what is no image or form, 408 for what does not come in time, 413
            for what is too large, 422 for boxes and fields that are not as expected.
    """
    images, fields = await _in_time(_read_images(request, section), section.request_timeout_s)
    for image in images:
        check_image(image, section)
    wanted = fields.get("format") or "json"
    if wanted not in FORMATS:
        raise HTTPException(
            422,
            f"format is one of {', '.join(FORMATS)}, got {wanted[:40]!r}."
            + did_you_mean(wanted[:40], FORMATS),
        )
    if wanted == "overlay" and len(images) > 1:
        raise HTTPException(422, f"format overlay answers one image, got {len(images)}")
    boxes = _parse_boxes(fields.get("boxes"), len(images), section.max_instances)
    return PoseRequest(images=images, boxes=boxes, model=fields.get("model"), format=wanted)


async def read_lift_request(
    request: Request, section: ServeSection, num_keypoints: int
) -> LiftRequest:
    """Read and check a request for 3D poses.

    Raises:
        HTTPException: as for `read_pose_request`.
    """
    body = await _in_time(_read_all(request, section.max_image_bytes), section.request_timeout_s)
    try:
        content = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise HTTPException(400, f"the body is not JSON: {error}") from error
    if not isinstance(content, dict):
        raise HTTPException(422, "a JSON object with 'sequences' and 'image_size' is expected")
    unknown = sorted(set(content) - {"sequences", "image_size"})
    if unknown:
        raise HTTPException(
            422,
            f"unknown key {unknown[0][:40]!r}; known are sequences and image_size."
            + did_you_mean(unknown[0][:40], ("sequences", "image_size")),
        )
    size = _parse_size(content.get("image_size"))
    given = content.get("sequences")
    if not isinstance(given, list):
        raise HTTPException(422, "sequences: a list is expected, one entry for each person")
    sequences = [_parse_sequence(i, each, num_keypoints) for i, each in enumerate(given)]
    frames = sum(len(points) for points, _ in sequences)
    if frames > section.max_lift_frames:
        raise HTTPException(
            413, f"{frames} frames, at most {section.max_lift_frames} are lifted at a time"
        )
    return LiftRequest(sequences=sequences, image_size=size)


def check_key(connection: HTTPConnection, key: str | None) -> None:
    """Check the header `Authorization: Bearer KEY`; without a key everybody may come.

    Browsers cannot send headers with a WebSocket: there `?api_key=KEY` does as well.

    Raises:
        HTTPException: 401 if it is missing or wrong.
    """
    if key is None:
        return
    scheme, _, given = connection.headers.get("authorization", "").partition(" ")
    if connection.scope["type"] == "websocket" and not given:
        scheme, given = "bearer", connection.query_params.get("api_key", "")
    if scheme.lower() != "bearer" or not hmac.compare_digest(given.encode(), key.encode()):
        raise HTTPException(
            401,
            "the header 'Authorization: Bearer KEY' is missing or wrong",
            {"WWW-Authenticate": "Bearer"},
        )


def check_image(data: bytes, section: ServeSection) -> None:
    """Check the size of an encoded image by its header.

    Raises:
        HTTPException: 400 if it is none, 413 if it is too large.
    """
    if len(data) > section.max_image_bytes:
        raise HTTPException(
            413, f"the image has {len(data)} bytes, at most {section.max_image_bytes} are accepted"
        )
    size = image_size(data)
    if size is None:
        found = f"it begins with {data[:8]!r}" if data else "it is empty"
        raise HTTPException(400, f"not an image (JPEG, PNG, WebP or BMP): {found}")
    width, height = size
    if width * height > section.max_image_pixels:
        raise HTTPException(
            413,
            f"the image has {width} x {height} pixels, at most {section.max_image_pixels} are "
            "accepted",
        )


async def _in_time(reading: Any, limit: float) -> Any:
    try:
        return await asyncio.wait_for(reading, limit)
    except asyncio.TimeoutError as error:
        raise HTTPException(408, f"the request did not arrive within {limit:g} s") from error


async def _read_images(
    request: Request, section: ServeSection
) -> tuple[list[bytes], dict[str, str]]:
    """Return the encoded images and the other fields, those of the query among them."""
    fields = dict(request.query_params)
    if not request.headers.get("content-type", "").startswith("multipart/form-data"):
        return [await _read_all(request, section.max_image_bytes)], fields
    parser = MultiPartParser(
        request.headers,
        _limited(request, section.max_request_bytes),
        max_files=section.max_images,
        max_fields=_FIELDS,
        max_part_size=_FORM_BYTES,
    )
    try:
        form = await parser.parse()
    except MultiPartException as error:
        raise HTTPException(400, f"the form cannot be read: {error.message}") from error
    try:
        return await _form_images(form), {**fields, **_form_texts(form)}
    finally:
        await form.close()


async def _form_images(form: FormData) -> list[bytes]:
    uploads = form.getlist("image")
    if not uploads or not all(isinstance(upload, UploadFile) for upload in uploads):
        fields = ", ".join(form) or "none"
        raise HTTPException(422, f"the form needs a file field 'image'; it has: {fields}")
    return [await upload.read() for upload in uploads if isinstance(upload, UploadFile)]


def _form_texts(form: FormData) -> dict[str, str]:
    texts = {}
    for name in ("boxes", "model", "format"):
        value = form.get(name)
        if isinstance(value, UploadFile):
            raise HTTPException(422, f"{name}: a text field is expected, not a file")
        if value is not None:
            texts[name] = value
    return texts


async def _read_all(request: Request, limit: int) -> bytes:
    return b"".join([chunk async for chunk in _limited(request, limit)])


async def _limited(request: Request, limit: int) -> AsyncGenerator[bytes, None]:
    """Yield the body, and stop reading where it is larger than it may be."""
    too_large = HTTPException(413, f"the request is larger than {limit} bytes")
    announced = request.headers.get("content-length", "")
    if announced.isdigit() and int(announced) > limit + _FORM_BYTES:
        raise too_large
    received = 0
    async for chunk in request.stream():
        received += len(chunk)
        if received > limit + _FORM_BYTES:
            raise too_large
        yield chunk


def _parse_boxes(text: str | None, images: int, most: int) -> list[Boxes] | None:
    """Return the boxes of each image: a list of boxes for one image, a list of these for more."""
    if text is None:
        return None
    try:
        given = json.loads(text)
        lists = [given] if images == 1 else list(given)
        parsed = [[[float(value) for value in box] for box in boxes] for boxes in lists]
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        wanted = "[x0, y0, x1, y1]" if images == 1 else "lists of [x0, y0, x1, y1], one an image"
        raise HTTPException(422, f"boxes: a JSON list of {wanted}, {error}") from error
    if len(parsed) != images:
        raise HTTPException(422, f"boxes: {images} images came with {len(parsed)} lists of boxes")
    for boxes in parsed:
        for box in boxes:
            # The comparison is false for NaN as well.
            if len(box) != 4 or not all(abs(value) <= _MAX_COORDINATE for value in box):
                raise HTTPException(422, f"boxes: [x0, y0, x1, y1] in pixels, got {_shown(box)}")
        if len(boxes) > most:
            raise HTTPException(422, f"boxes: at most {most} are accepted, got {len(boxes)}")
    return parsed


def _parse_size(given: Any) -> tuple[int, int]:
    if (
        not isinstance(given, list)
        or len(given) != 2
        or not all(isinstance(value, int) and 0 < value <= _MAX_COORDINATE for value in given)
    ):
        raise HTTPException(422, "image_size: [width, height] in pixels is expected")
    return given[0], given[1]


def _parse_sequence(number: int, given: Any, num_keypoints: int) -> tuple[Floats, Floats]:
    where = f"sequences[{number}]"
    if not isinstance(given, dict) or "keypoints" not in given:
        raise HTTPException(422, f"{where}: an object with 'keypoints' is expected")
    points = _parse_array(f"{where}.keypoints", given["keypoints"], (num_keypoints, 2))
    scores = np.ones(points.shape[:2], np.float32)
    if given.get("keypoint_scores") is not None:
        scores = _parse_array(
            f"{where}.keypoint_scores", given["keypoint_scores"], scores.shape[1:]
        )
    if len(scores) != len(points):
        raise HTTPException(
            422, f"{where}: keypoints of {len(points)} frames, scores of {len(scores)}"
        )
    return points, scores


def _parse_array(where: str, given: Any, shape: Sequence[int]) -> Floats:
    """Return an array (T, *shape), T at least 1."""
    expected = " x ".join(["frames", *(str(n) for n in shape)])
    try:
        values = np.asarray(given, np.float64)
    except (TypeError, ValueError, OverflowError) as error:
        raise HTTPException(422, f"{where}: numbers ({expected}) are expected") from error
    if values.shape[1:] != tuple(shape) or not len(values):
        got = " x ".join(str(n) for n in values.shape) or "a single value"
        raise HTTPException(422, f"{where}: {expected} numbers are expected, got {got}")
    if not (np.abs(values) <= _MAX_COORDINATE).all():
        raise HTTPException(422, f"{where}: numbers up to {_MAX_COORDINATE:g} are expected")
    return values.astype(np.float32)


def _shown(box: list[float]) -> str:
    """Return the box as text that JSON takes, short."""
    values = ", ".join(f"{value:g}" if math.isfinite(value) else str(value) for value in box[:8])
    return f"[{values}, ...]" if len(box) > 8 else f"[{values}]"
