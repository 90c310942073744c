"""What the first bytes of an encoded image say, without decoding it."""

from __future__ import annotations

import struct

# Markers of a JPEG that open a frame: SOF0..SOF15 without DHT, JPG and DAC.
_JPEG_FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}


def image_size(data: bytes) -> tuple[int, int] | None:
    """Return the size of a JPEG, PNG, WebP or BMP from its header.

    Args:
        data: the encoded image; its first part is enough as a rule.

    Returns:
        (w, h) as stored, before any rotation that EXIF asks for, or None if `data` is none of
        these formats or its header is damaged.
    """
    readers = {
        b"\xff\xd8": _jpeg_size,
        b"\x89PNG\r\n\x1a\n": _png_size,
        b"RIFF": _webp_size,
        b"BM": _bmp_size,
    }
    for magic, read in readers.items():
        if data.startswith(magic):
            try:
                size = read(data)
            except (struct.error, IndexError):
                return None
            return size if size is not None and min(size) > 0 else None
    return None


def _jpeg_size(data: bytes) -> tuple[int, int] | None:
    at = 2
    while True:
        if data[at] != 0xFF:
            return None
        marker = data[at + 1]
        if marker == 0xFF:  # fill byte
            at += 1
        elif marker == 0x01 or 0xD0 <= marker <= 0xD8:  # markers without a segment
            at += 2
        elif marker in _JPEG_FRAMES:
            height, width = struct.unpack_from(">HH", data, at + 5)
            return width, height
        elif marker in (0xD9, 0xDA):  # pixels before any frame
            return None
        else:
            at += 2 + struct.unpack_from(">H", data, at + 2)[0]


def _png_size(data: bytes) -> tuple[int, int] | None:
    if data[12:16] != b"IHDR":
        return None
    width, height = struct.unpack_from(">II", data, 16)
    return width, height


def _webp_size(data: bytes) -> tuple[int, int] | None:
    if data[8:12] != b"WEBP":
        return None
    kind = data[12:16]
    if kind == b"VP8X":
        return 1 + _little24(data, 24), 1 + _little24(data, 27)
    if kind == b"VP8L":
        bits = struct.unpack_from("<I", data, 21)[0]
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    if kind == b"VP8 ":
        width, height = struct.unpack_from("<HH", data, 26)
        return width & 0x3FFF, height & 0x3FFF
    return None


def _bmp_size(data: bytes) -> tuple[int, int] | None:
    header = struct.unpack_from("<I", data, 14)[0]
    if header == 12:  # OS/2
        width, height = struct.unpack_from("<HH", data, 18)
        return width, height
    width, height = struct.unpack_from("<ii", data, 18)
    return width, abs(height)  # rows from the top have a negative height


def _little24(data: bytes, at: int) -> int:
    return data[at] | data[at + 1] << 8 | data[at + 2] << 16
