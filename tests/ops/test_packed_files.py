"""Files inside of a larger one."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from raypose.errors import DataError
from raypose.ops.image_files import read_image
from raypose.ops.packed_files import packed_address, read_file


def test_bytes_of_a_part(tmp_path: Path) -> None:
    file = tmp_path / "all.parquet"
    file.write_bytes(bytes(range(200)))
    address = packed_address(file, 10, 5, "photos/a#1+2:b.jpg")
    assert address == f"{file}#10+5:photos/a#1+2:b.jpg"
    assert read_file(address).tolist() == [10, 11, 12, 13, 14]
    assert read_file(packed_address(file, 0, 200, "")).tolist() == list(range(200))
    assert read_file(file).tolist() == list(range(200))
    with pytest.raises(OSError, match=r"all\.parquet ends before byte 205"):
        read_file(packed_address(file, 195, 10, "x"))
    with pytest.raises(OSError, match="No such file"):
        read_file(packed_address(tmp_path / "none.parquet", 0, 1, "x"))


def test_an_image_in_a_file(tmp_path: Path) -> None:
    image = np.random.default_rng(0).integers(0, 255, (20, 30, 3), np.uint8)
    _, data = cv2.imencode(".png", image)
    file = tmp_path / "all.parquet"
    file.write_bytes(b"head" + data.tobytes() + b"tail")
    np.testing.assert_array_equal(read_image(packed_address(file, 4, len(data), "a.png")), image)
    with pytest.raises(DataError, match=r"all\.parquet#5\+9:b\.png: not an image"):
        read_image(packed_address(file, 5, 9, "b.png"))


def test_a_name_like_any_other_is_no_address(tmp_path: Path) -> None:
    file = tmp_path / "a.jpg#3+4:x"
    file.write_bytes(b"abc")
    assert read_file(file).tobytes() == b"abc"
