"""Trainings on several nodes that lose a worker, a node or the driver: the undisturbed run."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from raypose.training.launch import train_locally
from tests.distributed.test_train import assert_same_run, config_of, curve
from tests.tiny_runs import REPOSITORY

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def reference(synthetic_people: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run that nothing disturbs, in one process."""
    folder = tmp_path_factory.mktemp("reference")
    train_locally(config_of(folder, synthetic_people), folder / "run")
    return folder / "run"


@pytest.mark.parametrize(
    ("event", "loader"),
    [
        ("worker", "local"),
        ("node", "local"),
        # The workers own all that is left then, and Ray Data has to find its way all the same.
        ("node", "ray"),
        ("notice", "local"),
        ("driver", "local"),
    ],
)
def test_a_disturbed_run_goes_on_alike(
    synthetic_people: Path, tmp_path: Path, reference: Path, event: str, loader: str
) -> None:
    log = disturb(tmp_path, synthetic_people, event, nodes=3, num_workers=2, data__loader=loader)
    assert ("a node is about to go: saved after step" in log) == (event == "notice")
    assert_undisturbed(tmp_path / "run", reference, log)


@pytest.mark.parametrize(
    ("event", "nodes", "step_delay", "sizes"),
    [("node", 2, 0.5, ["2", "1"]), ("more", 1, 3.0, ["1", "2"])],
)
def test_a_run_that_follows_the_cluster_goes_on_alike(
    synthetic_people: Path,
    tmp_path: Path,
    reference: Path,
    event: str,
    nodes: int,
    step_delay: float,
    sizes: list[str],
) -> None:
    log = disturb(tmp_path, synthetic_people, event, nodes, [1, 2], step_delay)
    assert re.findall(r"^workers: (\d)$", log, re.MULTILINE) == sizes
    assert_undisturbed(tmp_path / "run", reference, log)


def disturb(
    folder: Path,
    data: Path,
    event: str,
    nodes: int,
    num_workers: Any,
    step_delay: float = 0.5,
    **changes: Any,
) -> str:
    """Let something happen to a training on nodes with a CPU each, and return its log."""
    bomb = folder / "bomb"
    config = config_of(
        folder,
        data,
        model__backbone={"type": "TinyBackbone", "die": str(bomb), "step_delay": step_delay},
        train__save_every_steps=2,
        cluster={
            "num_workers": num_workers,
            "resources_per_worker": {"CPU": 1.0},
            "elastic_resize_monitor_interval_s": 2.0,
        },
        **changes,
    )
    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump(config.data))
    given = {"config": str(path), "work_dir": str(folder / "run"), "bomb": str(bomb)}
    given_file = folder / "given.json"
    given_file.write_text(json.dumps({**given, "event": event, "nodes": nodes}))
    script = Path(__file__).with_name("training_on_nodes.py")
    # Ray tries the number of workers that there was for so long.
    patience = {"RAY_TRAIN_WORKER_GROUP_START_TIMEOUT_S": "15"}
    done = subprocess.run(
        [sys.executable, str(script), str(given_file)],
        cwd=REPOSITORY,
        env={**os.environ, **patience, "PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stderr


def assert_undisturbed(work_dir: Path, reference: Path, log: str) -> None:
    assert "going on after" in log
    # The steps that were done twice are there once.
    steps = [row["step"] for row in curve(work_dir) if "lr" in row]
    assert steps == list(range(1, len(steps) + 1))
    assert_same_run(work_dir, reference)
