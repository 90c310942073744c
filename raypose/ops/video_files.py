"""Video files, opened at a frame (OpenCV)."""

from __future__ import annotations

from pathlib import Path

import cv2

from raypose.errors import DataError


def open_video(path: str | Path, start: int = 0) -> cv2.VideoCapture:
    """Open a video so that the next frame to be read is the one asked for.

    Args:
        path: the video or its address.
        start: number of the frame, counted from 0.

    Raises:
        DataError: if the video cannot be opened.
    """
    video = cv2.VideoCapture(str(path))
    if not video.isOpened():
        raise DataError(f"the video {path} cannot be opened")
    if start and not (
        video.set(cv2.CAP_PROP_POS_FRAMES, start) and video.get(cv2.CAP_PROP_POS_FRAMES) == start
    ):
        # Not every container can jump to a frame.
        video.release()
        video = cv2.VideoCapture(str(path))
        for _ in range(start):
            video.grab()
    return video
