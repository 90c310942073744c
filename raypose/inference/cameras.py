"""Cameras: those at this machine and streams of the network, which do not wait to be looked at."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2

from raypose.errors import DataError
from raypose.inference.frame import Frame

_WEBCAM = re.compile(r"webcam(?::(\d+))?")
_STREAM = re.compile(r"(rtsps?|rtmps?|udp|tcp|https?)://", re.IGNORECASE)


def camera_of(source: Any) -> int | str | None:
    """Return what OpenCV opens for a camera, None if the source is none.

    Args:
        source: a camera is a number, `"webcam"`, `"webcam:1"`, `"0"` unless there is such a file,
            or the address of a stream (`rtsp://`, `rtmp://`, `udp://`, `tcp://`, `http://`,
            `https://`).
    """
    if isinstance(source, int) and not isinstance(source, bool):
        return source
    if not isinstance(source, str):
        return None
    if _STREAM.match(source):
        return source
    webcam = _WEBCAM.fullmatch(source)
    if webcam is not None:
        return int(webcam[1] or 0)
    return int(source) if source.isdecimal() and not Path(source).exists() else None


def iter_camera(camera: int | str) -> Iterator[Frame]:
    """Yield the pictures of a camera until it ends; their time is that of this machine's clock.

    Args:
        camera: number or address, as `camera_of` returns it.

    Raises:
        DataError: if it cannot be opened.
    """
    video = cv2.VideoCapture(camera)
    try:
        if not video.isOpened():
            raise DataError(f"the camera {camera} cannot be opened; is it there, and free?")
        index, start = 0, None
        while True:
            found, image = video.read()
            if not found:
                return
            now = time.monotonic()
            start = now if start is None else start
            yield Frame(source=str(camera), index=index, time=now - start, image=image)  # type: ignore[arg-type]
            index += 1
    finally:
        video.release()
