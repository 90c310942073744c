"""Trainings on several nodes that lose a worker, a node or the driver: the undisturbed run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

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


@pytest.mark.parametrize("event", ["worker", "node", "notice", "driver"])
def test_a_disturbed_run_goes_on_alike(
    synthetic_people: Path, tmp_path: Path, reference: Path, event: str
) -> None:
    bomb = tmp_path / "bomb"
    config = config_of(
        tmp_path,
        synthetic_people,
        model__backbone={"type": "TinyBackbone", "die": str(bomb), "step_delay": 0.5},
        train__save_every_steps=2,
        cluster={"num_workers": 2, "resources_per_worker": {"CPU": 1.0}},
    )
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump(config.data))
    given = {"config": str(path), "work_dir": str(tmp_path / "run"), "bomb": str(bomb)}
    (tmp_path / "given.json").write_text(json.dumps({**given, "event": event}))
    script = Path(__file__).with_name("training_on_nodes.py")
    done = subprocess.run(
        [sys.executable, str(script), str(tmp_path / "given.json")],
        cwd=REPOSITORY,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert "going on after" in done.stderr
    assert ("a node is about to go: saved after step" in done.stderr) == (event == "notice")
    # The steps that were done twice are there once.
    steps = [row["step"] for row in curve(tmp_path / "run") if "lr" in row]
    assert steps == list(range(1, len(steps) + 1))
    assert_same_run(tmp_path / "run", reference)
