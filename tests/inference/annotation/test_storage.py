"""Files by path and by URI: the same answers from a disk and from a store that speaks S3."""

from __future__ import annotations

import os
from pathlib import Path
from typing import BinaryIO

import pytest

from raypose.errors import DataError
from raypose.inference.annotation import storage

NAMES = ["a/z.gz", "a/b/y.jpg", "a b/x%20#?.jpg", "a-b.jpg", "notes.txt", "ä.jpg"]


@pytest.fixture(params=["local", "s3"])
def root(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty folder, on disk and in a bucket."""
    if request.param == "local":
        (tmp_path / "root").mkdir()
        return str(tmp_path / "root")
    return storage.join(request.getfixturevalue("bucket"), "root")


def test_what_is_written_is_listed_and_read_back(root: str) -> None:
    for name in NAMES:
        storage.write_whole(storage.join(root, name), name.encode())
    assert storage.list_files(root) == [
        "a/b/y.jpg", "a/z.gz", "a b/x%20#?.jpg", "a-b.jpg", "notes.txt", "ä.jpg",
    ]  # fmt: skip
    assert storage.list_files(root, {".gz"}) == ["a/z.gz"]
    assert storage.list_files(root, recursive=False) == ["a-b.jpg", "notes.txt", "ä.jpg"]
    assert storage.list_files(storage.join(root, "a")) == ["b/y.jpg", "z.gz"]
    for name in NAMES:
        place = storage.join(root, name)
        assert storage.read_bytes(place) == name.encode()
        assert storage.size(place) == len(name.encode())
        assert storage.exists(place)
        assert not storage.is_folder(place)
        assert storage.split(place) == (
            storage.join(root, *name.split("/")[:-1]),
            name.split("/")[-1],
        )
    assert storage.is_folder(root)
    assert storage.is_folder(storage.join(root, "a"))


def test_ranges_of_a_file(root: str) -> None:
    place = storage.join(root, "numbers")
    storage.write_whole(place, bytes(range(200)))
    with storage.open_input(place) as file:
        file.seek(50)
        assert file.read(3) == bytes([50, 51, 52])
        file.seek(10)
        assert file.read(1) == bytes([10])
    with storage.local_copy(place) as path:
        assert path.name == "numbers"
        assert path.read_bytes() == bytes(range(200))
    assert path.exists() == storage.is_local(root)


def test_a_file_appears_whole_or_not_at_all(root: str) -> None:
    place = storage.join(root, "part")

    def half(file: BinaryIO) -> None:
        file.write(b"half")
        raise RuntimeError

    with pytest.raises(RuntimeError):
        storage.write_whole(place, half)
    assert not storage.exists(place)
    storage.write_whole(place, lambda file: file.write(b"first"))
    with pytest.raises(RuntimeError):
        storage.write_whole(place, half)
    assert storage.read_bytes(place) == b"first"
    storage.write_whole(place, b"second")
    assert storage.read_bytes(place) == b"second"
    assert storage.list_files(root) == ["part"]


def test_a_file_is_removed_once_and_again(root: str) -> None:
    place = storage.join(root, "part")
    storage.write_whole(place, b"1")
    storage.delete(place)
    assert not storage.exists(place)
    storage.delete(place)


def test_what_is_missing(root: str) -> None:
    place = storage.join(root, "none", "x.jpg")
    assert not storage.exists(place)
    for ask in (storage.read_bytes, storage.size, storage.list_files):
        with pytest.raises(DataError, match=r"none/x.jpg: No such file or directory") as caught:
            ask(place)
        assert not isinstance(caught.value, storage.StorageError)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a/x.jpg", "a/x.jpg"),
        ("/data/x.jpg", "data/x.jpg"),
        ("../../x.jpg", "x.jpg"),
        ("s3://b/./x.jpg", "s3/b/x.jpg"),
    ],
)
def test_what_is_written_for_a_picture_lies_inside(root: str, name: str, expected: str) -> None:
    assert storage.inside(root, name) == storage.join(root, *expected.split("/"))


def test_a_bucket_that_is_not_there(bucket: str) -> None:
    with pytest.raises(DataError, match=r"s3://no-such-bucket: No such file or directory"):
        storage.list_files("s3://no-such-bucket")
    with pytest.raises(DataError, match=r"s3://no-such-bucket/x: No such file or directory"):
        storage.write_whole("s3://no-such-bucket/x", b"1")


def test_the_address_of_a_store_as_option_of_the_uri(
    bucket: str, s3_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage.write_whole(storage.join(bucket, "below", "x.jpg"), b"1")
    monkeypatch.delenv("AWS_ENDPOINT_URL")
    options = f"?endpoint_override=http://127.0.0.1:{s3_port}&region=us-east-1"
    with_options = bucket.replace("s3://", "s3://me:hidden@") + options
    assert storage.list_files(with_options) == ["below/x.jpg"]
    place = storage.join(with_options, "below", "x.jpg")
    assert place == bucket.replace("s3://", "s3://me:hidden@") + "/below/x.jpg" + options
    assert storage.read_bytes(place) == b"1"
    assert storage.split(place)[0] == storage.join(with_options, "below")
    assert storage.shown(place) == bucket + "/below/x.jpg"
    with pytest.raises(DataError) as caught:
        storage.read_bytes(storage.join(with_options, "none"))
    assert str(caught.value) == f"{bucket}/none: No such file or directory"


@pytest.mark.slow  # pyarrow tries for six seconds
def test_a_store_that_does_not_answer_is_no_fault_of_the_file() -> None:
    with pytest.raises(storage.StorageError, match=r"^s3://b/x.jpg: .*NETWORK_CONNECTION"):
        storage.read_bytes("s3://b/x.jpg?endpoint_override=http://127.0.0.1:9&region=us-east-1")


@pytest.mark.parametrize(
    ("uri", "reason"),
    [
        ("ftp://host/x.jpg", r"ftp://host/x.jpg: .* s3://, gs:// or hdfs:// is"),
        ("s3://b/x.jpg?endpoin=1", r"s3://b/x.jpg: .*Unexpected query parameter .*'endpoin'"),
    ],
)
def test_locations_of_no_store(uri: str, reason: str) -> None:
    with pytest.raises(DataError, match=reason):
        storage.read_bytes(uri)


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may read everything")
def test_what_may_not_be_read(tmp_path: Path) -> None:
    path = tmp_path / "x.jpg"
    path.write_bytes(b"1")
    path.chmod(0)
    with pytest.raises(DataError, match=r"x.jpg: Permission denied"):
        storage.read_bytes(path)


def test_a_full_disk_leaves_nothing(tmp_path: Path) -> None:
    def full(file: BinaryIO) -> None:
        file.write(b"some")
        raise OSError(28, "No space left on device")

    with pytest.raises(DataError, match=r"part: No space left on device"):
        storage.write_whole(tmp_path / "part", full)
    assert list(tmp_path.iterdir()) == []


def test_linked_folders_once(tmp_path: Path) -> None:
    (tmp_path / "far").mkdir()
    (tmp_path / "far" / "x.jpg").touch()
    root = tmp_path / "root"
    root.mkdir()
    (root / "link").symlink_to(tmp_path / "far")
    (root / "loop").symlink_to(root)
    (root / "lost.jpg").symlink_to(tmp_path / "nothing")
    assert storage.list_files(root) == ["link/x.jpg", "lost.jpg"]
