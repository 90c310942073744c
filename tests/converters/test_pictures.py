"""Pixels of labelled pictures: sizes, copies, links, frames of videos."""

from __future__ import annotations

from pathlib import Path

import pytest

from raypose.converters.pictures import (
    EncodedPicture,
    FilePicture,
    FramePicture,
    find_picture,
    picture_name,
    save_frames,
    save_pictures,
)
from raypose.errors import DataError
from tests.converters.samples import SIZE, draw, mean_of, write_video


@pytest.fixture
def video(tmp_path: Path) -> Path:
    """Ten frames."""
    return write_video(tmp_path / "clip.avi", 10)


def test_file_is_copied_as_it_is_or_linked_to(tmp_path: Path) -> None:
    picture = FilePicture(draw(tmp_path / "a.png"))
    assert picture.size == SIZE
    assert picture.suffix == ".png"
    save_pictures([(picture, tmp_path / "copy" / "b.png")])
    assert (tmp_path / "copy/b.png").read_bytes() == (tmp_path / "a.png").read_bytes()
    save_pictures([(picture, tmp_path / "copy" / "b.png")], link=True)
    assert (tmp_path / "copy/b.png").readlink() == (tmp_path / "a.png").resolve()
    with pytest.raises(DataError, match=r"no picture at .*gone.png"):
        FilePicture(tmp_path / "gone.png").save(tmp_path / "c.png")


def test_size_is_that_of_the_upright_picture(tmp_path: Path) -> None:
    path = draw(tmp_path / "a.jpg")
    data = path.read_bytes()
    # An Exif block that says: turn by a quarter (orientation 6).
    tiff = b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0"
    block = b"Exif\0\0" + tiff
    turned = tmp_path / "turned.jpg"
    turned.write_bytes(
        data[:2] + b"\xff\xe1" + (len(block) + 2).to_bytes(2, "big") + block + data[2:]
    )
    assert FilePicture(path).size == (64, 48)
    assert FilePicture(turned).size == (48, 64)


def test_frames_of_a_video(video: Path, tmp_path: Path) -> None:
    picture = FramePicture(video, 7)
    assert picture.size == SIZE
    assert picture.suffix == ".jpg"
    wanted = [(7, tmp_path / "7.png"), (2, tmp_path / "2.png"), (7, tmp_path / "again.png")]
    save_frames(video, wanted)
    for index, path in wanted:
        assert mean_of(path) == pytest.approx(20 * index, abs=3)
    picture.save(tmp_path / "one.jpg")
    assert mean_of(tmp_path / "one.jpg") == pytest.approx(140, abs=3)
    with pytest.raises(DataError, match=r"clip.avi: frame 10 cannot be read"):
        save_frames(video, [(10, tmp_path / "x.png")])
    (tmp_path / "no.mp4").write_bytes(b"no video")
    with pytest.raises(DataError, match=r"no.mp4 cannot be opened"):
        save_frames(tmp_path / "no.mp4", [(0, tmp_path / "x.png")])


def test_bytes_inside_another_file(tmp_path: Path) -> None:
    data = draw(tmp_path / "a.png").read_bytes()
    picture = EncodedPicture(lambda: data, "labels.slp: video0: 3", ".png")
    assert picture.size == SIZE
    picture.save(tmp_path / "b.png")
    assert (tmp_path / "b.png").read_bytes() == data
    broken = EncodedPicture(lambda: b"nothing", "labels.slp: video0: 3", ".png")
    with pytest.raises(DataError, match=r"labels.slp: video0: 3"):
        _ = broken.size


def test_where_a_picture_is_and_what_it_is_called(tmp_path: Path) -> None:
    path = draw(tmp_path / "set" / "images" / "m1" / "a.png")
    folders = [tmp_path, tmp_path / "set"]
    assert find_picture(r"images\m1\a.png", folders, "f") == path
    assert picture_name(path, [tmp_path / "set"]) == "m1/a.png"
    assert picture_name(path, [tmp_path / "other"]) == "a.png"
    with pytest.raises(DataError, match=r"f: image 3: no picture b.png .looked in .*set"):
        find_picture("b.png", folders, "f: image 3")
