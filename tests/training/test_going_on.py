"""Runs that are stopped or die in the midst of an epoch, and go on as if nothing had happened."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from raypose.config import Config
from raypose.errors import CheckpointError, RunStoppedError
from raypose.structures import PoseBatch
from raypose.training import setup
from raypose.training.launch import train_locally
from raypose.training.logs.csv_log import read_csv_log
from raypose.training.train_step import TrainStep
from tests.tiny_runs import assert_same_weights, load_experiment
from tests.training.processes import train_in_processes

# Six batches an epoch, the last two of them a step of the optimizer of their own.
EVERYTHING: dict[str, Any] = {
    "train__epochs": 3,
    "train__batch_size": 3,
    "train__accumulate": 4,
    "train__log_every": 1,
    "train__val_interval": 2,
    "train__ema": {"momentum": 0.1, "gamma": 4},
    "train__clip_grad": 1.0,
    "model__backbone": {"type": "TinyBackbone", "norm": True, "dropout": 0.2},
    "schedules": [
        {"type": "LinearLR", "start_factor": 0.1, "by_epoch": False, "begin": 0, "end": 3},
        {"type": "CosineAnnealingLR", "eta_min_ratio": 0.1, "convert_to_iter_based": True},
    ],
    "data__train__dataset__indices": 18,
}


class DiesError(Exception):
    """Stands for a process that dies."""


@pytest.fixture
def act(monkeypatch: pytest.MonkeyPatch) -> Callable[[int, Callable[[], None]], None]:
    """Do something in a batch of the run, counted from 0 over all epochs."""

    def at(number: int, action: Callable[[], None]) -> None:
        count = 0

        class Acting(TrainStep):
            def forward(self, batch: PoseBatch) -> dict[str, Tensor]:
                nonlocal count
                count += 1
                if count - 1 == number:
                    action()
                return super().forward(batch)

        monkeypatch.setattr(setup, "TrainStep", Acting)

    return at


@pytest.fixture(scope="module")
def whole(synthetic_people: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The work folder of a run that nothing has disturbed."""
    folder = tmp_path_factory.mktemp("whole")
    train_locally(config_of(folder, synthetic_people), folder / "run")
    return folder / "run"


def config_of(folder: Path, data: Path, **changes: Any) -> Config:
    return load_experiment(folder, data, **{**EVERYTHING, **changes})


def read(work_dir: Path) -> dict[str, Any]:
    return torch.load(work_dir / "last.pth", weights_only=True)


def curve(work_dir: Path) -> list[dict[str, float]]:
    """Return what was logged, but for times."""
    rows = read_csv_log(work_dir / "log.csv")
    return [{k: v for k, v in row.items() if k != "samples/s"} for row in rows]


def assert_same_run(found: Path, expected: Path) -> None:
    assert curve(found) == curve(expected)
    ours, theirs = read(found), read(expected)
    for name in ("state_dict", "raw_state_dict"):
        assert_same_weights(ours[name], theirs[name])
    assert ours["history"] == theirs["history"]
    assert ours["ema_steps"] == theirs["ema_steps"]


def assert_about_the_same_run(found: Path, expected: Path) -> None:
    """Check that runs of other numbers of processes differ by rounding only."""
    for ours, theirs in zip(curve(found), curve(expected), strict=True):
        # At times that moves the peak of a heatmap by a cell.
        assert ours == pytest.approx(theirs, rel=1e-4 if "loss" in theirs else 0.02, abs=1e-6)
    for name in ("state_dict", "raw_state_dict"):
        ours, theirs = (read(folder).get(name, {}) for folder in (found, expected))
        assert ours.keys() == theirs.keys()
        for key, value in theirs.items():
            torch.testing.assert_close(ours[key], value, rtol=2e-3, atol=2e-5)


def send_sigterm() -> None:
    os.kill(os.getpid(), signal.SIGTERM)


@pytest.mark.parametrize(
    ("batch", "epoch", "step"),
    [
        (0, 0, 4),  # the step of the optimizer is finished first
        (3, 0, 4),
        (9, 1, 4),
        (11, 1, 6),  # what is left is the validation
        (17, 2, 6),
    ],
)
def test_a_run_that_sigterm_stops_goes_on_alike(
    synthetic_people: Path,
    tmp_path: Path,
    whole: Path,
    act: Any,
    batch: int,
    epoch: int,
    step: int,
) -> None:
    config = config_of(tmp_path, synthetic_people)
    before = signal.getsignal(signal.SIGTERM)
    act(batch, send_sigterm)
    with pytest.raises(
        RunStoppedError, match=rf"saved after step {step} of 6 of epoch {epoch + 1}; .*--resume"
    ):
        train_locally(config, tmp_path / "run")
    assert signal.getsignal(signal.SIGTERM) is before
    assert (read(tmp_path / "run")["epoch"], read(tmp_path / "run")["step"]) == (epoch, step)
    train_locally(config, tmp_path / "run", resume=True)
    assert_same_run(tmp_path / "run", whole)


