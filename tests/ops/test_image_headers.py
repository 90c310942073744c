from __future__ import annotations

import struct
import zlib

import cv2
import numpy as np
import pytest

from raypose.ops.image_headers import image_size

PICTURE = np.random.default_rng(0).integers(0, 255, (37, 53, 3), np.uint8)


def encode(suffix: str, *options: int) -> bytes:
    ok, data = cv2.imencode(suffix, PICTURE, list(options))
    assert ok
    return data.tobytes()


FILES = {
    "jpeg": encode(".jpg"),
    "progressive jpeg": encode(".jpg", cv2.IMWRITE_JPEG_PROGRESSIVE, 1),
    "png": encode(".png"),
    "lossy webp": encode(".webp", cv2.IMWRITE_WEBP_QUALITY, 80),
    "lossless webp": encode(".webp", cv2.IMWRITE_WEBP_QUALITY, 101),
    "bmp": encode(".bmp"),
}


@pytest.mark.parametrize("kind", FILES)
def test_size_without_decoding(kind: str) -> None:
    assert image_size(FILES[kind]) == (53, 37)
    assert image_size(FILES[kind] + b"trailing bytes") == (53, 37)


@pytest.mark.parametrize("kind", FILES)
def test_no_prefix_of_a_file_gives_a_wrong_size(kind: str) -> None:
    data = FILES[kind]
    for length in range(min(len(data), 400)):
        assert image_size(data[:length]) in (None, (53, 37))


def test_size_of_extended_webp_and_of_a_bmp_stored_from_the_top() -> None:
    extended = b"RIFF\0\0\0\0WEBPVP8X\x0a\0\0\0\0\0\0\0" + b"\x34\0\0" + b"\x24\0\0"
    assert image_size(extended) == (53, 37)
    data = bytearray(FILES["bmp"])
    struct.pack_into("<i", data, 22, -37)
    assert image_size(bytes(data)) == (53, 37)


def test_size_of_an_image_too_large_to_decode() -> None:
    header = struct.pack(">IIBBBBB", 20_000, 20_000, 8, 2, 0, 0, 0)
    chunk = b"IHDR" + header
    png = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + chunk
    png += struct.pack(">I", zlib.crc32(chunk))
    assert image_size(png) == (20_000, 20_000)


@pytest.mark.parametrize(
    "data", [b"", b"text", b"\xff\xd8", b"\xff\xd8\xff\xd9", b"RIFF....WAVE", b"BM" + bytes(40)]
)
def test_other_data_has_no_size(data: bytes) -> None:
    assert image_size(data) is None
