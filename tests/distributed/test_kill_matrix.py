"""Real processes killed at random moments, and started again: the rows of one undisturbed run."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from raypose.distributed.annotate import annotate
from raypose.inference.annotation import storage
from raypose.inference.annotation.job import AnnotationJob
from raypose.inference.annotation.output import MANIFEST
from raypose.inference.annotation.parts import read_annotations
from raypose.inference.annotation.table import Row
from tests.distributed.conftest import Jobs
from tests.distributed.test_annotate import with_detector
from tests.tiny_runs import REPOSITORY

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

DRIVER = """
import json, sys
from pathlib import Path
from raypose.distributed.annotate import annotate
from raypose.inference.annotation.job import AnnotationJob

print("ready", flush=True)
given = json.loads(sys.stdin.read())
paths = {name: Path(given[name]) for name in ("source", "weights")}
annotate(AnnotationJob(**{**given, **paths}))
"""
KILLS = 20


class Driver:
    """A process that does a job; it has all it imports when it is made."""

    def __init__(self, job: AnnotationJob) -> None:
        given = {
            "config": job.config,
            "device": "cpu",
            "detector": job.detector,
            **{name: str(getattr(job, name)) for name in ("source", "out", "weights")},
        }
        self.process = subprocess.Popen(
            [sys.executable, "-c", DRIVER],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            cwd=REPOSITORY,
            start_new_session=True,
        )
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == "ready\n"
        self.process.stdout.close()
        self.process.stdin.write(json.dumps(given))
        self.process.stdin.close()

    def finish(self) -> float:
        """Wait for the job to end; return how long it took."""
        started = time.monotonic()
        assert self.process.wait(300) == 0
        return time.monotonic() - started

    def kill(self, after: float) -> bool:
        """Kill the driver alone after some seconds, unless it has ended before."""
        try:
            assert self.process.wait(after) == 0
            return False
        except subprocess.TimeoutExpired:
            os.kill(self.process.pid, signal.SIGKILL)
            self.process.wait()
            return True


def rows_of(out: str | Path) -> list[Row]:
    return list(read_annotations(out))


def clear(out: str | Path) -> None:
    for name in storage.list_files(out):
        storage.delete(storage.join(out, name))


def slow_job(job: Jobs, folder: Path, delay: float = 0.05, **changes: Any) -> AnnotationJob:
    """A job of many small shards that take their time."""
    options = {"shard_size": 1, **changes.pop("options", {})}
    config = with_detector(job(), folder, {"type": "WholeImages", "delay": delay})
    return job(options, detector=str(config), **changes)


def kill_and_start_again(job: AnnotationJob, kills: int) -> list[Row]:
    """Kill a job's driver at random moments until it has been killed so often; return its rows."""
    usual = Driver(job).finish()
    expected = rows_of(job.out)
    assert expected
    clear(job.out)
    moments = random.Random(7)
    killed = finished = 0
    while killed < kills:
        if Driver(job).kill(moments.uniform(0, usual)):
            killed += 1
            continue
        assert rows_of(job.out) == expected
        finished += 1
        clear(job.out)
    Driver(job).finish()
    assert rows_of(job.out) == expected
    manifest = json.loads(storage.read_bytes(storage.join(job.out, MANIFEST)))
    assert (manifest["complete"], manifest["rows"]) == (True, len(expected))
    left = [name for name in storage.list_files(job.out) if "/" in name or ".partial" in name]
    assert not left
    return expected


@pytest.mark.parametrize("kind", ["pictures", "video"])
def test_a_driver_killed_at_random_moments(
    job: Jobs, pictures: Path, video: Path, tmp_path: Path, kind: str
) -> None:
    source = {"pictures": pictures, "video": video}[kind]
    rows = kill_and_start_again(slow_job(job, tmp_path, source=source), KILLS // 2)
    assert len(rows) == {"pictures": 8, "video": 7}[kind]


def test_a_driver_killed_while_it_writes_to_a_store(
    job: Jobs, video: Path, tmp_path: Path, bucket: str
) -> None:
    out = f"{bucket}/poses"
    kill_and_start_again(slow_job(job, tmp_path, source=video, out=out), KILLS // 2)


def test_a_driver_killed_with_its_actors(job: Jobs, video: Path, tmp_path: Path) -> None:
    spread = slow_job(job, tmp_path, 0.5, source=video, options={"num_actors": 2})
    kill_and_start_again(spread, 4)


def test_a_node_that_goes(job: Jobs, video: Path, tmp_path: Path) -> None:
    spread = slow_job(
        job,
        tmp_path,
        0.5,
        source=video,
        # More than half of a node: each actor is on one of its own.
        options={"num_actors": 3, "num_cpus": 0.8},
    )
    alone = slow_job(job, tmp_path, 0.0, source=video, out=tmp_path / "alone")
    annotate(alone)
    given = {
        "config": spread.config,
        "detector": spread.detector,
        **{name: str(getattr(spread, name)) for name in ("source", "out", "weights")},
    }
    (tmp_path / "job.json").write_text(json.dumps(given))
    script = Path(__file__).with_name("losing_a_node.py")
    done = subprocess.run(
        [sys.executable, str(script), str(tmp_path / "job.json")],
        cwd=REPOSITORY,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    facts = json.loads(done.stdout.splitlines()[-1])
    assert facts["parts_when_it_went"] < 7
    assert facts["nodes"] == [3, 2]
    assert rows_of(spread.out) == rows_of(alone.out)
