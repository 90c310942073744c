"""Where pictures come from: files, folders, videos, arrays, one `Frame` after another."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from raypose.errors import DataError, did_you_mean
from raypose.ops.image_files import read_image

Image = npt.NDArray[np.uint8]

IMAGE_SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".ppm", ".pgm", ".jp2", ".gif"}
)
VIDEO_SUFFIXES = frozenset(
    {".avi", ".mp4", ".mov", ".mkv", ".webm", ".m4v", ".mpg", ".mpeg", ".wmv", ".flv"}
)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Frame:
    """One picture and where it is from.

    Attributes:
        source: path of the image or video; empty for arrays.
        index: number of the frame in the video or among the arrays; 0 for an image file.
        image: (H, W, 3) uint8 BGR, None if it could not be read.
        error: why it could not be read.
    """

    source: str
    index: int = 0
    image: Image | None = None
    error: str | None = None


def iter_frames(source: str | Path | Image | Iterable[Any]) -> Iterator[Frame]:
    """Yield the pictures of a source, one at a time: a long video needs no more memory.

    An image that cannot be read becomes a frame with an `error`; the others follow.

    Args:
        source: an image file, a video file, a folder of images (with its subfolders, in the
            order of their names), an array (H, W, 3) uint8 BGR, or an iterable of any of these.

    Raises:
        DataError: if a path does not exist, is of an unknown kind or a folder without images, or
            a video cannot be opened.
    """
    if isinstance(source, np.ndarray):
        yield Frame(source="", image=source)
    elif isinstance(source, (str, Path)):
        yield from _iter_path(Path(source))
    else:
        arrays = 0
        for item in source:
            if isinstance(item, np.ndarray):
                yield Frame(source="", index=arrays, image=item)
                arrays += 1
            else:
                yield from iter_frames(item)


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


def iter_video(path: str | Path, start: int = 0, stop: int | None = None) -> Iterator[Frame]:
    """Yield the frames of a video in order.

    Args:
        path: the video.
        start: first frame.
        stop: frame before which to end; the end of the video by default.

    Raises:
        DataError: if the video cannot be opened.
    """
    video = _open_video(path, start)
    try:
        index = start
        while stop is None or index < stop:
            found, image = video.read()
            if not found:
                return
            yield Frame(source=str(path), index=index, image=image)  # type: ignore[arg-type]
            index += 1
    finally:
        video.release()


def count_frames(path: str | Path) -> int:
    """Return how many frames a video has, by what it says of itself, else by going through it.

    Raises:
        DataError: if the video cannot be opened.
    """
    video = _open_video(path, 0)
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


def _iter_path(path: Path) -> Iterator[Frame]:
    if path.is_dir():
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


def _open_video(path: str | Path, start: int) -> cv2.VideoCapture:
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
