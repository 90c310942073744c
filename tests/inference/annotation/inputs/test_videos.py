"""Frames of videos: which ones, and what happens to those that cannot be had."""

from __future__ import annotations

import itertools
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from raypose.errors import DataError
from raypose.inference.annotation import storage
from raypose.inference.annotation.inputs import FrameRange, VideoShard, plan_shards
from raypose.inference.annotation.inputs.options import InputOptions
from raypose.inference.annotation.shards import Picture
from tests.inference.annotation.inputs.conftest import Read, seen, write_video


def frames_of(pictures: list[Picture]) -> list[tuple[int, int | None]]:
    """Return number and brightness over ten of each frame."""
    return [(i, None if grey is None else round(grey / 10)) for _, i, grey in seen(pictures)]


@pytest.fixture(params=[("walk.avi", "MJPG"), ("walk.mp4", "mp4v")], ids=["avi", "mp4"])
def video(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """Twenty frames at ten a second, the n-th of brightness 10 n."""
    name, code = request.param
    return write_video(tmp_path / name, 20, code)


RANGES = [":", "3:11", "5:", ":7", "0.5s:1.2s", "19:40"]


@pytest.mark.parametrize("where", ["local", "s3"])
@pytest.mark.parametrize("every", [1, 3, 30])
def test_every_nth_frame_of_a_range(
    video: Path, every: int, where: str, read: Read, request: pytest.FixtureRequest
) -> None:
    given = str(video)
    if where == "s3":
        given = storage.join(request.getfixturevalue("bucket"), video.name)
        storage.write_whole(given, video.read_bytes())
    for text, size in itertools.product(RANGES, (2, 7)):
        frames = FrameRange.parse(text)
        pictures = read(given, shard_size=size, every=every, frames=frames)
        wanted = list(range(20))[slice(*frames.of(20, 10.0), every)]
        assert frames_of(pictures) == [(i, i) for i in wanted], text
        assert {picture.frame.source for picture in pictures} == {video.name}
        assert [p.frame.time for p in pictures] == pytest.approx([i / 10 for i in wanted])


@pytest.mark.parametrize(
    ("text", "count", "expected"),
    [
        ("100:500", 1000, (100, 500)),
        ("100:500", 300, (100, 300)),
        (":", 7, (0, 7)),
        ("2s:4s", 1000, (60, 120)),
        ("1.01s:", 1000, (31, 1000)),
    ],
)
def test_ranges(text: str, count: int, expected: tuple[int, int]) -> None:
    frames = FrameRange.parse(text)
    assert frames.of(count, 30000 / 1001 if count == 29 else 30.0) == expected
    assert FrameRange.parse(str(frames)) == frames


@pytest.mark.parametrize("text", ["5", "a:b", "5:3", "1s:30", "1.5:3", "-1:3", ""])
def test_what_is_no_range(text: str) -> None:
    with pytest.raises(DataError, match=rf"^frames '{text}': "):
        FrameRange.parse(text)


def test_names_of_a_folder_of_videos(tmp_path: Path, read: Read) -> None:
    (tmp_path / "clips" / "b").mkdir(parents=True)
    write_video(tmp_path / "clips" / "b" / "x.avi", 3)
    write_video(tmp_path / "clips" / "y.avi", 2, first=5)
    expected = [("b/x.avi", 0, 0), ("b/x.avi", 1, 10), ("b/x.avi", 2, 20)]
    expected += [("y.avi", 0, 50), ("y.avi", 1, 60)]
    found = seen(read(tmp_path / "clips"))
    assert [(name, i, round(grey or 0, -1)) for name, i, grey in found] == expected
    assert seen(read(tmp_path / "clips" / "**" / "*.avi")) == found


def test_a_video_without_the_wanted_frames_has_no_rows(tmp_path: Path, read: Read) -> None:
    write_video(tmp_path / "long.avi", 9)
    write_video(tmp_path / "short.avi", 3)
    frames = FrameRange(5, 7)
    assert frames_of(read(tmp_path, frames=frames)) == [(5, 5), (6, 6)]
    with pytest.raises(DataError, match=r"short.avi: nothing is left to annotate; see --frames"):
        plan_shards(tmp_path / "short.avi", 4, options=InputOptions(frames=frames))


@pytest.mark.parametrize("where", ["local", "s3"])
def test_videos_that_cannot_be_opened_are_rows(
    tmp_path: Path, where: str, read: Read, request: pytest.FixtureRequest
) -> None:
    (tmp_path / "empty.mp4").touch()
    (tmp_path / "text.avi").write_text("no video")
    write_video(tmp_path / "whole.avi", 2)
    root = str(tmp_path)
    if where == "s3":
        root = request.getfixturevalue("bucket")
        for path in tmp_path.iterdir():
            storage.write_whole(storage.join(root, path.name), path.read_bytes())
    pictures = read(root)
    assert [(p.frame.source, p.frame.index) for p in pictures] == [
        ("empty.mp4", 0), ("text.avi", 0), ("whole.avi", 0), ("whole.avi", 1),
    ]  # fmt: skip
    assert "empty.mp4: empty, not a video" in str(pictures[0].frame.error)
    assert "text.avi: not a video that OpenCV can open (8 bytes)" in str(pictures[1].frame.error)
    assert pictures[3].frame.error is None


def test_a_video_that_was_cut_off_says_so_once(tmp_path: Path, read: Read) -> None:
    path = write_video(tmp_path / "walk.avi", 60)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    pictures = read(path, shard_size=16)
    good = [p for p in pictures if p.frame.image is not None]
    assert 10 < len(good) < 40
    assert [p.frame.index for p in pictures] == list(range(len(good) + 1))
    assert pictures[-1].frame.error == (
        f"the video ends after {len(good)} frames, its header says 60"
    )


def test_a_video_that_changed_has_a_row_for_every_frame(
    tmp_path: Path, pool: ThreadPoolExecutor
) -> None:
    path = write_video(tmp_path / "walk.avi", 6)
    shard = VideoShard(root=str(path), name="walk.avi", start=4, stop=8)
    pictures = list(shard.read(pool, 4))
    assert frames_of(pictures) == [(4, 4), (5, 5), (6, None), (7, None)]
    assert pictures[2].frame.error == "the video ends before this frame"


def test_a_copy_of_a_video_on_a_store_goes_when_it_was_read(
    tmp_path: Path, bucket: str, pool: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    storage.write_whole(f"{bucket}/walk.avi", write_video(tmp_path / "walk.avi", 9).read_bytes())
    (shard,) = plan_shards(f"{bucket}/walk.avi", 4)
    assert len(shard) == 0
    frames = shard.read(pool, 2)
    next(frames)
    assert [path.name for path in temporary.rglob("*.avi")] == ["walk.avi"]
    assert len(list(frames)) == 8
    assert not list(temporary.iterdir())
