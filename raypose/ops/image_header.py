"""Size and kind of an encoded image, read from its first bytes without decoding it."""

from __future__ import annotations

import struct

from raypose.errors import DataError

# Markers of a JPEG that start a frame and hold its size (DHT, JPG and DAC lie between them).
_JPEG_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_JPEG_BARE = frozenset({0x01, *range(0xD0, 0xD9)})


def image_size(data: bytes) -> tuple[int, int]:
    """Return the size (w, h) that an image file claims to have.

    Args:
        data: content of a JPEG, PNG, WebP, BMP or GIF file.

    Raises:
        DataError: if it is none of these, or ends before it says its size.
    """
    try:
        size = _read_size(data)
    except (struct.error, IndexError) as error:
        raise DataError(f"the image ends in its header ({len(data)} bytes)") from error
    if min(size) < 1:
        raise DataError(f"the image claims to be {size[0]} x {size[1]} pixels")
    return size


def _read_size(data: bytes) -> tuple[int, int]:
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        width, height = struct.unpack_from(">II", data, 16)
    elif data.startswith(b"\xff\xd8\xff"):
        width, height = _jpeg_size(data)
    elif data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        width, height = _webp_size(data)
    elif data.startswith((b"GIF87a", b"GIF89a")):
        width, height = struct.unpack_from("<HH", data, 6)
    elif data.startswith(b"BM"):
        width, height = struct.unpack_from("<ii", data, 18)
    else:
        found = f"it begins with {data[:8]!r}" if data else "it is empty"
        raise DataError(f"not an image (JPEG, PNG, WebP, BMP or GIF): {found}")
    return int(width), abs(int(height))


def _jpeg_size(data: bytes) -> tuple[int, int]:
    position = 2
    while True:
        while data[position] == 0xFF and data[position + 1] == 0xFF:
            position += 1
        if data[position] != 0xFF:
            raise DataError("a JPEG file with a broken header")
        marker = data[position + 1]
        if marker in _JPEG_FRAMES:
            height, width = struct.unpack_from(">HH", data, position + 5)
            return width, height
        if marker in _JPEG_BARE:
            position += 2
        else:
            position += 2 + struct.unpack_from(">H", data, position + 2)[0]


def _webp_size(data: bytes) -> tuple[int, int]:
    kind = data[12:16]
    if kind == b"VP8X":
        width = int.from_bytes(data[24:27], "little") + 1
        return width, int.from_bytes(data[27:30], "little") + 1
    if kind == b"VP8L":
        bits = struct.unpack_from("<I", data, 21)[0]
        return (bits & 0x3FFF) + 1, ((bits >> 14) & 0x3FFF) + 1
    width, height = struct.unpack_from("<HH", data, 26)
    return width & 0x3FFF, height & 0x3FFF
