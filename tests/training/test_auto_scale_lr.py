"""`train.auto_scale_lr` against rates worked out by hand, as MMEngine scales them."""

from __future__ import annotations

import logging
import math
from pathlib import Path
from typing import Any

import pytest
from torch import nn

from raypose.config.sections import OptimizerSection, TrainSection
from raypose.training.launch import train_locally
from raypose.training.logs.csv_log import read_csv_log
from raypose.training.optimizer import auto_lr_factor, build_optimizer
from raypose.training.schedules import RunLength, build_schedules, rate_at
from tests.tiny_runs import load_experiment


@pytest.mark.parametrize(
    ("options", "factor"),
    [
        ({"batch_size": 64}, 1.0),
        ({"batch_size": 64, "auto_scale_lr": {"base_batch_size": 512}}, 0.125),
        ({"batch_size": 64, "accumulate": 4, "auto_scale_lr": {"base_batch_size": 512}}, 0.5),
        ({"batch_size": 1024, "auto_scale_lr": {"base_batch_size": 512}}, 2.0),
        ({"batch_size": 64, "auto_scale_lr": {"base_batch_size": 512, "enable": False}}, 1.0),
    ],
)
def test_factor(options: dict[str, Any], factor: float) -> None:
    assert auto_lr_factor(TrainSection.model_validate(options)) == factor


def test_schedules_start_from_the_scaled_rate() -> None:
    # MMEngine multiplies the rates of the optimizer before its schedules see them: factors of a
    # schedule are of the scaled rate, an absolute `eta_min` stays what it is.
    section = OptimizerSection.model_validate(
        {"type": "SGD", "lr": 0.8, "paramwise": {"bias_lr_mult": 2.0, "bias_decay_mult": 0.0}}
    )
    groups = build_optimizer(section, nn.Linear(2, 2), lr_factor=0.25).param_groups
    assert sorted(group["initial_lr"] for group in groups) == [0.2, 0.4]
    schedules = build_schedules(
        [
            {"type": "LinearLR", "start_factor": 0.5, "end": 3, "by_epoch": False},
            {"type": "CosineAnnealingLR", "begin": 5, "end": 10, "eta_min": 0.1},
        ],
        RunLength(epochs=10, steps_per_epoch=2),
    )
    # Epoch 7 is two fifths down from 0.2 to 0.1, and epoch 9 four fifths.
    down = [0.1 + (0.2 - 0.1) * (1 + math.cos(math.pi * n / 5)) / 2 for n in (2, 4)]
    rates = [rate_at(0.2, schedules, step) for step in (0, 1, 2, 14, 18)]
    assert rates == pytest.approx([0.1, 0.15, 0.2, *down])


def test_a_run_with_a_scaled_rate_says_so(
    synthetic_people: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    config = load_experiment(
        tmp_path,
        synthetic_people,
        train__epochs=1,
        train__log_every=1,
        train__accumulate=2,
        train__auto_scale_lr={"base_batch_size": 64},
        schedules=[],
    )
    with caplog.at_level(logging.INFO, "raypose"):
        train_locally(config, tmp_path / "run")
    assert "train.auto_scale_lr: lr 0.01 x 16 / 64 = 0.0025" in caplog.messages
    rows = read_csv_log(tmp_path / "run" / "log.csv")
    assert {row["lr"] for row in rows if "lr" in row} == {0.0025}
    # What goes on goes on with the rate of its checkpoint, which is scaled already.
    caplog.clear()
    longer = load_experiment(
        tmp_path,
        synthetic_people,
        train__epochs=2,
        train__log_every=1,
        train__accumulate=2,
        train__auto_scale_lr={"base_batch_size": 64},
        schedules=[],
    )
    with caplog.at_level(logging.INFO, "raypose"):
        train_locally(longer, tmp_path / "run", resume=True)
    assert not any("auto_scale_lr" in line for line in caplog.messages)
    rows = read_csv_log(tmp_path / "run" / "log.csv")
    assert {row["lr"] for row in rows if "lr" in row} == {0.0025}
