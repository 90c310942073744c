"""Served against called: what HTTP and Ray Serve cost beside the models, under load.

    python -m tests.benchmarks.serve_load POSE --detector FILE --picture FILE [--callers 1 4 16 64]

`chain` and `fused` are raypose's topologies; `lock` and `batcher` are servers that one writes with
FastAPI round the same models, one request at a time or what has come while the models were busy;
`called` is the models' own loop in one process, on batches as large as the callers would fill.
All of them are up at the same time and take turns; what is printed are medians over the rounds.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import os
import socket
import statistics
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, fields, replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, urlsplit

import torch
import uvicorn
from fastapi import FastAPI, Request
from ray import serve

from raypose.config import build_model, load_config
from raypose.config.sections import DetectorStageSection, PoseStageSection, ServeSection
from raypose.distributed.serving.answers import JSONAnswer, pose_answer
from raypose.distributed.serving.app import build_app, start
from raypose.distributed.serving.models import (
    Image,
    limit_threads,
    load_served_detector,
    load_served_pose,
)
from raypose.distributed.session import ray_session
from raypose.inference.pose_stage import PoseStage
from raypose.models.detectors import BaseDetector
from raypose.ops.image_files import decode_image
from raypose.structures import Poses

PORT = 8300
BATCH = 8
SERVED = ("chain", "fused")
WRITTEN = ("lock", "batcher")


@dataclass(frozen=True)
class Load:
    """What some callers saw.

    Attributes:
        rate: answers a second.
        p50: milliseconds.
        p99: milliseconds.
        beside: milliseconds of an answer that are not the models', median; for more than one caller
            most of it is waiting for the models.
        client: CPU seconds of the callers' process in each second.
        seconds: how long it took.
        cpu: milliseconds of CPU that an answer takes, of all processes but the callers', beyond
            what they use when nobody asks; other jobs on the machine change this least.
    """

    rate: float
    p50: float
    p99: float
    beside: float
    client: float
    seconds: float
    cpu: float = math.nan


class Models:
    """Detector and pose model, called in one process."""

    def __init__(self, section: ServeSection) -> None:
        assert section.detector is not None
        limit_threads(section.pose)
        self._detector: BaseDetector = load_served_detector(section.detector)
        (model,) = section.pose.named_models.values()
        self._pose: PoseStage = load_served_pose(model, section.pose)

    def decode(self, pictures: list[bytes]) -> list[Image]:
        return [decode_image(picture) for picture in pictures]

    def estimate(self, images: list[Image]) -> list[Poses]:
        return self._pose(images, self._detector.detect(images))

    def answer(self, pictures: list[bytes]) -> list[dict[str, Any]]:
        images = self.decode(pictures)
        return [
            pose_answer(poses, (image.shape[1], image.shape[0]), "pose", {})
            for poses, image in zip(self.estimate(images), images, strict=True)
        ]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("pose", help="config of the pose model; its weights are drawn at random")
    parser.add_argument("--detector", required=True)
    parser.add_argument("--picture", type=Path, required=True)
    parser.add_argument("--callers", type=int, nargs="+", default=[1, 4, 16, 64])
    parser.add_argument("--seconds", type=float, default=5, help="of each measurement")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--variants", nargs="+", default=["called", *SERVED, *WRITTEN])
    arguments = parser.parse_args()
    picture = arguments.picture.read_bytes()
    # Ray has its workers give way to all else on the machine, the servers compared with too.
    os.environ.setdefault("RAY_worker_niceness", "0")
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        section = random_section(arguments.pose, arguments.detector, folder)
        addresses = stack.enter_context(_services(section, arguments.variants))
        models = Models(section)
        callers = stack.enter_context(ProcessPoolExecutor(1, get_context("spawn")))
        idle = _idle_cpu(5)
        print(f"CPU seconds a second while nobody asks: {idle:.2f}")
        found: dict[tuple[str, int], list[Load]] = {}
        for number in range(arguments.rounds + 1):
            seconds = arguments.seconds if number else 1.0  # the first one warms up
            for count in arguments.callers:
                for name in arguments.variants:
                    if name == "called":
                        load = called(models, picture, min(count, BATCH), seconds)
                    else:
                        used = _cpu_seconds()
                        load = callers.submit(
                            ask_all, addresses[name], picture, count, seconds
                        ).result()
                        used = _cpu_seconds() - used
                        # The callers are a child process as well.
                        used -= (load.client + idle) * load.seconds
                        cpu = 1e3 * used / (load.rate * load.seconds)
                        load = replace(load, cpu=cpu)
                    if number:
                        found.setdefault((name, count), []).append(load)
            print(f"round {number}: load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} CPUs")
        _print(found)


def called(models: Models, picture: bytes, batch: int, seconds: float) -> Load:
    """Call the models again and again."""
    times, decoding = [], []
    used = time.process_time()
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        started = time.perf_counter()
        images = models.decode([picture] * batch)
        decoding.append(time.perf_counter() - started)
        models.estimate(images)
        times.append(time.perf_counter() - started)
    p50, p99 = percentiles(times)
    answers = batch * len(times)
    cpu = 1e3 * (time.process_time() - used) / answers
    beside = 1e3 * statistics.median(decoding)
    return Load(answers / sum(times), p50, p99, beside, 0.0, sum(times), cpu)


def ask_all(address: str, picture: bytes, callers: int, seconds: float) -> Load:
    """Ask from as many connections as there are callers, each when it has its last answer."""
    return asyncio.run(_ask_all(urlsplit(address), picture, callers, seconds))


async def _ask_all(address: SplitResult, picture: bytes, callers: int, seconds: float) -> Load:
    head = f"POST {address.path} HTTP/1.1\r\nHost: {address.netloc}\r\n"
    head += f"Content-Type: image/jpeg\r\nContent-Length: {len(picture)}\r\n\r\n"
    times: list[float] = []
    answers: list[bytes] = []
    end = time.perf_counter() + seconds

    async def caller() -> None:
        reader, writer = await asyncio.open_connection(address.hostname, address.port)
        while time.perf_counter() < end:
            started = time.perf_counter()
            writer.write(head.encode() + picture)
            headers = (await reader.readuntil(b"\r\n\r\n")).lower()
            assert headers.startswith(b"http/1.1 200"), headers
            length = headers.split(b"content-length:", 1)[1].split(b"\r\n", 1)[0]
            answers.append(await reader.readexactly(int(length)))
            times.append(time.perf_counter() - started)
        writer.close()

    begun, used = time.perf_counter(), time.process_time()
    await asyncio.gather(*(caller() for _ in range(callers)))
    spent, used = time.perf_counter() - begun, time.process_time() - used
    timings = [json.loads(answer)["timings_ms"] for answer in answers]
    beside = [
        1e3 * seconds - each["detector"] - each["pose"]
        for each, seconds in zip(timings, times, strict=True)
        if each
    ]
    return Load(
        len(times) / spent,
        *percentiles(times),
        statistics.median(beside) if beside else math.nan,
        used / spent,
        spent,
    )


def lock_app(models: Models) -> FastAPI:
    """Return a server that answers one request at a time."""
    app = FastAPI()
    lock = threading.Lock()

    def answer(picture: bytes) -> dict[str, Any]:
        with lock:
            return models.answer([picture])[0]

    @app.post("/v1/pose")
    async def pose(request: Request) -> JSONAnswer:
        return JSONAnswer(await asyncio.to_thread(answer, await request.body()))

    return app


def batcher_app(models: Models) -> FastAPI:
    """Return a server that answers together what has come while the models were busy."""
    app = FastAPI()
    waiting: list[tuple[bytes, asyncio.Future]] = []
    tasks: list[asyncio.Task] = []

    async def work() -> None:
        while waiting:
            batch = waiting[:BATCH]
            del waiting[:BATCH]
            found = await asyncio.to_thread(models.answer, [picture for picture, _ in batch])
            for (_, answer), each in zip(batch, found, strict=True):
                answer.set_result(each)

    @app.post("/v1/pose")
    async def pose(request: Request) -> JSONAnswer:
        answer = asyncio.get_running_loop().create_future()
        waiting.append((await request.body(), answer))
        if not tasks or tasks[-1].done():
            tasks[:] = [asyncio.create_task(work())]
        return JSONAnswer(await answer)

    return app


def run_written(name: str, section: ServeSection, port: int) -> None:
    """Serve without Ray until the process is ended."""
    app = {"lock": lock_app, "batcher": batcher_app}[name](Models(section))
    uvicorn.run(app, port=port, log_level="warning", access_log=False)


@contextmanager
def _services(section: ServeSection, variants: Sequence[str]) -> Iterator[dict[str, str]]:
    """Start what is compared and yield the addresses to ask."""
    addresses: dict[str, str] = {}
    processes = []
    with ray_session():
        start(section)
        for name in SERVED:
            if name in variants:
                one = section.model_copy(update={"topology": name})
                # Half of the two CPUs that there are at least: both have to find their place.
                serve.run(build_app(one, 1), name=name, route_prefix=f"/{name}")
                addresses[name] = f"http://127.0.0.1:{PORT}/{name}/v1/pose"
        for number, name in enumerate(WRITTEN, PORT + 1):
            if name in variants:
                process = get_context("spawn").Process(
                    target=run_written, args=(name, section, number), daemon=True
                )
                process.start()
                processes.append(process)
                addresses[name] = f"http://127.0.0.1:{number}/v1/pose"
                _wait_for(number)
        yield addresses
        for process in processes:
            process.terminate()
        serve.shutdown()


def _wait_for(port: int) -> None:
    while True:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            return
        except OSError:
            time.sleep(0.2)


def random_section(pose: str, detector: str, folder: Path) -> ServeSection:
    """Return what is served, one replica and one thread a model, with random weights."""
    config = load_config(pose)
    torch.manual_seed(0)
    content = {"state_dict": build_model(config).state_dict(), "config": config.to_yaml()}
    torch.save(content, folder / "pose.pth")
    return ServeSection(
        port=PORT,
        pose=PoseStageSection(weights=str(folder / "pose.pth"), max_batch_size=BATCH),
        detector=DetectorStageSection(model=detector, max_batch_size=BATCH),
    )


def below(process: int) -> set[int]:
    """Return the numbers of a process and all those it has started (Linux)."""
    parents = {}
    for path in Path("/proc").glob("[0-9]*"):
        values = _stat(path)
        if values:
            parents[int(path.name)] = int(values[1])
    found = {process}
    while more := {child for child, parent in parents.items() if parent in found} - found:
        found |= more
    return found


def _cpu_seconds() -> float:
    """Return what this process and all below it have used (Linux)."""
    ticks = 0
    for process in below(os.getpid()):
        ticks += sum(int(value) for value in _stat(Path(f"/proc/{process}"))[11:13])
    return ticks / os.sysconf("SC_CLK_TCK")


def _stat(folder: Path) -> list[str]:
    """Return what a process says of itself from its state on, empty if it is gone."""
    try:
        return folder.joinpath("stat").read_text().rsplit(")", 1)[1].split()
    except OSError:
        return []


def _idle_cpu(seconds: float) -> float:
    """Return CPU seconds a second while nobody asks: Ray, and servers whose turn it is not."""
    used = _cpu_seconds()
    time.sleep(seconds)
    return (_cpu_seconds() - used) / seconds


def percentiles(seconds: list[float]) -> tuple[float, float]:
    """Return p50 and p99 in milliseconds."""
    ordered = sorted(seconds)
    return 1e3 * statistics.median(ordered), 1e3 * ordered[int(0.99 * (len(ordered) - 1))]


def _print(found: dict[tuple[str, int], list[Load]]) -> None:
    columns = ("callers", "variant", "per s", "p50 ms", "p99 ms", "of called", "beside", "CPU ms")
    print("".join(f"{column:>10}" for column in columns), "  client CPU")
    for (name, count), loads in sorted(found.items(), key=lambda item: item[0][1]):
        rate, p50, p99, beside, client, _, cpu = (
            statistics.median(getattr(load, field.name) for load in loads) for field in fields(Load)
        )
        called = found.get(("called", count), loads)
        ratio = statistics.median(a.rate / b.rate for a, b in zip(loads, called, strict=True))
        print(
            f"{count:10}{name:>10}{rate:10.1f}{p50:10.1f}{p99:10.1f}{ratio:10.2f}{beside:10.1f}"
            f"{cpu:10.1f}{client:12.1%}"
        )


if __name__ == "__main__":
    main()
