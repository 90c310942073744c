"""Requests over HTTP: what is let through to the models and how the rest is refused."""

from __future__ import annotations

import asyncio
import json
import struct
import zlib
from collections.abc import AsyncIterator
from typing import Any

import cv2
import httpx
import numpy as np
import pytest
from fastapi import FastAPI, Request

from raypose.config.sections import ServeSection
from raypose.distributed.serving.requests import (
    check_key,
    read_lift_request,
    read_pose_request,
)

LIMIT = 100_000


def png_header(width: int, height: int) -> bytes:
    """Return the start of a PNG file of that size."""
    content = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunk = b"IHDR" + content
    return (
        b"\x89PNG\r\n\x1a\n"
        + struct.pack(">I", len(content))
        + chunk
        + struct.pack(">I", zlib.crc32(chunk))
    )


JPEG = cv2.imencode(".jpg", np.zeros((20, 30, 3), np.uint8))[1].tobytes()


class Client:
    """Asks an application without a server."""

    def __init__(self, app: FastAPI) -> None:
        self._app = app

    def post(self, path: str = "/", **arguments: Any) -> httpx.Response:
        return self._ask("POST", path, **arguments)

    def get(self, path: str, **arguments: Any) -> httpx.Response:
        return self._ask("GET", path, **arguments)

    def _ask(self, method: str, path: str, **arguments: Any) -> httpx.Response:
        async def ask() -> httpx.Response:
            transport = httpx.ASGITransport(app=self._app)
            async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
                return await client.request(method, path, **arguments)

        return asyncio.run(ask())


@pytest.fixture(scope="module")
def client() -> Client:
    section = ServeSection(
        max_image_bytes=LIMIT,
        max_image_pixels=1_000_000,
        max_images=2,
        max_request_bytes=3 * LIMIT,
        max_instances=2,
        max_lift_frames=3,
        request_timeout_s=2,
        api_key="secret",
    )
    app = FastAPI()

    @app.post("/")
    async def read(request: Request) -> dict[str, Any]:
        found = await read_pose_request(request, section)
        sizes = [len(image) for image in found.images]
        return {"bytes": sizes, "boxes": found.boxes, "model": found.model, "format": found.format}

    @app.post("/lift")
    async def lift(request: Request) -> dict[str, Any]:
        asked = await read_lift_request(request, section, num_keypoints=2)
        sequences = [(points.tolist(), scores.tolist()) for points, scores in asked.sequences]
        return {"size": asked.image_size, "sequences": sequences}

    @app.get("/key")
    async def key(request: Request) -> str:
        check_key(request, section.api_key)
        return "come in"

    return Client(app)


@pytest.mark.parametrize("kind", ["image/jpeg", "application/octet-stream", ""])
def test_the_body_may_be_the_image(client: Client, kind: str) -> None:
    answer = client.post(content=JPEG, headers={"content-type": kind})
    assert answer.json() == {
        "bytes": [len(JPEG)],
        "boxes": None,
        "model": None,
        "format": "json",
    }


def test_the_image_may_be_a_field_of_a_form(client: Client) -> None:
    files = {"image": ("a.jpg", JPEG, "image/jpeg")}
    assert client.post(files=files).json()["bytes"] == [len(JPEG)]
    options = {"boxes": "[[1, 2, 3.5, 4]]", "model": "hand", "format": "coco"}
    assert client.post(files=files, data=options).json() == {
        "bytes": [len(JPEG)],
        "boxes": [[[1, 2, 3.5, 4]]],
        "model": "hand",
        "format": "coco",
    }


def test_several_images_in_a_form(client: Client) -> None:
    files = [("image", ("a.jpg", JPEG)), ("image", ("b.jpg", JPEG + b"more"))]
    assert client.post(files=files).json()["bytes"] == [len(JPEG), len(JPEG) + 4]
    answer = client.post(files=files, data={"boxes": "[[[1, 2, 3, 4]], []]"})
    assert answer.json()["boxes"] == [[[1, 2, 3, 4]], []]
    answer = client.post(files=files, data={"boxes": "[[]]"})
    assert (answer.status_code, answer.json()["detail"]) == (
        422,
        "boxes: 2 images came with 1 lists of boxes",
    )
    answer = client.post(files=files, data={"boxes": "[[1, 2, 3, 4], []]"})
    assert "lists of [x0, y0, x1, y1], one an image" in answer.json()["detail"]
    answer = client.post(files=files, data={"format": "overlay"})
    assert answer.json()["detail"] == "format overlay answers one image, got 2"
    answer = client.post(files=[*files, ("image", ("c.jpg", JPEG))])
    assert (answer.status_code, answer.json()["detail"]) == (
        400,
        "the form cannot be read: Too many files. Maximum number of files is 2.",
    )


