"""The page of a run: its numbers, curves, errors and config, whatever the run has so far."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np
import pytest

from raypose.config import build_dataset
from raypose.structures import Poses
from raypose.training.answers import Answer
from raypose.training.reports.run_folder import RunFolder
from raypose.training.reports.run_report import write_run_report
from tests.tiny_runs import load_experiment

LOG = """step,epoch,loss,loss_kpt,lr,samples/s,PCK,EPE
10,1,2.0,2.0,0.1,90,,
10,1,,,,,0.25,40.5
20,2,1.5,1.5,0.05,95,,
20,2,,,,,0.75,20.25
30,3,1.0,1.0,0.01,95,,
30,3,,,,,0.5,22.5
"""


@pytest.fixture
def run(synthetic_people: Path, tmp_path: Path) -> RunFolder:
    config = load_experiment(tmp_path, synthetic_people, train__epochs=3)
    folder = tmp_path / "walk"
    folder.mkdir()
    (folder / "config.yaml").write_text(config.to_yaml())
    return RunFolder.open(folder)


def words_of(path: Path) -> str:
    page = ET.fromstring(path.read_text(encoding="utf-8"))
    return " ".join(" ".join(page.itertext()).split())


def test_a_finished_run(run: RunFolder) -> None:
    (run.path / "log.csv").write_text(LOG)
    (run.path / "metrics.json").write_text('{"epochs": 3, "seconds": 75.0, "samples/s": 93.4}')
    sample = build_dataset(run.config, "val")[0]
    assert sample.keypoints is not None
    poses = Poses(keypoints=sample.keypoints + 1, keypoint_scores=np.ones((1, 17), np.float32))
    answers = [Answer(index=0, poses=poses, bbox_scale=[[9.0, 9.0]])]
    path = write_run_report(run, answers)
    assert path == run.path / "report.html"
    words = words_of(path)
    for expected in (
        "walk TopdownPoseEstimator: TinyBackbone, HeatmapHead, 3 epochs.",
        "best PCK 0.75 epoch 2",
        "last PCK 0.5 epoch 3",
        "EPE 22.5 last",
        "training 1 min 15 s 93 samples a second",
        "Training Loss",
        "Learning rate",
        "Errors of each keypoint 1 annotated poses of the validation set.",
        "How large the errors are",
        "Where it fails Lowest OKS first.",
        "Parameters 2569",
        "Input 48 x 64",
        "Keypoints 17 (coco)",
        "Optimizer AdamW, lr 0.01, weight_decay 0.01",
        "Workers this process",
        "All of it",
    ):
        assert expected in words


def test_a_run_that_has_just_begun(run: RunFolder) -> None:
    words = words_of(write_run_report(run, []))
    assert "0 epochs." in words
    assert "Config Model" in words
    assert "Errors of each keypoint" not in words


def test_a_page_elsewhere(run: RunFolder, tmp_path: Path) -> None:
    assert write_run_report(run, [], tmp_path / "deep" / "x.html").is_file()
    assert not (run.path / "report.html").exists()
