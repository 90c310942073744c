"""A live video over WebSocket: how fast and how evenly its frames are answered.

    python -m tests.benchmarks.serve_stream POSE --detector FILE --video FILE [--rates 10 15]

The client sends frames by the clock, as a camera does, whether the last one has its answer or not.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from multiprocessing import get_context
from pathlib import Path

import cv2
from websockets.asyncio.client import connect

from raypose.distributed import serving
from raypose.distributed.session import ray_session
from tests.benchmarks.serve_load import PORT, below, percentiles, random_section


@dataclass(frozen=True)
class Played:
    """What the client saw.

    Attributes:
        sent: frames a second that went out.
        answered: frames a second that came back with poses.
        dropped: frames that came back without, as too late.
        latencies: seconds from a frame to its poses.
        gaps: seconds between two answers with poses.
        tracks: identities in the answers.
    """

    sent: float
    answered: float
    dropped: int
    latencies: list[float]
    gaps: list[float]
    tracks: int


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("pose", help="config of the pose model; its weights are drawn at random")
    parser.add_argument("--detector", required=True)
    parser.add_argument("--video", required=True)
    parser.add_argument("--rates", type=float, nargs="+", default=[10, 15])
    parser.add_argument("--seconds", type=float, default=60)
    arguments = parser.parse_args()
    os.environ.setdefault("RAY_worker_niceness", "0")  # see serve_load.py
    frames = read_frames(arguments.video, int(max(arguments.rates) * arguments.seconds))
    columns = ("topology", "fps", "sent", "answered", "dropped", "p50 ms", "p99 ms", "jitter ms")
    print("".join(f"{column:>10}" for column in columns), "     MB more  tracks  load average")
    with (
        tempfile.TemporaryDirectory() as folder,
        ProcessPoolExecutor(1, get_context("spawn")) as player,
        ray_session(),
    ):
        section = random_section(arguments.pose, arguments.detector, Path(folder))
        for topology in ("fused", "chain"):
            serving.run(section.model_copy(update={"topology": topology}))
            player.submit(play, frames[:50], 10.0, 5.0).result()  # warms up
            for rate in arguments.rates:
                before = _memory()
                played = player.submit(play, frames, rate, arguments.seconds).result()
                p50, p99 = percentiles(played.latencies)
                print(
                    f"{topology:>10}{rate:10g}{played.sent:10.1f}{played.answered:10.1f}"
                    f"{played.dropped:10}{p50:10.0f}{p99:10.0f}"
                    f"{1e3 * statistics.pstdev(played.gaps):10.0f}{_memory() - before:12.1f}"
                    f"{played.tracks:8}{os.getloadavg()[0]:14.1f}",
                    flush=True,
                )
        serving.stop()


def read_frames(video: str, number: int) -> list[bytes]:
    """Return so many frames of a video as JPEG, 640 x 480, from its beginning again if it ends."""
    capture = cv2.VideoCapture(video)
    frames = []
    while len(frames) < number and (read := capture.read())[0]:
        frames.append(cv2.imencode(".jpg", cv2.resize(read[1], (640, 480)))[1].tobytes())
    return [frames[i % len(frames)] for i in range(number)]


def play(frames: list[bytes], rate: float, seconds: float) -> Played:
    """Send frames at a rate."""
    return asyncio.run(_play(frames[: int(rate * seconds)], rate))


async def _play(frames: list[bytes], rate: float) -> Played:
    sent: list[float] = []
    came: dict[int, float] = {}
    tracks: set[int] = set()
    dropped = 0
    async with connect(f"ws://127.0.0.1:{PORT}/v1/stream?fps={rate:g}") as video:

        async def send() -> None:
            started = time.perf_counter()
            for number, frame in enumerate(frames):
                await asyncio.sleep(started + number / rate - time.perf_counter())
                sent.append(time.perf_counter())
                await video.send(frame)

        sending = asyncio.create_task(send())
        for number in range(len(frames)):
            answer = json.loads(await video.recv())
            assert answer["frame"] == number
            if answer.get("dropped"):
                dropped += 1
                continue
            came[number] = time.perf_counter()
            tracks.update(each["track_id"] for each in answer["instances"])
        await sending
    times = list(came.values())
    return Played(
        sent=(len(sent) - 1) / (sent[-1] - sent[0]),
        answered=(len(times) - 1) / (times[-1] - times[0]),
        dropped=dropped,
        latencies=[at - sent[number] for number, at in came.items()],
        gaps=[after - before for before, after in pairwise(times)],
        tracks=len(tracks - {None}),
    )


def _memory() -> float:
    """Return what the replicas have in memory, in MB (Linux)."""
    total = 0
    for process in below(os.getpid()):
        folder = Path(f"/proc/{process}")
        if folder.joinpath("cmdline").read_bytes().startswith(b"ray::ServeReplica"):
            total += int(folder.joinpath("statm").read_text().split()[1]) * 4096
    return total / 1e6


if __name__ == "__main__":
    main()