def test_a_format_that_is_none(client: Client) -> None:
    answer = client.post(params={"format": "cocos"}, content=JPEG)
    assert (answer.status_code, answer.json()["detail"]) == (
        422,
        "format is one of json, coco, overlay, got 'cocos'. Did you mean 'coco'?",
    )


def test_a_body_that_comes_too_slowly(client: Client) -> None:
    async def trickle() -> AsyncIterator[bytes]:
        yield JPEG[:100]
        await asyncio.sleep(30)
        yield JPEG[100:]

    answer = client.post(content=trickle())
    assert answer.status_code == 408
    assert answer.json()["detail"] == "the request did not arrive within 2 s"


SEQUENCE = [[[1, 2], [3, 4]], [[5, 6], [7, 8]]]


def lift(client: Client, content: Any) -> httpx.Response:
    return client.post("/lift", content=json.dumps(content))


def test_sequences_to_lift(client: Client) -> None:
    given = {
        "image_size": [640, 480],
        "sequences": [
            {"keypoints": SEQUENCE, "keypoint_scores": [[0.5, 1], [0, 1]]},
            {"keypoints": SEQUENCE[:1]},
        ],
    }
    assert lift(client, given).json() == {
        "size": [640, 480],
        "sequences": [[SEQUENCE, [[0.5, 1], [0, 1]]], [SEQUENCE[:1], [[1, 1]]]],
    }


@pytest.mark.parametrize(
    ("changes", "status", "reason"),
    [
        ({"sequences": 3}, 422, "sequences: a list is expected"),
        ({"sequences": [3]}, 422, "sequences[0]: an object with 'keypoints' is expected"),
        ({"sequences": [{"keypoints": []}]}, 422, "frames x 2 x 2 numbers are expected, got 0"),
        ({"sequences": [{"keypoints": [[[1, 2]]]}]}, 422, "expected, got 1 x 1 x 2"),
        ({"sequences": [{"keypoints": [[[1, 2], [3]]]}]}, 422, "numbers (frames x 2 x 2)"),
        ({"sequences": [{"keypoints": [[["a", 2], [3, 4]]]}]}, 422, "numbers (frames x 2 x 2)"),
        ({"sequences": [{"keypoints": [[[1e9, 2], [3, 4]]]}]}, 422, "numbers up to 1e+06"),
        (
            {"sequences": [{"keypoints": SEQUENCE, "keypoint_scores": [[1, 1]]}]},
            422,
            "sequences[0]: keypoints of 2 frames, scores of 1",
        ),
        ({"sequences": [{"keypoints": SEQUENCE}] * 2}, 413, "4 frames, at most 3 are lifted"),
        ({"image_size": [640]}, 422, "image_size: [width, height] in pixels is expected"),
        ({"image_size": [0, 5]}, 422, "image_size: [width, height] in pixels is expected"),
        ({"sequence": []}, 422, "unknown key 'sequence'; known are sequences and image_size. Did"),
    ],
)
def test_sequences_that_cannot_be_lifted(
    client: Client, changes: dict[str, Any], status: int, reason: str
) -> None:
    given = {"image_size": [640, 480], "sequences": [{"keypoints": SEQUENCE}], **changes}
    answer = lift(client, given)
    assert answer.status_code == status
    assert reason in answer.json()["detail"]


@pytest.mark.parametrize(
    ("body", "status", "reason"),
    [
        (b"{", 400, "the body is not JSON"),
        (b"\xff\xfe", 400, "the body is not JSON"),
        (b"[" * 100_000, 400, "the body is not JSON"),
        (b"[]", 422, "a JSON object with 'sequences' and 'image_size' is expected"),
        (b'{"image_size": [640, 480], "sequences": [{"keypoints": [[[NaN, 1], [1, 1]]]}]}', 422,
         "numbers up to 1e+06"),
    ],
)  # fmt: skip
def test_bodies_that_are_no_sequences(
    client: Client, body: bytes, status: int, reason: str
) -> None:
    answer = client.post("/lift", content=body)
    assert answer.status_code == status
    assert reason in answer.json()["detail"]


