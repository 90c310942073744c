"""What is read from the folder of a run."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from raypose.errors import RayposeError
from raypose.training.reports.run_folder import RunFolder
from tests.tiny_runs import load_experiment


@pytest.fixture
def folder(synthetic_people: Path, tmp_path: Path) -> Path:
    config = load_experiment(tmp_path, synthetic_people)
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "config.yaml").write_text(config.to_yaml())
    return tmp_path / "run"


def test_a_run_that_has_just_begun(folder: Path) -> None:
    run = RunFolder.open(folder)
    assert run.checkpoint is None
    assert run.rows() == []
    assert run.summary() == {}
    assert run.answers() is None
    assert run.config.train.epochs == 2


def test_the_best_checkpoint_or_the_last(folder: Path) -> None:
    torch.save({}, folder / "last.pth")
    assert RunFolder.open(folder).checkpoint == folder / "last.pth"
    torch.save({}, folder / "best.pth")
    assert RunFolder.open(folder).checkpoint == folder / "best.pth"


def test_without_a_log_the_history_of_the_checkpoint_is_read(folder: Path) -> None:
    history = [
        {"epoch": 1, "loss": 2.0, "lr": 0.1},
        {"epoch": 2, "loss": 1.0, "lr": 0.1, "EPE": 9.0},
    ]
    torch.save({"history": history, "metrics": {"EPE": 9.0}}, folder / "last.pth")
    training = {"step": 1, "epoch": 1, "loss": 2.0, "lr": 0.1}
    assert RunFolder.open(folder).rows() == [
        training,
        {**training, "step": 2, "epoch": 2, "loss": 1.0},
        {"step": 2, "epoch": 2, "EPE": 9.0},
    ]
    (folder / "log.csv").write_text("step,epoch,loss,lr\n10,1,3.5,0.1\n")
    assert RunFolder.open(folder).rows() == [{"step": 10, "epoch": 1, "loss": 3.5, "lr": 0.1}]


def test_numbers_that_are_none_are_left_out(folder: Path) -> None:
    (folder / "metrics.json").write_text('{"EPE": null, "epochs": 3}')
    assert RunFolder.open(folder).summary() == {"epochs": 3}


def test_folders_that_are_no_runs(tmp_path: Path) -> None:
    with pytest.raises(RayposeError, match=r"no config.yaml in it; the folder of a training run"):
        RunFolder.open(tmp_path)
    with pytest.raises(RayposeError, match=r"none: no such folder"):
        RunFolder.open(tmp_path / "none")
