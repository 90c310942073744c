"""Annotation through actors: the same rows as without Ray, whatever dies on the way."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from raypose.config import Config
from raypose.distributed.annotate import annotate
from raypose.errors import CheckpointError, DataError, RayposeError
from raypose.inference.annotation.job import AnnotationJob
from raypose.inference.annotation.parts import read_annotations
from tests.distributed.conftest import Jobs
from tests.tiny_runs import REPOSITORY

pytestmark = [pytest.mark.usefixtures("ray_session"), pytest.mark.timeout(240)]


def rows_of(out: str | Path) -> list[dict[str, Any]]:
    return list(read_annotations(out))


@pytest.mark.parametrize("kind", ["pictures", "video"])
def test_actors_write_the_rows_that_one_process_writes(
    job: Jobs, pictures: Path, video: Path, tmp_path: Path, kind: str
) -> None:
    source = {"pictures": pictures, "video": video}[kind]
    annotate(job(source=source, out=tmp_path / "alone"))
    lines: list[str] = []
    spread = job({"num_actors": 2}, source=source)
    progress = annotate(spread, show=lines.append)
    assert rows_of(spread.out) == rows_of(tmp_path / "alone")
    assert progress.done == progress.total == len(rows_of(spread.out))
    assert len(lines) == 3


@pytest.mark.parametrize(
    "options", [{"num_actors": 1, "split_decode": True}, {"num_actors": [1, 2]}]
)
def test_tasks_that_decode_and_pools_that_grow_change_no_row(
    job: Jobs, pictures: Path, tmp_path: Path, options: dict[str, Any]
) -> None:
    annotate(job(source=pictures, out=tmp_path / "alone"))
    spread = job(options, source=pictures)
    annotate(spread)
    assert rows_of(spread.out) == rows_of(tmp_path / "alone")


def test_an_actor_that_dies_is_started_again(job: Jobs, tmp_path: Path) -> None:
    annotate(job(out=tmp_path / "alone"))
    bomb = tmp_path / "bomb"
    bomb.touch()
    config = with_detector(job(), tmp_path, {"type": "WholeImages", "die": str(bomb)})
    spread = job({"num_actors": 1}, detector=str(config))
    annotate(spread)
    assert not bomb.exists()
    expected = rows_of(tmp_path / "alone")
    assert [row["source"] for row in rows_of(spread.out)] == [row["source"] for row in expected]
    for row, wanted in zip(rows_of(spread.out), expected, strict=True):
        assert len(row["instances"]) == len(wanted["instances"])
        for instance, other in zip(row["instances"], wanted["instances"], strict=True):
            np.testing.assert_allclose(instance["keypoints"], other["keypoints"], rtol=1e-5)


def with_detector(job: AnnotationJob, folder: Path, model: dict[str, Any]) -> Path:
    path = folder / "detector.yaml"
    content = {
        "imports": ["tests.distributed.whole_images"],
        "import_paths": [str(REPOSITORY)],
        "model": model,
    }
    path.write_text(yaml.safe_dump(content))
    return path


def test_mistakes_in_actors_are_told_as_they_are(job: Jobs, tmp_path: Path) -> None:
    weights = tmp_path / "weights.pth"
    weights.write_bytes(b"no weights")
    with pytest.raises(CheckpointError) as caught:
        annotate(job({"num_actors": 1}, weights=weights))
    assert type(caught.value) is CheckpointError
    assert str(weights) in str(caught.value)
    assert "Traceback" not in str(caught.value)


@pytest.mark.slow
def test_too_many_broken_pictures_stop_the_actors(job: Jobs) -> None:
    with pytest.raises(DataError, match=r"annotate.max_errors \(0\)"):
        annotate(job({"num_actors": 1, "max_errors": 0}))


def test_actors_that_leave_no_cpu_are_refused(job: Jobs) -> None:
    with pytest.raises(RayposeError, match=r"^annotate.num_cpus: 2 processes with 2 CPUs each"):
        annotate(job({"num_actors": 2, "num_cpus": 2.0}))


DRIVER = """
import json, sys
from pathlib import Path
from raypose.distributed.annotate import annotate
from raypose.inference.annotation.job import AnnotationJob

given = json.loads(sys.stdin.read())
paths = {name: Path(given[name]) for name in ("source", "out", "weights")}
annotate(AnnotationJob(**{**given, **paths}), show=lambda line: print(line, flush=True))
"""


@pytest.mark.slow
@pytest.mark.parametrize("num_actors", [0, 2])
def test_a_killed_job_goes_on(job: Jobs, tmp_path: Path, num_actors: int) -> None:
    annotate(job(out=tmp_path / "alone"))
    config = with_detector(job(), tmp_path, {"type": "WholeImages", "delay": 0.3})
    slow = job({"num_actors": num_actors, "shard_size": 1}, detector=str(config))
    given = {
        "config": slow.config,
        "device": "cpu",
        "detector": slow.detector,
        **{name: str(getattr(slow, name)) for name in ("source", "out", "weights")},
    }
    process = subprocess.Popen(
        [sys.executable, "-c", DRIVER],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        text=True,
        cwd=REPOSITORY,
        start_new_session=True,
    )
    assert process.stdin is not None
    process.stdin.write(json.dumps(given))
    process.stdin.close()
    until = time.monotonic() + 120
    while len(list(Path(slow.out).glob("part-*.parquet"))) < 2:
        assert process.poll() is None
        assert time.monotonic() < until
        time.sleep(0.05)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    half = len(list(Path(slow.out).glob("part-*.parquet")))
    assert half < 8
    assert not json.loads((Path(slow.out) / "_manifest.json").read_text())["complete"]
    progress = annotate(slow)
    assert progress.done == 8
    sources = [row["source"] for row in rows_of(slow.out)]
    assert sources == [row["source"] for row in rows_of(tmp_path / "alone")]


def test_a_config_that_is_no_detector(job: Jobs, tmp_path: Path) -> None:
    config = Config.from_resolved(job().config)
    path = tmp_path / "pose.yaml"
    path.write_text(config.to_yaml())
    with pytest.raises(RayposeError, match=r"a detector \(a class with detect\(\)\) is expected"):
        annotate(job(detector=str(path)))
