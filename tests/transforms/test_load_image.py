from __future__ import annotations

import logging
from pathlib import Path

import cv2
import numpy as np
import pytest

from raypose.errors import DataError, RayposeError
from raypose.structures import PoseSample
from raypose.transforms import LoadImage

PICTURE = np.random.default_rng(0).integers(0, 255, (20, 30, 3), np.uint8)


@pytest.fixture
def path(tmp_path: Path) -> str:
    cv2.imwrite(str(tmp_path / "a.png"), PICTURE)
    return str(tmp_path / "a.png")


def test_from_a_path_bytes_or_pixels(path: str) -> None:
    encoded = np.fromfile(path, np.uint8)
    for sample in (
        PoseSample(id="x", img_path=path),
        PoseSample(id="x", image=encoded),
        PoseSample(id="x", image=PICTURE, img_path="not read.png"),
    ):
        loaded = LoadImage()(sample)
        assert loaded is not None
        np.testing.assert_array_equal(loaded.image, PICTURE)
        assert loaded.img_shape == (20, 30)


def test_size_of_the_file_counts_not_that_of_the_annotation(path: str) -> None:
    loaded = LoadImage()(PoseSample(id="x", img_path=path, img_shape=(40, 60)))
    assert loaded is not None
    assert loaded.img_shape == (20, 30)


def test_an_image_turned_against_its_annotation(path: str) -> None:
    with pytest.raises(DataError, match=r"30 x 20, its annotation says 20 x 30.*EXIF"):
        LoadImage()(PoseSample(id="x", img_path=path, img_shape=(30, 20)))


def test_unreadable_images(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    missing = PoseSample(id="seven", img_path=str(tmp_path / "no.jpg"))
    with pytest.raises(DataError, match=r"no\.jpg: No such file"):
        LoadImage()(missing)
    with caplog.at_level(logging.WARNING):
        assert LoadImage(ignore_empty=True)(missing) is None
    assert "sample seven is left out" in caplog.text
    with pytest.raises(DataError, match="sample x: neither 'img_path' nor 'image'"):
        LoadImage()(PoseSample(id="x"))
    with pytest.raises(DataError, match=r"got \(20, 30\) uint8"):
        LoadImage()(PoseSample(id="x", image=PICTURE[..., 0]))
    with pytest.raises(DataError, match="float32"):
        LoadImage()(PoseSample(id="x", image=PICTURE.astype(np.float32)))  # type: ignore[arg-type]


def test_color_type_is_checked_at_once() -> None:
    with pytest.raises(RayposeError, match="color_type is one of color, color_ignore_orientation"):
        LoadImage("grayscale")
