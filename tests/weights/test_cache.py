"""From an address to a whole, checked file, whatever the network does."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from raypose.errors import CheckpointError
from raypose.weights import cached_path, fetch, local_file, weights_folder
from tests.weights.file_server import FileServer, serving

CONTENT = np.random.default_rng(0).bytes(3 << 20)
DIGEST = hashlib.sha256(CONTENT).hexdigest()[:8]
NAME = f"hrnet_w32_coco_256x192-{DIGEST}_20200708.pth"
WRONG = "hrnet_w32_coco_256x192-0123abcd_20200708.pth"
REPOSITORY = Path(__file__).parents[2]


def put(server: FileServer, name: str = NAME, content: bytes = CONTENT) -> str:
    server.files[f"/{name}"] = content
    return f"{server.address}/{name}"


def names_in(folder: Path) -> list[str]:
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())


def test_a_file_is_fetched_once(server: FileServer, folder: Path) -> None:
    url = put(server)
    seen: list[tuple[int, int | None]] = []
    path = fetch(url, show=lambda done, total: seen.append((done, total)))
    assert path == folder / NAME == cached_path(url) == fetch(url) == local_file(url)
    assert path.read_bytes() == CONTENT
    assert seen[-1] == (len(CONTENT), len(CONTENT))
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)
    assert server.requests == [(f"/{NAME}", None)]
    assert names_in(folder) == [NAME]


def test_a_cut_connection_is_taken_up_again(server: FileServer, folder: Path) -> None:
    url = put(server)
    server.cuts = [1_000_000, 500_000]
    assert fetch(url).read_bytes() == CONTENT
    assert [asked for _, asked in server.requests] == [None, "bytes=1000000-", "bytes=1500000-"]
    assert names_in(folder) == [NAME]


@pytest.mark.parametrize("name", [NAME, "best.pth"])
def test_a_server_without_ranges_starts_anew(server: FileServer, folder: Path, name: str) -> None:
    url = put(server, name)
    server.cuts, server.ranges = [1_000_000], False
    assert fetch(url).read_bytes() == CONTENT
    assert names_in(folder) == [cached_path(url).relative_to(folder).as_posix()]


def test_a_file_that_changed_between_two_connections(server: FileServer, folder: Path) -> None:
    url = put(server, "best.pth")

    def change(done: int, total: int | None) -> None:
        server.files["/best.pth"] = CONTENT[::-1]

    server.cuts = [1_000_000]
    assert fetch(url, show=change).read_bytes() == CONTENT[::-1]
    assert [asked for _, asked in server.requests] == [None, "bytes=1000000-"]


def test_what_a_dead_server_left_is_gone_on_with(server: FileServer, folder: Path) -> None:
    url = put(server)
    server.cuts = [1_000_000, 0]
    with pytest.raises(CheckpointError, match="cut after 1000000 of 3145728 bytes"):
        fetch(url)
    assert names_in(folder) == [f".partial/{NAME}"]
    assert fetch(url).read_bytes() == CONTENT
    assert server.requests[-1][1] == "bytes=1000000-"
    assert names_in(folder) == [NAME]


@pytest.mark.parametrize("left", [b"other" * 100, CONTENT[:-1] + b"?", CONTENT + b"more"])
def test_a_wrong_start_is_fetched_anew(server: FileServer, folder: Path, left: bytes) -> None:
    url = put(server)
    partial = folder / ".partial" / NAME
    partial.parent.mkdir(parents=True)
    partial.write_bytes(left)
    assert fetch(url).read_bytes() == CONTENT
    assert names_in(folder) == [NAME]


def test_a_start_that_is_all_of_it_needs_no_server(server: FileServer, folder: Path) -> None:
    partial = folder / ".partial" / NAME
    partial.parent.mkdir(parents=True)
    partial.write_bytes(CONTENT)
    assert fetch(put(server)).read_bytes() == CONTENT
    assert server.requests == []


def test_a_wrong_file_is_refused_by_name(server: FileServer, folder: Path) -> None:
    url = put(server, WRONG)
    with pytest.raises(CheckpointError) as caught:
        fetch(url)
    message = str(caught.value)
    assert f"{url}: damaged: its name promises sha256 0123abcd..., it has {DIGEST}..." in message
    assert f"put it at {folder / WRONG}" in message
    assert names_in(folder) == []


def test_a_file_that_broke_in_the_folder_is_replaced(server: FileServer, folder: Path) -> None:
    folder.mkdir()
    (folder / NAME).write_bytes(CONTENT[:-5])
    assert fetch(put(server)).read_bytes() == CONTENT


def test_a_cut_file_without_a_digest_leaves_nothing(server: FileServer, folder: Path) -> None:
    url = put(server, "best.pth")
    server.cuts = [1_000_000, 0]
    with pytest.raises(CheckpointError, match=r"best\.pth cannot be downloaded"):
        fetch(url)
    assert names_in(folder) == []


@pytest.mark.parametrize("content_type", ["text/html; charset=utf-8", "application/octet-stream"])
def test_a_web_page_is_no_file(server: FileServer, folder: Path, content_type: str) -> None:
    server.content_type = content_type
    with pytest.raises(CheckpointError, match="a web page came instead of the file"):
        fetch(put(server, "best.pth", b"<!DOCTYPE html><html>sign in</html>"))
    assert names_in(folder) == []


def test_files_of_one_name_and_several_addresses(server: FileServer, folder: Path) -> None:
    first, second = put(server, "a/best.pth", b"1"), put(server, "b/best.pth", b"2")
    assert fetch(first).read_bytes() == b"1"
    assert fetch(second).read_bytes() == b"2"
    assert fetch(first).name == "best.pth"


def test_mirrors_come_first_in_their_order(
    server: FileServer, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(server, f"good/mmpose/{NAME}")
    put(server, f"wrong/mmpose/{NAME}", b"something else")
    mirrors = [f"{server.address}/{name}" for name in ("none", "wrong/", "good", "never")]
    monkeypatch.setenv("RAYPOSE_MIRRORS", " ".join(mirrors))
    assert fetch(f"https://download.openmmlab.com/mmpose/{NAME}").read_bytes() == CONTENT
    asked = [path for path, _ in server.requests]
    assert asked == [f"/{name}/mmpose/{NAME}" for name in ("none", "wrong", "good")]
    assert names_in(folder) == [NAME]


def test_a_folder_can_be_a_mirror(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "disk" / "mmpose").mkdir(parents=True)
    (tmp_path / "disk" / "mmpose" / NAME).write_bytes(CONTENT)
    monkeypatch.setenv("RAYPOSE_MIRRORS", (tmp_path / "disk").as_uri())
    assert fetch(f"https://download.openmmlab.com/mmpose/{NAME}").read_bytes() == CONTENT


def test_every_source_is_named_when_none_has_it(
    server: FileServer, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "raypose.weights.cache.publisher_host", lambda: f"{server.address}/official/"
    )
    monkeypatch.setenv("RAYPOSE_MIRRORS", "http://127.0.0.1:9/mirror")
    with pytest.raises(CheckpointError) as caught:
        fetch(f"{server.address}/official/{NAME}")
    message = str(caught.value)
    assert f"http://127.0.0.1:9/mirror/{NAME}: Connection refused" in message
    assert f"{server.address}/official/{NAME}: HTTP 404 Not Found" in message
    assert f"put it at {folder / NAME}" in message
    assert "RAYPOSE_MIRRORS" in message


def test_offline_only_the_folder_is_looked_at(
    server: FileServer, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = put(server)
    monkeypatch.setenv("RAYPOSE_OFFLINE", "1")
    with pytest.raises(CheckpointError) as caught:
        fetch(url)
    assert "RAYPOSE_OFFLINE is set" in str(caught.value)
    assert f"({url}) and put it at {folder / NAME}" in str(caught.value)
    folder.mkdir()
    (folder / NAME).write_bytes(CONTENT)
    assert fetch(url) == folder / NAME
    assert server.requests == []


def test_a_local_address_is_used_in_place_or_copied(folder: Path, tmp_path: Path) -> None:
    source = tmp_path / "a b" / NAME
    source.parent.mkdir()
    source.write_bytes(CONTENT)
    assert local_file(source.as_uri()) == source
    assert local_file(str(source)) == source
    assert fetch(source.as_uri()) == folder / NAME
    assert (folder / NAME).read_bytes() == CONTENT
    with pytest.raises(CheckpointError, match=r"gone\.pth cannot be downloaded"):
        fetch((tmp_path / "gone.pth").as_uri())


def test_two_processes_download_once(server: FileServer, folder: Path) -> None:
    url = put(server)
    server.delay = threading.Event()
    code = "import sys; from raypose.weights import fetch; print(fetch(sys.argv[1]))"
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    running = [
        subprocess.Popen(
            [sys.executable, "-c", code, url], env=environment, stdout=subprocess.PIPE, text=True
        )
        for _ in range(2)
    ]
    threading.Timer(3, server.delay.set).start()
    assert [process.communicate(timeout=60)[0].strip() for process in running] == [
        str(folder / NAME)
    ] * 2
    assert server.requests == [(f"/{NAME}", None)]
    assert names_in(folder) == [NAME]


def test_a_killed_process_leaves_a_start_and_no_lock(server: FileServer, folder: Path) -> None:
    url = put(server)
    code = (
        "import os, sys; from raypose.weights import fetch\n"
        "fetch(sys.argv[1], show=lambda done, total: done > 10**6 and os.kill(os.getpid(), 9))"
    )
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    subprocess.run([sys.executable, "-c", code, url], env=environment, check=False)
    assert names_in(folder) == [f".partial/{NAME}", f".partial/{NAME}.lock"]
    assert fetch(url).read_bytes() == CONTENT
    start = server.requests[-1][1]
    assert start is not None
    assert start != "bytes=0-"
    assert names_in(folder) == [NAME]


def test_a_folder_that_cannot_be_written(server: FileServer, folder: Path) -> None:
    folder.write_text("a file, not a folder")
    with pytest.raises(CheckpointError, match="cannot be written"):
        fetch(put(server))


@pytest.mark.parametrize("url", ["https://example.org/", "ftp://a/b.pth", "https://a/.hidden"])
def test_no_address_of_a_file(folder: Path, url: str) -> None:
    with pytest.raises(CheckpointError, match="no address of a file"):
        fetch(url)


def test_where_the_folder_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("RAYPOSE_WEIGHTS_DIR", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert weights_folder() == tmp_path / "raypose" / "weights"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert weights_folder() == Path.home() / ".cache" / "raypose" / "weights"
    monkeypatch.setenv("RAYPOSE_WEIGHTS_DIR", "~/models")
    assert weights_folder() == Path.home() / "models"


def test_a_server_may_be_gone(folder: Path) -> None:
    with serving({}) as server:
        url = put(server)
    with pytest.raises(CheckpointError, match="Connection refused"):
        fetch(url)
    assert names_in(folder) == []
