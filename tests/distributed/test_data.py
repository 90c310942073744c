"""The stream of one training process."""

from __future__ import annotations

import itertools
import time
from pathlib import Path
from typing import Any

import pytest

from raypose.config import build_dataset
from raypose.distributed.data import RayFeed, StoredSplits
from raypose.distributed.pacing import Paced
from raypose.training.order import SampleOrder
from tests.tiny_runs import load_experiment

pytestmark = [pytest.mark.usefixtures("ray_session"), pytest.mark.timeout(120)]


@pytest.fixture
def rounds(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Times of the rounds of Ray Data's loop."""
    times: list[float] = []
    step = Paced.on_execution_step

    def count(self: Paced, executor: Any) -> None:
        times.append(time.monotonic())
        step(self, executor)

    monkeypatch.setattr(Paced, "on_execution_step", count)
    return times


def test_ray_data_pauses_while_the_model_is_busy(
    synthetic_people: Path, tmp_path: Path, rounds: list[float]
) -> None:
    config = load_experiment(tmp_path, synthetic_people)
    samples = build_dataset(config, "train")
    order = SampleOrder(num_samples=len(samples), batch_size=2)
    feed = RayFeed(config, order, StoredSplits.put(samples, samples), 2, cpus=1)
    batches = feed.train(0, 2000 // order.steps_per_epoch)
    next(batches)
    rounds.clear()
    time.sleep(1)  # a step of the model, during which Ray Data may get as far ahead as it likes
    during = list(rounds)
    next(batches)
    assert during, "the loop was paced"
    pauses = [after - before for before, after in itertools.pairwise(during)]
    assert min(pauses) >= Paced.PAUSE
