"""Where pictures come from: files, folders, videos, cameras, arrays, one `Frame` after another."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import cv2
import numpy as np

from raypose.errors import DataError, did_you_mean
from raypose.inference.cameras import camera_of, iter_camera
from raypose.inference.frame import Frame, Image
from raypose.inference.read_ahead import read_ahead
from raypose.ops.image_files import IMAGE_SUFFIXES, read_image
from raypose.ops.video_files import open_video
from raypose.weights import is_address

VIDEO_SUFFIXES = frozenset(
    {".avi", ".mp4", ".mov", ".mkv", ".webm", ".m4v", ".mpg", ".mpeg", ".wmv", ".flv"}
    | {".3gp", ".asf", ".m2ts", ".mts", ".mxf", ".ogv", ".ts", ".vob"}
)
# Of a video that does not say: what most cameras do.
_USUAL_RATE = 30.0

Source = int | str | Path | Image | Iterable[Any]


def iter_frames(source: Source, ahead: int = 0) -> Iterator[Frame]:
    """Yield the pictures of a source, one at a time: a long video needs no more memory.

    An image that cannot be read becomes a frame with an `error`; the others follow.

    Args:
        source: an image file, a video file or its address, a folder of images (with its
            subfolders, in the order of their names), a camera (`0`, `"webcam:0"`, `rtsp://...`,
            see `camera_of`), an array (H, W, 3) uint8 BGR, or an iterable of any of these.
        ahead: pictures of files that a thread reads ahead; cameras always have one, which keeps
            the newest picture only, so that what is seen is what is there now. Iterators of the
            caller are used in the caller's thread.

    Raises:
        DataError: if a path does not exist, is of an unknown kind or a folder without images, or
            a video or camera cannot be opened.
    """
    camera = None if _is_video_address(source) else camera_of(source)
    if camera is not None:
        yield from read_ahead(iter_camera(camera), size=1, newest_only=True)
    elif ahead and isinstance(source, (str, Path, list, tuple)) and not is_live(source):
        yield from read_ahead(iter_frames(source), ahead)
    elif isinstance(source, np.ndarray):
        yield Frame(source="", image=source)
    elif isinstance(source, (str, Path)):
        yield from _iter_path(source)
    elif isinstance(source, Iterable):
        yield from _iter_items(source, ahead)
    else:
        raise DataError(
            "a source is a path, a camera, an array or an iterable of these, got a "
            f"{type(source).__name__}"
        )


def is_live(source: Any) -> bool:
    """Return whether a source is a camera or a list with one, see `raypose.inference.cameras`.

    The address of a video file is none: it can wait.
    """
    if isinstance(source, (list, tuple)):
        return any(is_live(item) for item in source)
    return camera_of(source) is not None and not _is_video_address(source)


def list_images(folder: str | Path) -> list[Path]:
    """Return the image files of a folder and its subfolders in the order of their names.

    Raises:
        DataError: if there are none.
    """
    root = Path(folder)
    files = (file for file in root.rglob("*") if file.suffix.lower() in IMAGE_SUFFIXES)
    found = sorted(file for file in files if file.is_file())
    if not found:
        raise DataError(f"no images under {root} (looked for {', '.join(sorted(IMAGE_SUFFIXES))})")
    return found


def is_video(path: str | Path) -> bool:
    """Return whether a path is named like a video."""
    return Path(path).suffix.lower() in VIDEO_SUFFIXES


def iter_video(
    path: str | Path, start: int = 0, stop: int | None = None, every: int = 1
) -> Iterator[Frame]:
    """Yield the frames of a video in order.

    Args:
        path: the video.
        start: first frame.
        stop: frame before which to end; the end of the video by default.
        every: only every n-th frame, from the first on.

    Raises:
        DataError: if the video cannot be opened.
    """
    video = open_video(path, start)
    rate = frame_rate(video)
    try:
        index = start
        while stop is None or index < stop:
            if (index - start) % every:
                if not video.grab():
                    return
                index += 1
                continue
            found, image = video.read()
            if not found:
                return
            time = index / rate
            yield Frame(source=str(path), index=index, time=time, image=image)  # type: ignore[arg-type]
            index += 1
    finally:
        video.release()


def frame_rate(video: cv2.VideoCapture) -> float:
    """Return the frames a second of an open video; 30 where it does not say."""
    rate = video.get(cv2.CAP_PROP_FPS)
    return rate if math.isfinite(rate) and rate > 0 else _USUAL_RATE


def count_frames(path: str | Path) -> int:
    """Return how many frames a video has, by what it says of itself, else by going through it.

    Raises:
        DataError: if the video cannot be opened.
    """
    video = open_video(path, 0)
    try:
        said = int(video.get(cv2.CAP_PROP_FRAME_COUNT))
        if said > 0:
            return said
        count = 0
        while video.grab():
            count += 1
        return count
    finally:
        video.release()


def _iter_items(items: Iterable[Any], ahead: int) -> Iterator[Frame]:
    arrays = 0
    for item in items:
        if isinstance(item, np.ndarray):
            yield Frame(source="", index=arrays, image=item)
            arrays += 1
        else:
            yield from iter_frames(item, ahead)


def _is_video_address(source: Any) -> bool:
    return is_address(source) and is_video(urlsplit(source).path)


def _iter_path(source: str | Path) -> Iterator[Frame]:
    path = Path(source)
    if _is_video_address(source):
        yield from iter_video(source)
    elif path.is_dir():
        for file in list_images(path):
            yield _image_frame(file)
    elif not path.exists():
        beside = path.parent.iterdir() if path.parent.is_dir() else ()
        raise DataError(f"no such file: {path}.{did_you_mean(path.name, (f.name for f in beside))}")
    elif is_video(path):
        yield from iter_video(path)
    elif path.suffix.lower() in IMAGE_SUFFIXES:
        yield _image_frame(path)
    else:
        known = ", ".join(sorted(IMAGE_SUFFIXES | VIDEO_SUFFIXES))
        raise DataError(f"{path} is neither an image nor a video ({known})")


def _image_frame(path: Path) -> Frame:
    try:
        return Frame(source=str(path), image=read_image(path))
    except DataError as error:
        return Frame(source=str(path), error=str(error))
