from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from raypose.errors import DataError
from raypose.inference import PoseStage, Predictor, iter_frames
from raypose.inference.cameras import camera_of, iter_camera
from raypose.inference.sources import is_live
from tests.inference.walking_spots import SpotDetector, two_walkers, write_video


@pytest.mark.parametrize(
    ("source", "camera"),
    [
        (0, 0),
        (2, 2),
        ("0", 0),
        ("webcam", 0),
        ("webcam:3", 3),
        ("rtsp://host/stream", "rtsp://host/stream"),
        ("http://host:8080/video", "http://host:8080/video"),
        ("webcams", None),
        ("street.mp4", None),
        (Path("0"), None),
        (True, None),
        (None, None),
    ],
)
def test_what_a_camera_is(source: Any, camera: int | str | None) -> None:
    assert camera_of(source) == camera
    assert is_live(source) == (camera is not None)
    assert is_live([two_walkers(1)[0], source]) == (camera is not None)


def test_a_file_called_0_and_the_address_of_a_video_are_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("0").mkdir()
    assert camera_of("0") is None
    assert not is_live("https://host/street.mp4?token=1")


class Camera:
    """Stands in for OpenCV's: a picture whenever it is asked, then none."""

    def __init__(self, pictures: list[np.ndarray]) -> None:
        self.pictures = list(pictures)
        self.released = False

    def isOpened(self) -> bool:
        return True

    def read(self) -> tuple[bool, np.ndarray | None]:
        return (True, self.pictures.pop(0)) if self.pictures else (False, None)

    def release(self) -> None:
        self.released = True


def test_a_camera_until_it_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    camera = Camera(two_walkers(3))
    monkeypatch.setattr(cv2, "VideoCapture", lambda number: camera)
    frames = list(iter_camera(1))
    assert [(frame.source, frame.index) for frame in frames] == [("1", 0), ("1", 1), ("1", 2)]
    times = [frame.time for frame in frames if frame.time is not None]
    assert times[0] == 0
    assert sorted(set(times)) == times
    assert camera.released


def test_a_camera_that_is_not_there() -> None:
    with pytest.raises(DataError, match="the camera 97 cannot be opened; is it there, and free"):
        list(iter_frames(97))


def test_other_things_are_no_source() -> None:
    with pytest.raises(DataError, match="or an iterable of these, got a NoneType"):
        list(iter_frames(None))  # type: ignore[arg-type]


def test_the_newest_picture_of_a_camera_is_looked_at(
    spot_stage: PoseStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = threading.Event()

    class Waiting(Camera):
        def read(self) -> tuple[bool, np.ndarray | None]:
            if len(self.pictures) == 9:
                assert seen.wait(5)
            return super().read()

    walk = two_walkers(10)
    monkeypatch.setattr(cv2, "VideoCapture", lambda number: Waiting(walk))
    answers = Predictor(spot_stage, detector=SpotDetector(), tracker=True)("webcam")
    frame, poses = next(answers)
    # One picture at a time: nothing waits for a batch to be full.
    assert frame.index == 0
    assert sorted(np.asarray(poses.track_ids)) == [0, 1]
    seen.set()
    rest = [frame.index for frame, _ in answers]
    assert rest == sorted(set(rest))
    assert rest[-1] == 9


class Handler(http.server.BaseHTTPRequestHandler):
    """A camera of the network: pictures as they come, in one answer without end; a video file."""

    video: bytes
    jpegs: tuple[bytes, ...]

    def do_GET(self) -> None:
        self.send_response(200)
        if self.path.endswith(".avi"):
            self.send_header("Content-Length", str(len(self.video)))
            self.end_headers()
            self.wfile.write(self.video)
            return
        self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
        self.end_headers()
        for jpeg in self.jpegs:
            head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n\r\n"
            self.wfile.write(head.encode() + jpeg + b"\r\n")

    def log_message(self, format: str, *args: Any) -> None:
        pass


@contextmanager
def network_camera(tmp_path: Path) -> Iterator[str]:
    walk = two_walkers(12)
    Handler.video = write_video(tmp_path / "walk.avi", walk).read_bytes()
    Handler.jpegs = tuple(cv2.imencode(".jpg", image)[1].tobytes() for image in walk)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_streams_and_videos_of_the_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with network_camera(tmp_path) as address:
        live = list(iter_frames(f"{address}/stream"))
        video = list(iter_frames(f"{address}/walk.avi", ahead=4))
    assert live
    assert live[-1].index == 11
    assert [frame.index for frame in video] == list(range(12))
    assert [frame.time for frame in video] == pytest.approx([i / 10 for i in range(12)])
