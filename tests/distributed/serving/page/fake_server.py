"""A server with the API that the page speaks and answers known beforehand."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np
import uvicorn
from fastapi import FastAPI, HTTPException, Request, WebSocket, WebSocketDisconnect

from raypose.distributed.serving.page import add_page
from raypose.structures import Skeleton

TIMINGS = {"detector": 7.1, "pose": 20.3, "lifter": 2.0, "total": 31.2}
Answers = Callable[[int, int], list[dict[str, Any]]]


def instance(
    keypoints: Any,
    *,
    scores: list[float] | None = None,
    bbox: list[float] | None = None,
    keypoints_3d: Any = None,
    track_id: int | None = None,
) -> dict[str, Any]:
    """Return a person as the server writes one."""
    return {
        "bbox": bbox,
        "bbox_score": None if bbox is None else 0.9,
        "keypoints": keypoints,
        "keypoint_scores": [0.9] * len(keypoints) if scores is None else scores,
        "keypoints_visible": None,
        "keypoints_3d": keypoints_3d,
        "track_id": track_id,
    }


@dataclass
class FakeServer:
    """What is served, what it answers, and what it was asked.

    Attributes:
        skeletons: by name of the model, the first one is the default; None is not described.
        instances: the people of a picture of some width and height, by name of the model.
        lifter: the skeleton of lifted poses.
        key: the key of the API, if one is asked for.
        seconds: that each frame of a stream takes.
        asked: (model, width, height) of each picture.
        frames: size in pixels of each frame of streams.
        waiting: frames that a stream got and has not answered, after each that it got.
        replies: what a stream answers to the frames of these numbers instead; `close` ends it.
        prefix: path that everything is served below, as behind a proxy.
        url: of the page, once it is served.
    """

    skeletons: dict[str, Skeleton | None]
    instances: dict[str, Answers]
    lifter: Skeleton | None = None
    key: str | None = None
    seconds: float = 0.05
    replies: dict[int, dict[str, Any]] = field(default_factory=dict)
    asked: list[tuple[str, int, int]] = field(default_factory=list)
    frames: list[tuple[int, int]] = field(default_factory=list)
    waiting: list[int] = field(default_factory=list)
    prefix: str = ""
    url: str = ""

    def app(self) -> FastAPI:
        """Return the page and the API."""
        app = FastAPI()
        add_page(app)
        app.add_api_route("/v1/models", self._models, response_model=None)
        app.add_api_route("/v1/pose", self._pose, methods=["POST"], response_model=None)
        app.add_api_websocket_route("/v1/stream", self._stream)
        whole = FastAPI()
        whole.mount(self.prefix or "/", app)
        return whole

    async def _models(self, request: Request) -> dict[str, Any]:
        self._check(request)
        return {
            "models": [
                {
                    "name": name,
                    "skeleton": {} if skeleton is None else skeleton.to_dict(),
                    "whole_image": False,
                }
                for name, skeleton in self.skeletons.items()
            ],
            "default": next(iter(self.skeletons)),
            "detector": True,
            "lifter": None if self.lifter is None else {"skeleton": self.lifter.to_dict()},
            "topology": "chain",
        }

    async def _pose(self, request: Request, model: str) -> dict[str, Any]:
        self._check(request)
        size = _size(await request.body())
        if size is None:
            raise HTTPException(415, "the body is no picture that can be read")
        self.asked.append((model, *size))
        await asyncio.sleep(TIMINGS["total"] / 1000)
        return self._answer(model, size)

    async def _stream(self, socket: WebSocket, model: str, api_key: str = "") -> None:
        await socket.accept()
        if self.key is not None and api_key != self.key:
            await socket.close(1008, "the key is wrong")
            return
        queue: asyncio.Queue[bytes] = asyncio.Queue()
        held = 0

        async def answer() -> None:
            nonlocal held
            number = 0
            while True:
                size = _size(await queue.get())
                await asyncio.sleep(self.seconds)
                held -= 1
                assert size is not None, "frames of a camera are pictures"
                self.frames.append(size)
                reply = self.replies.get(number) or self._answer(model, size)
                if "close" in reply:
                    await socket.close(1011, reply["close"])
                    return
                await socket.send_json({**reply, "frame": number})
                number += 1

        task = asyncio.create_task(answer())
        try:
            while True:
                await queue.put(await socket.receive_bytes())
                held += 1
                self.waiting.append(held)
        except WebSocketDisconnect:
            task.cancel()

    def _answer(self, model: str, size: tuple[int, int]) -> dict[str, Any]:
        return {
            "image": {"width": size[0], "height": size[1]},
            "model": model,
            "instances": self.instances[model](*size),
            "timings_ms": TIMINGS,
        }

    def _check(self, request: Request) -> None:
        if self.key and request.headers.get("authorization") != f"Bearer {self.key}":
            raise HTTPException(401, "this server asks for an API key")


@contextmanager
def served(server: FakeServer) -> Iterator[FakeServer]:
    """Run a server on a free port of loopback; its `url` is set."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        runner = uvicorn.Server(
            uvicorn.Config(server.app(), log_level="warning", ws="websockets-sansio")
        )
        server.url = f"http://127.0.0.1:{free.getsockname()[1]}{server.prefix}/"
        thread = threading.Thread(target=runner.run, args=([free],), daemon=True)
        thread.start()
        while not runner.started and thread.is_alive():
            thread.join(0.01)
        yield server
        runner.should_exit = True
        thread.join(10)


def _size(data: bytes) -> tuple[int, int] | None:
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR) if data else None
    return None if image is None else (image.shape[1], image.shape[0])
