"""Pictures that cannot be read are rows that say why; odd ones that can be read are annotated."""

from __future__ import annotations

import base64
import gzip
import os
import struct
import tarfile
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from raypose.errors import DataError
from raypose.inference.annotation import storage
from raypose.inference.annotation.inputs import ImageShard, plan_shards
from tests.inference.annotation.inputs.conftest import (
    NAMES,
    Read,
    csv_list,
    grey,
    image_table,
    seen,
    tar_of,
    upload,
)

PHOTO = cv2.imencode(".jpg", grey(100))[1].tobytes()
# A JPEG of 16 x 16 without cyan and black, with all magenta and yellow.
RED_CMYK = (
    "|JeWT01iQ9Z(?NtWB>pF0095n07C!<1O)~K1O^5L1_uWQ2nrAi3JD1c6b=sz5Em2}7#9>478)HT9~v7Y92OQJEFdE$Cn"
    "+i^86Pb$EhsQ0C@CoazyK5o01yBW1Va%3O%VWD5dcdO0RO}Q6#xMN00000000000000000008|HJ?k5CH%H000000000"
    "0000000095m01gC008Ic{080P>KLDyyqEuBN000mF*#"
)


def png_of_size(width: int, height: int) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def turned_jpeg() -> bytes:
    """A picture 32 wide and 24 high that is to be turned by 90 degrees."""
    orientation = struct.pack(">HHIHH", 0x0112, 3, 1, 6, 0)
    tiff = b"MM\x00\x2a\x00\x00\x00\x08\x00\x01" + orientation + b"\x00\x00\x00\x00"
    exif = b"Exif\x00\x00" + tiff
    return PHOTO[:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + PHOTO[2:]


def two_frames(suffix: str) -> bytes:
    animation = cv2.Animation()
    animation.frames = [grey(50), grey(200)]
    animation.durations = [100, 100]
    done, content = cv2.imencodeanimation(suffix, animation)
    assert done
    return content.tobytes()


READABLE = {
    "turned.jpg": (turned_jpeg, (32, 24), 100),
    "png-named.jpg": (lambda: cv2.imencode(".png", grey(70))[1].tobytes(), (24, 32), 70),
    "sixteen.png": (
        lambda: cv2.imencode(".png", np.full((24, 32), 128 << 8, np.uint16))[1].tobytes(),
        (24, 32),
        128,
    ),
    "see-through.png": (
        lambda: cv2.imencode(".png", np.full((24, 32, 4), 60, np.uint8))[1].tobytes(),
        (24, 32),
        60,
    ),
    "grey.jpg": (lambda: cv2.imencode(".jpg", grey(90)[..., 0])[1].tobytes(), (24, 32), 90),
}
BROKEN = {
    "empty.jpg": (b"", r"empty.jpg: empty, not an image"),
    "cut.jpg": (PHOTO[:-4], r"cut.jpg: a JPEG file that ends too early"),
    "text.png": (b"no picture", r"text.png: not an image that OpenCV can decode \(10 bytes\)"),
    "nothing.png": (png_of_size(0, 0), r"nothing.png: "),
    "huge.png": (png_of_size(70000, 70000), r"huge.png: "),
}


@pytest.mark.parametrize("where", ["local", "s3"])
def test_odd_pictures_among_good_ones(
    tmp_path: Path, where: str, read: Read, request: pytest.FixtureRequest
) -> None:
    root = tmp_path / "pictures"
    (root / "folder.jpg").mkdir(parents=True)
    (root / "folder.jpg" / "x.jpg").write_bytes(PHOTO)
    for name, (make, _, _) in READABLE.items():
        (root / name).write_bytes(make())
    for name, (content, _) in BROKEN.items():
        (root / name).write_bytes(content)
    (root / "notes.txt").write_text("no picture and not named like one")
    given = str(root)
    if where == "s3":
        given = upload(root, storage.join(request.getfixturevalue("bucket"), "pictures"))
    pictures = {picture.frame.source: picture.frame for picture in read(given, shard_size=4)}
    assert pictures.keys() == {*READABLE, *BROKEN, "folder.jpg/x.jpg"}
    for name, (_, size, value) in READABLE.items():
        image = pictures[name].image
        assert image is not None, pictures[name].error
        assert image.dtype == np.uint8
        assert image.shape == (*size, 3)
        assert np.abs(image.astype(int) - value).max() <= 1, name
    for name, (_, reason) in BROKEN.items():
        assert pictures[name].image is None
        with pytest.raises(DataError, match=reason):
            raise DataError(pictures[name].error or "")


@pytest.mark.parametrize("suffix", [".webp", ".gif", ".png"])
@pytest.mark.skipif(not hasattr(cv2, "Animation"), reason="this OpenCV writes no animations")
def test_of_an_animation_the_first_frame(suffix: str, tmp_path: Path, read: Read) -> None:
    (tmp_path / f"moving{suffix}").write_bytes(two_frames(suffix))
    ((_, index, value),) = seen(read(tmp_path))
    assert index == 0
    assert value == pytest.approx(50, abs=2)


def test_a_cmyk_photograph(tmp_path: Path, read: Read) -> None:
    (tmp_path / "red.jpg").write_bytes(base64.b85decode(RED_CMYK))
    (picture,) = read(tmp_path)
    assert picture.frame.image is not None
    blue, green, red = picture.frame.image.reshape(-1, 3).mean(axis=0)
    assert red > 250
    assert max(blue, green) < 5


def test_pictures_that_are_gone_or_closed(tmp_path: Path, pool: ThreadPoolExecutor) -> None:
    (tmp_path / "closed.jpg").write_bytes(PHOTO)
    (tmp_path / "closed.jpg").chmod(0)
    (tmp_path / "folder.jpg").mkdir()
    names = ["gone.jpg", "folder.jpg", "closed.jpg"]
    boxes = [[[0.0, 0.0, 1.0, 1.0]], [], []]
    shard = ImageShard.of(str(tmp_path), "", names, boxes)
    gone, folder, closed = shard.read(pool, 4)
    assert gone.frame.error == f"{tmp_path / 'gone.jpg'}: No such file or directory"
    assert gone.boxes == boxes[0]
    assert folder.frame.error == f"{tmp_path / 'folder.jpg'}: Is a directory"
    if os.geteuid() != 0:
        assert closed.frame.error == f"{tmp_path / 'closed.jpg'}: Permission denied"


@pytest.mark.parametrize("kept", [0, 100], ids=["before a header", "in a header"])
@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gz"])
def test_an_archive_that_ends_where_no_picture_is_cut(
    folder: Path, read: Read, kept: int, packed: bool
) -> None:
    path = tar_of(folder / "s.tar", folder, mode="w")
    with tarfile.open(path) as tar:
        third = tar.getmember("c.png").offset
    content = path.read_bytes()[: third + kept]
    path.unlink()
    if packed:
        path, content = folder / "s.tar.gz", gzip.compress(content)
    path.write_bytes(content)
    pictures = read(path)
    assert seen(pictures[:2]) == [("a/z.png", 0, 10), ("b.PNG", 0, 20)]
    (last,) = pictures[2:]
    assert last.frame.source == path.name
    assert "the archive cannot be read on (no end mark" in str(last.frame.error)


@pytest.mark.parametrize("mode", ["w", "w:gz"])
def test_an_archive_that_was_cut_off(folder: Path, read: Read, mode: str) -> None:
    path = tar_of(folder / ("s.tar" if mode == "w" else "s.tar.gz"), folder, mode=mode)
    with tarfile.open(path) as tar:
        within_the_third = tar.getmember("c.png").offset_data + 40
    content = path.read_bytes()
    path.write_bytes(content[: within_the_third if mode == "w" else len(content) * 2 // 3])
    pictures = read(path)
    assert seen(pictures)[:2] == [("a/z.png", 0, 10), ("b.PNG", 0, 20)]
    broken = [p.frame for p in pictures if p.frame.image is None]
    assert pictures[-1].frame is broken[-1]
    assert broken[-1].source == path.name
    assert f"{path}: the archive cannot be read on (" in str(broken[-1].error)
    assert len(pictures) < 7


@pytest.mark.parametrize("name", ["text.tar", "text.tgz", "empty.tar.gz"])
def test_what_is_no_archive(tmp_path: Path, read: Read, name: str) -> None:
    (tmp_path / name).write_bytes(b"" if "empty" in name else b"no archive" * 100)
    (picture,) = read(tmp_path / name)
    assert picture.frame.source == name
    assert "the archive cannot be read on" in str(picture.frame.error)


def test_a_broken_member_and_long_names(tmp_path: Path, folder: Path, read: Read) -> None:
    long = "/".join(["a" * 60] * 5) + "/é.png"
    with tarfile.open(tmp_path / "s.tar", "w", format=tarfile.PAX_FORMAT) as tar:
        (tmp_path / "x.png").write_text("no picture")
        tar.add(tmp_path / "x.png", "./x.png")
        for name in NAMES[1:]:
            tar.add(folder / name, f"{name}/{long}")
    found = seen(read(tmp_path / "s.tar"))
    expected = [("x.png", 0, None)]
    expected += [(f"{name}/{long}", 0, 10 * i) for i, name in enumerate(NAMES[1:], 2)]
    assert found == expected


def test_a_table_with_broken_boxes_and_pages(folder: Path, tmp_path: Path, read: Read) -> None:
    boxes = [[[0.0, 0.0, 1.0, 1.0]], [[1.0, 2.0]], None, [], []]
    path = image_table(tmp_path / "t.parquet", folder, boxes=boxes)
    pictures = read(path)
    assert [name for name, _, value in seen(pictures) if value is None] == ["b.PNG"]
    assert r"b.PNG: a box is [x1, y1, x2, y2] in pixels, got [1.0, 2.0]" in str(
        pictures[1].frame.error
    )
    assert [p.boxes for p in pictures] == [boxes[0], [], [], [], []]

    plain = image_table(tmp_path / "plain.parquet", folder)
    metadata = pq.read_metadata(plain).row_group(1).column(1)
    content = bytearray(plain.read_bytes())
    start = metadata.dictionary_page_offset or metadata.data_page_offset
    content[start : start + 40] = b"\xff" * 40
    plain.write_bytes(content)
    found = seen(read(plain))
    assert [value for _, _, value in found] == [10, 20, 30, None, None]
    assert [name for name, _, _ in found[3:]] == ["plain.parquet#3", "plain.parquet#4"]


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("missing", None, r"missing: no such file or folder"),
        ("pictres", None, r"pictres: no such file or folder. Did you mean 'pictures'\?"),
        ("pictures/*.tiff", None, r"\*.tiff: fits nothing that can be annotated; images: "),
        ("empty", None, r"empty: has nothing that can be annotated; images: .*; videos: "),
        ("note.md", b"", r"note.md: cannot be annotated; images: "),
        ("list.txt", b"a.jpg\nb.mp3\n", r"list.txt: 'b.mp3' is neither an image nor a video"),
        ("list.txt", b"\n", r"list.txt: names no pictures"),
        ("list.txt", b"\xff\xfe", r"list.txt: a list is UTF-8 text"),
        ("list.csv", b"pth,x\na.jpg,1\n", r"has pth, x. Did you mean 'pth'\?"),
        ("list.csv", b"path,x1\na.jpg,1\n", r"columns x1, y1, x2 and y2, here are \['x1'\]"),
        ("list.csv", b"path,boxes\na.jpg,[[1]]\n", r"row 1: a box is .* got \[1\]"),
        ("list.csv", b"path,boxes\na.jpg,[[\n", r"row 1: boxes are \[\[x1, y1, x2, y2\], ...\]"),
        ("list.csv", b"path,x1,y1,x2,y2\na.jpg,1,2,3,nan\n", r"row 1: a box is"),
        ("c.json", b'{"images": []}', r"c.json: names no pictures"),
        ("c.json", b'{"images": [{"id": 1, "file_name": "q.jpg"}]}', r"'q.jpg' is neither beside"),
        ("c.json", b"{", r"c.json: boxes are read from a COCO json; Expecting"),
        ("c.json", b"[]", r"c.json: boxes are read from a COCO json; "),
        (
            "c.json",
            b'{"images": [{"id": 1, "file_name": "a.jpg"}], '
            b'"annotations": [{"id": 3, "image_id": 1, "bbox": [0, 0, NaN, 1]}]}',
            r"annotation 3: bbox",
        ),
        ("t.parquet", b"PAR1", r"t.parquet: "),
    ],
)
def test_what_cannot_be_annotated(
    folder: Path, tmp_path: Path, name: str, content: bytes | None, reason: str
) -> None:
    (tmp_path / "empty").mkdir()
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=reason) as caught:
        plan_shards(tmp_path / name, 2)
    assert str(tmp_path / name) in str(caught.value)


