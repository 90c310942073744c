"""Steps that are no numbers: named with their samples, or left out without a trace."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from raypose.config import build_dataset
from raypose.errors import RayposeError
from raypose.structures import PoseBatch
from raypose.training import setup
from raypose.training.feeds.order import SampleOrder, SamplePool, image_numbers
from raypose.training.launch import train_locally
from raypose.training.train_step import TrainStep
from tests.tiny_runs import assert_same_weights, dataset, load_experiment
from tests.training.processes import train_in_processes

Spoil = Callable[[Tensor], Tensor]
SPOILS: dict[str, Spoil] = {
    "loss": lambda loss: loss * float("nan"),
    # The square root of 0 is 0, its slope is not finite.
    "gradient": lambda loss: loss + (loss * 0).sqrt(),
}


@pytest.fixture
def spoil(monkeypatch: pytest.MonkeyPatch) -> Callable[[str, set[int]], list[Any]]:
    """Spoil the loss or gradient of some batches of a run, counted from 0.

    The list that it returns gets the samples of each of them and the weights before it.
    """

    def start(kind: str, numbers: set[int]) -> list[Any]:
        seen: list[Any] = []
        count = 0

        class Spoiled(TrainStep):
            def forward(self, batch: PoseBatch) -> dict[str, Tensor]:
                nonlocal count
                count += 1
                if count - 1 not in numbers:
                    return super().forward(batch)
                weights = {k: v.clone() for k, v in self.estimator.state_dict().items()}
                seen.append((batch.ids, batch.files, weights))
                parts = super().forward(batch)
                return {**parts, "loss": SPOILS[kind](parts["loss"])}

        monkeypatch.setattr(setup, "TrainStep", Spoiled)
        return seen

    return start


@pytest.mark.parametrize("kind", ["loss", "gradient"])
def test_the_samples_are_named_at_the_next_log_line(
    synthetic_people: Path, tmp_path: Path, spoil: Any, kind: str
) -> None:
    seen = spoil(kind, {1})
    config = load_experiment(tmp_path, synthetic_people, train__batch_size=4, train__log_every=3)
    with pytest.raises(RayposeError) as caught:
        train_locally(config, tmp_path / "run")
    told = str(caught.value)
    assert told.startswith(f"epoch 1, step 2: the {kind} is not finite for the batch of '")
    ids, files, _ = seen[0]
    assert len(ids) == 4
    for name, file in zip(ids, files, strict=True):
        assert f"'{name}' ({file})" in told
    assert told.count("(") == 4
    assert not (tmp_path / "run" / "last.pth").exists()


@pytest.mark.parametrize("kind", ["loss", "gradient"])
@pytest.mark.parametrize("accumulate", [1, 2])
def test_a_step_left_out_changes_nothing(
    synthetic_people: Path,
    tmp_path: Path,
    spoil: Any,
    caplog: pytest.LogCaptureFixture,
    kind: str,
    accumulate: int,
) -> None:
    config = load_experiment(
        tmp_path,
        synthetic_people,
        train__epochs=1,
        train__batch_size=2,
        train__accumulate=accumulate,
        train__on_nan="skip",
        train__clip_grad=1.0,
        train__ema={"momentum": 0.1, "gamma": 4},
        model__backbone={"type": "TinyBackbone", "norm": True},
        data__train__dataset__indices=8,
    )
    seen = spoil(kind, {3})  # the last of four
    with caplog.at_level(logging.WARNING, "raypose"):
        train_locally(config, tmp_path / "run")
    assert any(seen[0][0][0] in line and "left out" in line for line in caplog.messages)
    content = torch.load(tmp_path / "run" / "last.pth", weights_only=True)
    steps = 4 // accumulate - 1
    assert content["ema_steps"] == steps
    for state in content["optimizer"]["state"].values():
        assert state["step"] == steps
    if accumulate == 1:
        assert_same_weights(content["raw_state_dict"], seen[0][2])
    (row,) = content["history"]
    assert row["skipped"] == 1
    assert 0 < row["loss"] < 10


def test_a_loss_left_out_leaves_the_scale_of_fp16_alone(
    synthetic_people: Path, tmp_path: Path, spoil: Any
) -> None:
    config = load_experiment(
        tmp_path,
        synthetic_people,
        train__epochs=1,
        train__batch_size=2,
        train__amp="fp16",
        train__on_nan="skip",
        data__train__dataset__indices=8,
    )
    seen = spoil("loss", {0, 1, 2, 3})
    train_locally(config, tmp_path / "run")
    content = torch.load(tmp_path / "run" / "last.pth", weights_only=True)
    # A loss that overflows by itself would have halved it.
    assert (content["scaler"]["scale"], content["scaler"]["_growth_tracker"]) == (65536.0, 0)
    assert_same_weights(content["state_dict"], seen[0][2])
    (row,) = content["history"]
    assert row["skipped"] == 4
    assert "loss" not in row


def test_only_so_many_one_after_the_other(
    synthetic_people: Path, tmp_path: Path, spoil: Any
) -> None:
    changes: dict[str, Any] = {"train__batch_size": 2, "train__on_nan": "skip"}
    changes |= {"train__max_nan_skips": 2, "data__train__dataset__indices": 12}
    config = load_experiment(tmp_path, synthetic_people, train__epochs=1, **changes)
    spoil("loss", {0, 1, 3, 4})
    train_locally(config, tmp_path / "apart")
    spoil("loss", {1, 2, 3})
    with pytest.raises(RayposeError, match=r"step 4: .* 3 steps one after .*train.max_nan_skips"):
        train_locally(config, tmp_path / "run")


def test_processes_leave_a_step_out_together(synthetic_people: Path, tmp_path: Path) -> None:
    # Four batches; without the last one the run is that of three batches in one process.
    common: dict[str, Any] = {"train__epochs": 1, "train__batch_size": 4, "metrics": []}
    common |= {"imports": ["tests.training.spoiling"], "schedules": [], "train__on_nan": "skip"}
    common["data__train__dataset"] = dataset(synthetic_people, "train", indices=16)
    backbone = {"type": "SpoilingBackbone", "batches": [3], "rank": 1}
    config = load_experiment(tmp_path, synthetic_people, **common, model__backbone=backbone)
    train_in_processes(config, tmp_path / "two", 2)
    content = torch.load(tmp_path / "two" / "last.pth", weights_only=True)
    assert content["history"][0]["skipped"] == 1
    assert all(state["step"] == 3 for state in content["optimizer"]["state"].values())
    order = SampleOrder(
        pool=SamplePool(sizes=(16,)),
        batch_size=4,
        images=image_numbers(build_dataset(config, "train")),
    ).epoch(0)
    stop = load_experiment(
        tmp_path, synthetic_people, **{**common, "train__on_nan": "stop"}, model__backbone=backbone
    )
    with pytest.raises(Exception, match=r"epoch 1, step 4: the loss is not finite") as caught:
        train_in_processes(stop, tmp_path / "stop", 2)
    names = [build_dataset(stop, "train")[int(index)].id for index in order[3]]
    told = str(caught.value)
    assert [f"'{name}'" in told for name in names] == [False, False, True, True], (
        "rank 1 has the last two"
    )
    assert not (tmp_path / "stop" / "last.pth").exists()
