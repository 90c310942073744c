"""What a training checkpoint holds and what it refuses to be restored from."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from raypose.errors import CheckpointError
from raypose.models.checkpoint import load_checkpoint
from raypose.training.checkpoints import TrainingState
from raypose.training.ema import ExponentialMovingAverage
from tests.tiny_runs import assert_same_weights


def state_of(model: nn.Module, average: bool = False, fp16: bool = False) -> TrainingState:
    return TrainingState(
        model=model,
        optimizer=torch.optim.AdamW(model.parameters(), lr=0.1),
        scaler=torch.amp.GradScaler("cpu", enabled=fp16),
        ema=ExponentialMovingAverage(model, momentum=0.5, gamma=None) if average else None,
        config="model: {}\n",
    )


def step(state: TrainingState) -> None:
    loss = state.model(torch.ones(2, 3)).sum()
    state.scaler.scale(loss).backward()
    state.scaler.step(state.optimizer)
    state.scaler.update()
    state.optimizer.zero_grad()
    if state.ema is not None:
        state.ema.update()


def saved(state: TrainingState, folder: Path) -> Path:
    state.save(folder / "last.pth")
    return folder / "last.pth"


def linear(seed: int) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Linear(3, 2)


@pytest.mark.parametrize("fp16", [False, True])
def test_a_restored_state_goes_on_alike(tmp_path: Path, fp16: bool) -> None:
    first, second = (state_of(linear(seed), average=True, fp16=fp16) for seed in (0, 1))
    step(first)
    first.epoch, first.best, first.seconds = 3, 0.5, 7.0
    first.metrics, first.history = {"PCK": 0.5}, [{"epoch": 1, "loss": 2.0}]
    second.restore(saved(first, tmp_path))
    for name in ("epoch", "best", "seconds", "metrics", "history"):
        assert getattr(second, name) == getattr(first, name)
    for state in (first, second):
        step(state)
    assert_same_weights(first.model.state_dict(), second.model.state_dict())
    assert first.ema is not None
    assert second.ema is not None
    assert_same_weights(first.ema.values, second.ema.values)
    assert second.ema.steps == 2


def test_the_file_is_data_only_and_holds_the_average(tmp_path: Path) -> None:
    state = state_of(linear(0), average=True)
    step(state)
    content = torch.load(saved(state, tmp_path), weights_only=True)
    assert content["config"] == "model: {}\n"
    assert state.ema is not None
    assert_same_weights(content["state_dict"], state.ema.values)
    assert_same_weights(content["raw_state_dict"], state.model.state_dict())
    loaded = nn.Linear(3, 2)
    load_checkpoint(loaded, tmp_path / "last.pth")
    assert_same_weights(loaded.state_dict(), state.ema.values)


def test_an_average_may_be_added_on_resuming(tmp_path: Path) -> None:
    plain = state_of(linear(0))
    step(plain)
    averaged = state_of(linear(1), average=True)
    averaged.restore(saved(plain, tmp_path))
    assert averaged.ema is not None
    assert_same_weights(averaged.ema.values, plain.model.state_dict())


def test_weights_alone_are_no_state(tmp_path: Path) -> None:
    torch.save({"state_dict": linear(0).state_dict()}, tmp_path / "weights.pth")
    with pytest.raises(CheckpointError, match=r"lacks \['epoch', 'optimizer'\].*train.load_from"):
        state_of(linear(0)).restore(tmp_path / "weights.pth")


def test_the_state_of_another_model_or_optimizer(tmp_path: Path) -> None:
    path = saved(state_of(linear(0)), tmp_path)
    with pytest.raises(
        CheckpointError, match=r"(?s)cannot resume .*another model or optimizer.*size"
    ):
        state_of(nn.Linear(3, 4)).restore(path)
    other = state_of(linear(0))
    groups = [{"params": [parameter]} for parameter in other.model.parameters()]
    other.optimizer = torch.optim.AdamW(groups)
    with pytest.raises(CheckpointError, match=r"another model or optimizer: .*parameter group"):
        other.restore(path)


def test_a_damaged_file(tmp_path: Path) -> None:
    (tmp_path / "last.pth").write_bytes(b"not a checkpoint")
    with pytest.raises(CheckpointError, match=r"last.pth"):
        state_of(linear(0)).restore(tmp_path / "last.pth")