@pytest.mark.parametrize(
    ("columns", "options", "reason"),
    [
        ({"mask": [b"1"]}, {}, r"with --image-column \(image, mask\)"),
        ({}, {"image_column": "imge"}, r"--image-column imge: .* Did you mean 'image'\?"),
        ({}, {"image_column": "source"}, r"--image-column source holds string; .* in image"),
        ({}, {"id_column": "sorce"}, r"--id-column sorce: .* Did you mean 'source'\?"),
    ],
)
def test_columns_that_are_not_there(
    tmp_path: Path,
    columns: dict[str, list[bytes]],
    options: dict[str, str],
    reason: str,
    read: Read,
) -> None:
    table = pa.table({"source": ["x"], "image": [PHOTO], **columns})
    pq.write_table(table, tmp_path / "t.parquet")
    with pytest.raises(DataError, match=reason):
        read(tmp_path / "t.parquet", **options)


def test_boxes_of_other_pictures(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(
        DataError, match=r"none of the boxes .* 'x.jpg', the images are .* 'a/z.png'"
    ):
        plan_shards(folder, 3, {"x.jpg": [[0.0, 0.0, 1.0, 1.0]]})
    with pytest.raises(DataError, match=r"boxes are taken for images, not for an archive"):
        plan_shards(tar_of(tmp_path / "s.tar", folder), 3, {"c.png": []})


def test_a_list_with_one_row_a_box(folder: Path, read: Read) -> None:
    path = csv_list(folder / "l.csv", {"c.png": [[1, 2, 3, 4], [5, 6, 7, 8]], "d.png": []})
    pictures = read(path)
    assert [p.boxes for p in pictures] == [[[1, 2, 3, 4], [5, 6, 7, 8]], []]