def test_boxes_come_in_the_query_too(client: Client) -> None:
    boxes = [[0, 0, 10, 10], [5, 5, 20, 20]]
    answer = client.post(params={"boxes": json.dumps(boxes)}, content=JPEG)
    assert answer.json()["boxes"] == [boxes]
    assert client.post(params={"boxes": "[]"}, content=JPEG).json()["boxes"] == [[]]


@pytest.mark.parametrize(
    ("body", "status", "reason"),
    [
        (b"", 400, "not an image (JPEG, PNG, WebP or BMP): it is empty"),
        (b"hello, this is a text", 400, "it begins with b'hello, t'"),
        (b"\xff\xd8\xff", 400, "not an image"),
        (png_header(20_000, 20_000), 413, "20000 x 20000 pixels, at most 1000000 are accepted"),
        (JPEG + b"0" * LIMIT, 413, f"bytes, at most {LIMIT} are accepted"),
        (JPEG + b"0" * 4 * LIMIT, 413, "the request is larger than"),
    ],
)
@pytest.mark.parametrize("form", [False, True])
def test_what_is_no_image_or_too_large(
    client: Client, body: bytes, status: int, reason: str, form: bool
) -> None:
    if form:
        answer = client.post(files={"image": ("a.jpg", body, "image/jpeg")})
    else:
        answer = client.post(content=body)
    assert answer.status_code == status
    assert reason in answer.json()["detail"]


def test_a_body_that_does_not_say_its_size_is_cut_off(client: Client) -> None:
    sent = []

    async def endless() -> AsyncIterator[bytes]:
        for _ in range(100):
            sent.append(LIMIT)
            yield b"0" * LIMIT

    assert client.post(content=endless()).status_code == 413
    assert len(sent) == 2


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("nonsense", "Expecting value"),
        ("7", "not iterable"),
        ("null", "not iterable"),
        ("[[1, 2, 3]]", "got [1, 2, 3]"),
        ("[[1, 2, 3, NaN]]", "got [1, 2, 3, nan]"),
        ("[[1, 2, 3, 1e400]]", "got [1, 2, 3, inf]"),
        ("[[1, 2, 3, 1e30]]", "got [1, 2, 3, 1e+30]"),
        ('[["a", 2, 3, 4]]', "could not convert"),
        ('{"x": [1, 2, 3, 4]}', "could not convert"),
        ("[[0,0,1,1],[0,0,1,1],[0,0,1,1]]", "at most 2 are accepted, got 3"),
        ("[" * 10_000, "boxes: a JSON list"),
    ],
)
def test_boxes_that_are_none(client: Client, text: str, reason: str) -> None:
    answer = client.post(files={"image": ("a.jpg", JPEG)}, data={"boxes": text})
    assert answer.status_code == 422
    assert answer.json()["detail"].startswith("boxes: ")
    assert reason in answer.json()["detail"]


def test_forms_that_cannot_be_used(client: Client) -> None:
    answer = client.post(files={"photo": ("a.jpg", JPEG)})
    assert (answer.status_code, answer.json()["detail"]) == (
        422,
        "the form needs a file field 'image'; it has: photo",
    )
    answer = client.post(files={"image": ("a.jpg", JPEG), "boxes": ("b.json", b"[]")})
    assert answer.status_code == 422
    headers = {"content-type": "multipart/form-data; boundary=x"}
    answer = client.post(content=b"--y\r\nnot a form", headers=headers)
    assert answer.status_code in (400, 422)
    headers = {"content-type": "multipart/form-data"}
    assert client.post(content=JPEG, headers=headers).status_code == 400


@pytest.mark.parametrize(
    ("header", "status"),
    [
        ("Bearer secret", 200),
        ("bearer secret", 200),
        ("Bearer wrong", 401),
        ("secret", 401),
        ("Basic secret", 401),
        (None, 401),
        (b"Bearer s\xe9cret", 401),
    ],
)
def test_the_key(client: Client, header: str | bytes | None, status: int) -> None:
    headers: Any = {} if header is None else {"authorization": header}
    answer = client.get("/key", headers=headers)
    assert answer.status_code == status
    assert ("www-authenticate" in answer.headers) == (status == 401)
