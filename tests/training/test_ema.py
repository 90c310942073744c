"""The moving average against its formula."""

from __future__ import annotations

import math

import torch
from torch import nn

from raypose.training.ema import ExponentialMovingAverage


def test_average_follows_the_formula_and_copies_counters() -> None:
    model = nn.BatchNorm1d(1)
    assert model.running_mean is not None
    assert model.num_batches_tracked is not None
    average = ExponentialMovingAverage(model, momentum=0.1, gamma=5)
    expected = 1.0
    for step in range(3):
        with torch.no_grad():
            model.weight.fill_(float(step + 2))
            model.num_batches_tracked.fill_(step + 7)
        average.update()
        share = 0.1 + 0.9 * math.exp(-(1 + step) / 5)
        expected += (step + 2 - expected) * share
    assert float(average.values["weight"]) == torch.tensor(expected, dtype=torch.float32)
    assert average.values["num_batches_tracked"] == 9
    assert not average.values["weight"].requires_grad


def test_statistics_are_copied_unless_averaged() -> None:
    model = nn.BatchNorm1d(1)
    assert model.running_mean is not None
    assert model.num_batches_tracked is not None
    average = ExponentialMovingAverage(model, momentum=0.5, gamma=None, update_buffers=False)
    with torch.no_grad():
        model.running_mean.fill_(4.0)
        model.weight.fill_(3.0)
    average.update()
    assert average.values["running_mean"] == 4.0
    assert float(average.values["weight"]) == 2.0
