"""A page that is open in a browser, and what the server answers it."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from playwright.sync_api import Page, expect

from raypose.structures import Skeleton
from tests.distributed.serving.page.fake_server import FakeServer, instance

RED, GREEN, BLUE, YELLOW, CYAN = (
    [250, 0, 0],
    [0, 250, 0],
    [0, 0, 250],
    [240, 240, 0],
    [0, 240, 240],
)
GREY = (128, 128, 128)
FIRST_PERSON = (0x3D, 0x8B, 0xFF)
BENT = Skeleton.load(
    {
        "name": "bent",
        "keypoints": [
            {"name": "top", "color": RED},
            {"name": "corner", "color": GREEN},
            {"name": "end", "color": BLUE},
        ],
        "links": [
            {"link": ["top", "corner"], "color": YELLOW},
            {"link": ["corner", "end"], "color": CYAN},
        ],
    }
)
POINTS = Skeleton.load(
    {
        "name": "points",
        "keypoints": [
            {"name": "root", "color": RED},
            {"name": "up", "color": GREEN},
            {"name": "side", "color": BLUE},
        ],
    }
)
# The root; above it; to its right and away from the camera, as far.
LIFTED = [[100.0, 50.0, 900.0], [100.0, 40.0, 900.0], [106.0, 50.0, 908.0]]


def one_person(width: int, height: int) -> list[dict[str, Any]]:
    w, h = float(width), float(height)
    return [
        instance(
            [[0.3 * w, 0.1 * h], [0.3 * w, 0.6 * h], [0.7 * w, 0.6 * h]],
            scores=[0.9, 0.8, 0.5],
            bbox=[0.2 * w, 0.05 * h, 0.8 * w, 0.7 * h],
            keypoints_3d=LIFTED,
        )
    ]


def grey_png() -> bytes:
    return cv2.imencode(".png", np.full((200, 400, 3), 128, np.uint8))[1].tobytes()


class Visit:
    """A page and what went wrong on it."""

    def __init__(self, page: Page, server: FakeServer) -> None:
        self.page, self.server = page, server
        self.problems: list[str] = []
        self.asked: list[str] = []
        page.on("pageerror", lambda error: self.problems.append(str(error)))
        page.on("console", self._listen)
        page.on("request", lambda request: self.asked.append(request.url))
        page.on("websocket", lambda stream: self.asked.append(stream.url))

    def _listen(self, message: Any) -> None:
        if message.type in ("error", "warning"):
            self.problems.append(message.text)

    def canvas(self, name: str) -> npt.NDArray[np.uint8]:
        """Return what a canvas shows, (H, W, 3) RGB."""
        script = """(canvas) => canvas.toDataURL("image/png")"""
        data = base64.b64decode(self.page.locator(name).evaluate(script).partition(",")[2])
        image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
        assert image is not None
        return np.asarray(image[..., ::-1], np.uint8)

    def pixel(self, x: float, y: float) -> tuple[int, ...]:
        """Return the RGB of the picture's canvas at a share of its width and height."""
        image = self.canvas("#picture")
        height, width = image.shape[:2]
        return tuple(image[int(y * height), int(x * width)].tolist())

    def place_of(self, color: list[int]) -> tuple[float, float]:
        """Return the middle of the pixels of a colour on the canvas of the 3D view."""
        rows, columns = np.nonzero((self.canvas("#space") == color).all(axis=-1))
        assert len(rows) > 10
        return float(columns.mean()), float(rows.mean())

    def drop(self, content: bytes, name: str, media_type: str) -> None:
        """Drop a file on the page."""
        script = """([content, name, type]) => {
            const bytes = Uint8Array.from(atob(content), (letter) => letter.charCodeAt(0));
            const transfer = new DataTransfer();
            transfer.items.add(new File([bytes], name, { type }));
            return transfer;
        }"""
        given = [base64.b64encode(content).decode(), name, media_type]
        transfer = self.page.evaluate_handle(script, given)
        self.page.dispatch_event("#view", "drop", {"dataTransfer": transfer})

    def drop_grey(self) -> None:
        """Drop a grey picture and wait for the answer."""
        self.drop(grey_png(), "grey.png", "image/png")
        expect(self.page.locator("#timings li")).to_have_count(5)


Open = Callable[..., Visit]