def test_a_run_that_dies_goes_on_from_the_last_of_its_steps_that_was_saved(
    synthetic_people: Path, tmp_path: Path, whole: Path, act: Any
) -> None:
    def die() -> None:
        raise DiesError

    config = config_of(tmp_path, synthetic_people, train__save_every_steps=1)
    act(10, die)
    with pytest.raises(DiesError):
        train_locally(config, tmp_path / "run")
    assert (read(tmp_path / "run")["epoch"], read(tmp_path / "run")["step"]) == (1, 4)
    act(3, die)  # after the validation of the second epoch
    with pytest.raises(DiesError):
        train_locally(config, tmp_path / "run", resume=True)
    assert (read(tmp_path / "run")["epoch"], read(tmp_path / "run")["step"]) == (2, 0)
    train_locally(config, tmp_path / "run", resume=True)
    assert_same_run(tmp_path / "run", whole)


def test_checkpoints_come_every_so_many_steps(
    synthetic_people: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from raypose.training.runtime import LocalRuntime

    saved = []
    report = LocalRuntime.report

    def note(self: LocalRuntime, metrics: Any, checkpoint: Any, best: bool) -> None:
        saved.append((metrics["epoch"], metrics["step"], "loss" in metrics))
        report(self, metrics, checkpoint, best)

    monkeypatch.setattr(LocalRuntime, "report", note)
    config = config_of(tmp_path, synthetic_people, train__accumulate=2, train__save_every_steps=4)
    train_locally(config, tmp_path / "run")
    # Three steps an epoch; the validation after the second epoch saves as well.
    assert saved == [(1, 2, False), (2, 0, True), (3, 0, True)]


def test_a_second_sigterm_ends_the_process_at_once(
    synthetic_people: Path, tmp_path: Path, act: Any
) -> None:
    def ask_twice() -> None:
        send_sigterm()
        send_sigterm()

    def end(number: int, frame: Any) -> None:
        raise DiesError

    before = signal.signal(signal.SIGTERM, end)
    try:
        act(1, ask_twice)
        with pytest.raises(DiesError):
            train_locally(config_of(tmp_path, synthetic_people), tmp_path / "run")
    finally:
        signal.signal(signal.SIGTERM, before)
    assert not (tmp_path / "run" / "last.pth").exists()


@pytest.mark.parametrize("changes", [{"train__batch_size": 4}, {"train__accumulate": 3}])
def test_what_is_left_of_an_epoch_must_be_what_was_left(
    synthetic_people: Path, tmp_path: Path, act: Any, changes: dict[str, Any]
) -> None:
    act(1, send_sigterm)
    with pytest.raises(RunStoppedError):
        train_locally(config_of(tmp_path, synthetic_people), tmp_path / "run")
    other = config_of(tmp_path, synthetic_people, **changes)
    with pytest.raises(CheckpointError, match=r"step 4 of 6 of epoch 1, which now has \d steps"):
        train_locally(other, tmp_path / "run", resume=True)


# A bias before a batch norm has no gradient but rounding, of which Adam would make whole steps.
SGD = {"type": "SGD", "lr": 0.02, "momentum": 0.9}
STOPS = {"type": "StoppingBackbone", "batch": 9, "rank": 1, "norm": True}


def test_processes_stop_together_and_one_may_go_on_alone(
    synthetic_people: Path, tmp_path: Path
) -> None:
    # Shares of 2 and 1 samples of a batch: means and statistics over processes weigh them.
    common: dict[str, Any] = {"train__ema": None, "train__accumulate": 2, "train__sync_bn": True}
    common |= {"model__backbone": {"type": "TinyBackbone", "norm": True}, "optimizer": SGD}
    config = config_of(tmp_path, synthetic_people, **common)
    train_locally(config, tmp_path / "alone")
    stopped = config_of(
        tmp_path,
        synthetic_people,
        **{**common, "model__backbone": STOPS},
        imports=["tests.training.stopping"],
    )
    with pytest.raises(Exception, match=r"RunStoppedError.*saved after step 4 of 6 of epoch 2"):
        train_in_processes(stopped, tmp_path / "run", 2)
    train_locally(config, tmp_path / "run", resume=True)
    assert_about_the_same_run(tmp_path / "run", tmp_path / "alone")
