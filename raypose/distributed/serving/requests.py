"""What comes in over HTTP, checked before a model sees it.

Sizes are checked before anything is read or decoded. Every refusal is a 4xx with its reason.
"""

from __future__ import annotations

import hmac
import json
import math
from collections.abc import AsyncGenerator
from dataclasses import dataclass

from fastapi import HTTPException, Request
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser

from raypose.config.sections import ServeSection
from raypose.ops.image_headers import image_size

# Room for the frame of a form around the image.
_FORM_BYTES = 65536
_FORM_PARTS = 16
# Farther out than any image; larger numbers overflow on the way to a crop.
_MAX_COORDINATE = 1e6


@dataclass(frozen=True, kw_only=True)
class PoseRequest:
    """A request that may go on to the models.

    Attributes:
        image: encoded.
        boxes: N lists of [x0, y0, x1, y1] in pixels, None if none came along.
    """

    image: bytes
    boxes: list[list[float]] | None


async def read_pose_request(request: Request, section: ServeSection) -> PoseRequest:
    """Read and check a request.

    Raises:
        HTTPException: 400 for what is no image or form, 413 for what is too large, 422 for boxes
            and fields that are not as expected.
    """
    image, boxes = await _read(request, section.max_image_bytes)
    _check_image(image, section)
    return PoseRequest(image=image, boxes=_parse_boxes(boxes, section.max_instances))


def check_key(request: Request, key: str | None) -> None:
    """Check the header `Authorization: Bearer KEY`; without a key everybody may come.

    Raises:
        HTTPException: 401 if it is missing or wrong.
    """
    scheme, _, given = request.headers.get("authorization", "").partition(" ")
    if key is None:
        return
    if scheme.lower() != "bearer" or not hmac.compare_digest(given.encode(), key.encode()):
        raise HTTPException(
            401,
            "the header 'Authorization: Bearer KEY' is missing or wrong",
            {"WWW-Authenticate": "Bearer"},
        )


async def _read(request: Request, limit: int) -> tuple[bytes, str | None]:
    """Return the encoded image and the text of the boxes."""
    body = _limited(request, limit)
    boxes = request.query_params.get("boxes")
    if not request.headers.get("content-type", "").startswith("multipart/form-data"):
        return b"".join([chunk async for chunk in body]), boxes
    parser = MultiPartParser(
        request.headers,
        body,
        max_files=_FORM_PARTS,
        max_fields=_FORM_PARTS,
        max_part_size=_FORM_BYTES,
    )
    try:
        form = await parser.parse()
    except MultiPartException as error:
        raise HTTPException(400, f"the form cannot be read: {error.message}") from error
    try:
        upload = form.get("image")
        if not isinstance(upload, UploadFile):
            fields = ", ".join(form) or "none"
            raise HTTPException(422, f"the form needs a file field 'image'; it has: {fields}")
        text = form.get("boxes", boxes)
        if isinstance(text, UploadFile):
            raise HTTPException(422, "boxes: a text field is expected, not a file")
        return await upload.read(), text
    finally:
        await form.close()


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


def _check_image(data: bytes, section: ServeSection) -> None:
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


def _parse_boxes(text: str | None, most: int) -> list[list[float]] | None:
    if text is None:
        return None
    try:
        boxes = [[float(value) for value in box] for box in json.loads(text)]
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise HTTPException(422, f"boxes: a JSON list of [x0, y0, x1, y1], {error}") from error
    for box in boxes:
        # The comparison is false for NaN as well.
        if len(box) != 4 or not all(abs(value) <= _MAX_COORDINATE for value in box):
            raise HTTPException(422, f"boxes: [x0, y0, x1, y1] in pixels, got {_shown(box)}")
    if len(boxes) > most:
        raise HTTPException(422, f"boxes: at most {most} are accepted, got {len(boxes)}")
    return boxes


def _shown(box: list[float]) -> str:
    """Return the box as text that JSON takes, short."""
    values = ", ".join(f"{value:g}" if math.isfinite(value) else str(value) for value in box[:8])
    return f"[{values}, ...]" if len(box) > 8 else f"[{values}]"
