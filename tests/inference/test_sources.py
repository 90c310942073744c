from __future__ import annotations

import tracemalloc
from pathlib import Path

import cv2
import numpy as np
import pytest

from raypose.errors import DataError
from raypose.inference import count_frames, iter_frames, iter_video, list_images


def grey(value: int, size: tuple[int, int] = (32, 24)) -> np.ndarray:
    return np.full((size[1], size[0], 3), value, np.uint8)


@pytest.fixture
def video(tmp_path: Path) -> Path:
    """Twenty frames, the n-th of brightness 10 n."""
    path = tmp_path / "clip.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 10, (32, 24))
    for index in range(20):
        writer.write(grey(10 * index))
    writer.release()
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "pictures"
    (root / "a").mkdir(parents=True)
    for name, value in (("b.png", 20), ("a/z.PNG", 10), ("c.png", 30)):
        cv2.imwrite(str(root / name), grey(value))
    (root / "broken.jpg").write_bytes(b"not an image")
    (root / "notes.txt").write_text("not an image either")
    return root


def brightness(path: Path, start: int = 0, stop: int | None = None) -> list[tuple[int, int]]:
    return [
        (frame.index, round(float(frame.image.mean()) / 10))
        for frame in iter_video(path, start, stop)
        if frame.image is not None
    ]


def test_every_frame_of_a_video_in_order(video: Path) -> None:
    assert brightness(video) == [(i, i) for i in range(20)]
    assert count_frames(video) == 20


@pytest.mark.parametrize(("start", "stop"), [(0, 5), (7, 12), (19, None), (15, 99), (20, 30)])
def test_a_range_of_frames_is_that_part_of_the_whole(
    video: Path, start: int, stop: int | None
) -> None:
    assert brightness(video, start, stop) == [(i, i) for i in range(20)][start:stop]


def test_ranges_of_a_compressed_video_are_exact(shared_data: Path) -> None:
    path = shared_data / "mirror_mouse" / "test_vid.mp4"
    whole = [frame.image for frame in iter_video(path, 0, 60)]
    for start in (1, 13, 47):
        for frame in iter_video(path, start, start + 3):
            np.testing.assert_array_equal(frame.image, whole[frame.index])


def test_a_folder_in_the_order_of_names_with_its_unreadable_file(folder: Path) -> None:
    frames = list(iter_frames(folder))
    names = [Path(frame.source).relative_to(folder).as_posix() for frame in frames]
    assert names == ["a/z.PNG", "b.png", "broken.jpg", "c.png"]
    means = [None if frame.image is None else int(frame.image.mean()) for frame in frames]
    assert means == [10, 20, None, 30]
    assert "broken.jpg: not an image" in (frames[2].error or "")
    assert [str(file) for file in list_images(folder)] == [frame.source for frame in frames]


def test_arrays_and_paths_mixed(folder: Path, video: Path) -> None:
    frames = list(iter_frames([grey(1), folder / "b.png", grey(2), str(video)]))
    assert len(frames) == 23
    assert [(frame.source, frame.index) for frame in frames[:3]] == [
        ("", 0),
        (str(folder / "b.png"), 0),
        ("", 1),
    ]
    assert [frame.index for frame in frames[3:]] == list(range(20))
    (alone,) = iter_frames(grey(7))
    assert alone.image is not None
    assert alone.image.mean() == 7


def test_memory_does_not_grow_with_the_video(tmp_path: Path) -> None:
    path = tmp_path / "long.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 10, (320, 240))
    for index in range(120):
        writer.write(grey(index, (320, 240)))
    writer.release()
    frames = iter_frames(path)
    next(frames)
    tracemalloc.start()
    assert sum(1 for _ in frames) == 119
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 5 * 320 * 240 * 3


def test_what_cannot_be_a_source(tmp_path: Path, folder: Path) -> None:
    with pytest.raises(DataError, match=r"no such file: .*b\.pgn\. Did you mean 'b\.png'"):
        list(iter_frames(folder / "b.pgn"))
    with pytest.raises(DataError, match=r"notes\.txt is neither an image nor a video"):
        list(iter_frames(folder / "notes.txt"))
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="no images under"):
        list(iter_frames(tmp_path / "empty"))
    (tmp_path / "fake.mp4").write_bytes(b"no video")
    with pytest.raises(DataError, match=r"fake\.mp4 cannot be opened"):
        list(iter_frames(tmp_path / "fake.mp4"))
