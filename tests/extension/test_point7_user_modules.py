"""Contract 7: modules under `imports:` are there in every process that needs them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.extension.conftest import Trained
from tests.extension.runs import predict

REPOSITORY = Path(__file__).resolve().parents[2]
ANSWER = """
import sys
from pathlib import Path
from tests.extension.runs import predict
for poses in predict(Path(sys.argv[1]), Path(sys.argv[2])):
    print(poses.keypoints.tobytes().hex())
"""


def test_a_checkpoint_alone_answers_in_a_new_process(trained: Trained, project: Path) -> None:
    """The file names the user's modules and where they are; nothing else is handed over."""
    _, work_dir, _ = trained("wrapped")
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", ANSWER, str(work_dir), str(project)],
        cwd=work_dir,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    answers = [np.frombuffer(bytes.fromhex(line), np.float32) for line in done.stdout.split()]
    expected = predict(work_dir, project)
    assert len(answers) == len(expected)
    for answer, poses in zip(answers, expected, strict=True):
        np.testing.assert_allclose(answer, poses.keypoints.reshape(-1), rtol=1e-5, atol=1e-3)


@pytest.mark.ray
@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", ["wrapped", pytest.param("grid", marks=pytest.mark.slow)])
def test_the_same_yaml_on_a_cluster_of_two_nodes(project: Path, tmp_path: Path, name: str) -> None:
    """Ray Train, Ray Data and Ray Serve; only YAML says so, and both nodes have the classes."""
    facts = run_two_nodes(project, name, tmp_path)
    assert facts["nodes"] == 2
    assert facts["train_nodes"] == facts["annotate_nodes"] == facts["serve_nodes"] == 2
    assert facts["train"]["epochs"] == 6
    assert facts["train"]["Hits"] > 0.1
    assert (tmp_path / "last.pth").is_file()
    rows = facts["annotate"]
    assert [row["source"] for row in rows] == [f"{i:06d}.jpg" for i in range(4)]
    assert all(row["error"] is None for row in rows)
    # What the service says of the first image is what the annotation says of it, and more than
    # nothing: the one checkpoint, through two kinds of Ray's workers.
    served, annotated = _keypoints(facts["serve"]), _keypoints(rows[0]["instances"])
    assert served.shape == annotated.shape
    assert served.shape[1:] == (17, 2)
    assert len(served) > 1
    np.testing.assert_allclose(served, annotated, atol=0.01)


def run_two_nodes(project: Path, name: str, out: Path) -> dict[str, Any]:
    """Run the script beside this file; a cluster of its own needs a process of its own."""
    script = Path(__file__).with_name("two_nodes.py")
    # The user's folder is on no path: workers know of it by the config.
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    process = subprocess.Popen(
        [sys.executable, str(script), str(project), name, str(out)],
        cwd=out,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        said, _ = process.communicate(timeout=240)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGTERM)  # it then takes its cluster down
        said, _ = process.communicate(timeout=30)
    assert process.returncode == 0, said
    return json.loads((out / "facts.json").read_text())


def _keypoints(instances: list[dict[str, Any]]) -> np.ndarray:
    return np.array([instance["keypoints"] for instance in instances])
