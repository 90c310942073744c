from __future__ import annotations

import struct
from pathlib import Path

import cv2
import numpy as np
import pytest

from raypose.errors import DataError, RayposeError
from raypose.ops.image_files import decode_image, read_image

PICTURE = np.random.default_rng(0).integers(0, 255, (37, 53, 3), np.uint8)


def encode(suffix: str) -> bytes:
    ok, data = cv2.imencode(suffix, PICTURE)
    assert ok
    return data.tobytes()


def exif_turned(jpeg: bytes, thumbnail: bytes = b"") -> bytes:
    """Insert an EXIF segment that asks for a quarter turn (orientation 6)."""
    tiff = b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0" + thumbnail
    body = b"Exif\0\0" + tiff
    return jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body + jpeg[2:]


def test_reads_files_bytes_and_arrays_alike(tmp_path: Path) -> None:
    data = encode(".png")
    (tmp_path / "a.png").write_bytes(data)
    for image in (
        read_image(tmp_path / "a.png"),
        decode_image(data),
        decode_image(np.frombuffer(data, np.uint8)),
    ):
        np.testing.assert_array_equal(image, PICTURE)


def test_exif_turns_the_image_unless_told_not_to() -> None:
    plain = decode_image(encode(".jpg"))
    turned = exif_turned(encode(".jpg"))
    np.testing.assert_array_equal(decode_image(turned), np.rot90(plain, -1))
    np.testing.assert_array_equal(decode_image(turned, "color_ignore_orientation"), plain)


def test_a_grey_image_has_three_channels() -> None:
    ok, data = cv2.imencode(".png", PICTURE[..., 0])
    assert ok
    assert decode_image(data.tobytes()).shape == (37, 53, 3)


@pytest.mark.parametrize("cut", [2, 100, 1000])
def test_a_jpeg_that_ends_too_early(cut: int) -> None:
    # A thumbnail inside has an end of its own, which must not count.
    data = exif_turned(encode(".jpg"), thumbnail=b"\xff\xd8\xff\xda\0\0\xff\xd9")
    decode_image(data)
    decode_image(data + b"\0 trailing bytes")
    with pytest.raises(DataError, match=r"photo\.jpg: a JPEG file that ends too early"):
        decode_image(data[:-cut], name="photo.jpg")


def test_what_is_no_image(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="image: empty"):
        decode_image(b"")
    (tmp_path / "a.txt").write_text("text")
    with pytest.raises(DataError, match=r"a\.txt: not an image that OpenCV can decode \(4 bytes\)"):
        read_image(tmp_path / "a.txt")
    with pytest.raises(DataError, match=r"b\.jpg: No such file"):
        read_image(tmp_path / "b.jpg")
    with pytest.raises(RayposeError, match="Did you mean 'color'"):
        decode_image(encode(".png"), "colour")
