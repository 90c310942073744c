"""Schedules against values worked out by hand (and by MMEngine's recursions)."""

from __future__ import annotations

import math

import pytest

from raypose.errors import ConfigError
from raypose.training.schedules import RunLength, build_schedules, rate_at

RUN = RunLength(epochs=10, steps_per_epoch=5)


def rates(configs: list[dict[str, object]], steps: list[int], base: float = 1.0) -> list[float]:
    schedules = build_schedules(configs, RUN)
    return [rate_at(base, schedules, step) for step in steps]


def test_linear_warmup_reaches_the_rate_at_its_last_step() -> None:
    warmup = {"type": "LinearLR", "start_factor": 0.1, "by_epoch": False, "begin": 0, "end": 10}
    assert rates([warmup], [0, 3, 9, 10, 40]) == pytest.approx([0.1, 0.4, 1.0, 1.0, 1.0])


def test_multistep_counts_epochs_unless_told_otherwise() -> None:
    config = {"type": "MultiStepLR", "milestones": [2, 8], "gamma": 0.1}
    assert rates([config], [9, 10, 39, 40, 49]) == pytest.approx([1, 0.1, 0.1, 0.01, 0.01])
    in_steps = {**config, "by_epoch": False, "end": 50}
    assert rates([in_steps], [1, 2, 7, 8]) == pytest.approx([1, 0.1, 0.1, 0.01])


def test_cosine_begins_where_the_schedule_before_left_off() -> None:
    chain = [
        {"type": "LinearLR", "start_factor": 0.5, "end_factor": 0.8, "end": 2, "by_epoch": True},
        {"type": "CosineAnnealingLR", "begin": 5, "end": 10, "eta_min": 0.1},
    ]
    # epoch granularity: epoch 7 is two fifths down from 0.8 to 0.1
    expected = 0.1 + 0.7 * (1 + math.cos(math.pi * 2 / 5)) / 2
    assert rates(chain, [20, 35, 39]) == pytest.approx([0.8, expected, expected])


def test_converted_cosine_moves_in_every_step() -> None:
    cosine = {"type": "CosineAnnealingLR", "T_max": 10, "convert_to_iter_based": True}
    halves = [(1 + math.cos(math.pi * step / 50)) / 2 for step in (0, 7, 25, 49)]
    assert rates([cosine], [0, 7, 25, 49]) == pytest.approx(halves)


def test_lowest_rate_as_a_ratio() -> None:
    cosine = {"type": "CosineAnnealingLR", "eta_min_ratio": 0.05, "by_epoch": False}
    assert rates([cosine], [50], base=4.0) == pytest.approx([0.2])


def test_the_other_shapes() -> None:
    assert rates([{"type": "StepLR", "step_size": 3, "gamma": 0.5}], [14, 15, 30]) == [1, 0.5, 0.25]
    assert rates([{"type": "ExponentialLR", "gamma": 0.5}], [4, 5, 10]) == [1, 0.5, 0.25]
    assert rates([{"type": "ConstantLR", "factor": 0.3, "end": 2}], [9, 10]) == [0.3, 1]
    quadratic = {"type": "QuadraticWarmupLR", "by_epoch": False, "end": 4}
    assert rates([quadratic], [0, 1, 3, 9]) == pytest.approx([1 / 16, 4 / 16, 1, 1])


def test_fractions_are_shares_of_the_run() -> None:
    config = {"type": "ConstantLR", "factor": 0.5, "begin": 0.2, "end": 0.6, "by_epoch": False}
    assert rates([config], [9, 10, 29, 30]) == [1, 0.5, 0.5, 1]


def test_mistakes_are_named() -> None:
    with pytest.raises(ConfigError, match="Did you mean 'LinearLR'"):
        build_schedules([{"type": "LinerLR"}], RUN)
    with pytest.raises(ConfigError, match="takes no argument 'gama'"):
        build_schedules([{"type": "StepLR", "step_size": 1, "gama": 1}], RUN)
    with pytest.raises(ConfigError, match=r"end \(2\) must come after begin \(3\)"):
        build_schedules([{"type": "LinearLR", "begin": 3, "end": 2}], RUN)
    with pytest.raises(ConfigError, match="not both"):
        build_schedules([{"type": "CosineAnnealingLR", "eta_min": 0, "eta_min_ratio": 0}], RUN)
