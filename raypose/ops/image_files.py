"""Encoded image files to pixels (OpenCV).

Every image of raypose is decoded here, so that training, annotation and serving see the same
pixels. Cameras store a photograph as the sensor lay and say in the file (EXIF) how it is to be
turned; `color` turns it upright, as MMPose and every viewer do, `color_ignore_orientation` does
not, for annotations made on unturned pixels.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from raypose.errors import DataError, RayposeError, did_you_mean
from raypose.ops.packed_files import read_file

_FLAGS = {
    "color": cv2.IMREAD_COLOR,
    "color_ignore_orientation": cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION,
}
COLOR_TYPES = tuple(_FLAGS)
IMAGE_SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".ppm", ".pgm", ".jp2", ".gif"}
)
"""What names of image files end in."""

Pixels = npt.NDArray[np.uint8]
_JPEG = b"\xff\xd8"
# What a JPEG's decoder may be told to leave out.
_REDUCED = {
    1: 0,
    2: cv2.IMREAD_REDUCED_COLOR_2,
    4: cv2.IMREAD_REDUCED_COLOR_4,
    8: cv2.IMREAD_REDUCED_COLOR_8,
}
_Read = dict[tuple[str, str, int], tuple[Pixels, int]]
_read: ContextVar[_Read | None] = ContextVar("images read so far", default=None)


@contextmanager
def reading_once() -> Iterator[None]:
    """Read a file once, however often `read_image` is asked for it in this block and thread.

    Its pixels are read-only then, since several callers have them.
    """
    token = _read.set({})
    try:
        yield
    finally:
        _read.reset(token)


def read_image(path: str | Path, color_type: str = "color") -> Pixels:
    """Read an image file.

    Args:
        path: the file.
        color_type: `color` or `color_ignore_orientation`.

    Returns:
        (H, W, 3) uint8 BGR.

    Raises:
        DataError: if the file cannot be read or is no intact image; names it.
        RayposeError: if `color_type` is unknown.
    """
    return read_reduced_image(path, color_type, 1)[0]


def read_reduced_image(path: str | Path, color_type: str, reduction: int) -> tuple[Pixels, int]:
    """Read an image file, a JPEG at a half, a quarter or an eighth of its size.

    Args:
        path: the file.
        color_type: `color` or `color_ignore_orientation`.
        reduction: 1, 2, 4 or 8.

    Returns:
        (ceil(H / n), ceil(W / n), 3) uint8 BGR, and n: the reduction, 1 for other formats.

    Raises:
        DataError: if the file cannot be read or is no intact image; names it.
        RayposeError: if `color_type` is unknown.
    """
    known, key = _read.get(), (str(path), color_type, reduction)
    if known is not None and key in known:
        return known[key]
    try:
        data = read_file(path)
    except OSError as error:
        raise DataError(f"{path}: {error.strerror or error}") from error
    image, done = decode_reduced_image(data, color_type, str(path), reduction)
    if known is not None:
        image.flags.writeable = False
        known[key] = image, done
    return image, done


def decode_image(data: bytes | Pixels, color_type: str = "color", name: str = "image") -> Pixels:
    """Decode the bytes of an image file.

    Args:
        data: content of the file, as bytes or (n,) uint8.
        color_type: `color` or `color_ignore_orientation`.
        name: what to call it in messages.

    Returns:
        (H, W, 3) uint8 BGR.

    Raises:
        DataError: if it is no intact image.
        RayposeError: if `color_type` is unknown.
    """
    return decode_reduced_image(data, color_type, name, 1)[0]


def decode_reduced_image(
    data: bytes | Pixels, color_type: str, name: str, reduction: int
) -> tuple[Pixels, int]:
    """Decode the bytes of an image file, see `read_reduced_image`."""
    check_color_type(color_type)
    content = np.frombuffer(data, np.uint8) if isinstance(data, bytes) else data
    if not len(content):
        raise DataError(f"{name}: empty, not an image")
    if _is_cut_jpeg(content):
        raise DataError(f"{name}: a JPEG file that ends too early ({len(content)} bytes)")
    done = reduction if bytes(content[:2]) == _JPEG else 1
    try:
        image = cv2.imdecode(content, _FLAGS[color_type] | _REDUCED[done])
    except cv2.error as error:
        raise DataError(f"{name}: OpenCV cannot decode it ({error.err})") from error
    if image is None:
        raise DataError(f"{name}: not an image that OpenCV can decode ({len(content)} bytes)")
    return image, done  # type: ignore[return-value]


def check_color_type(color_type: str) -> None:
    """Check the name of a way to decode.

    Raises:
        RayposeError: if it is unknown.
    """
    if color_type not in _FLAGS:
        raise RayposeError(
            f"color_type is one of {', '.join(COLOR_TYPES)}, got {color_type!r}."
            + did_you_mean(str(color_type), COLOR_TYPES)
        )


def _is_cut_jpeg(content: npt.NDArray[np.uint8]) -> bool:
    """Tell whether a JPEG's end-of-image marker is missing; decoders fill the rest with grey."""
    if bytes(content[:2]) != _JPEG or bytes(content[-2:]) == b"\xff\xd9":
        return False
    data = content.tobytes()
    # After the last start of a scan: an EXIF thumbnail before it has an end of its own.
    return data.rfind(b"\xff\xd9") < data.rfind(b"\xff\xda")
