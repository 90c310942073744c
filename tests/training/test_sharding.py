"""FSDP2 in two processes: the run of one process, and checkpoints that any number goes on from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import FSDPModule
from torch.distributed.tensor import DTensor

from raypose.config import Config, build_model
from raypose.errors import ConfigError, RunStoppedError
from raypose.models.estimators.base import BasePoseEstimator
from raypose.training.launch import train_locally
from raypose.training.sharding import all_whole, put_together, shard, spread_weights
from tests.tiny_runs import load_experiment
from tests.training.processes import in_processes, train_in_processes
from tests.training.test_going_on import (
    EVERYTHING,
    SGD,
    STOPS,
    act,
    assert_about_the_same_run,
    read,
    send_sigterm,
)

__all__ = ["act"]


def config_of(folder: Path, data: Path, backbone: dict[str, Any]) -> Config:
    changes = {**EVERYTHING, "train__accumulate": 2, "model__backbone": backbone}
    changes |= {"train__sync_bn": True, "optimizer": SGD}
    return load_experiment(folder, data, **changes, imports=["tests.training.stopping"])


def test_a_run_is_that_of_one_process_and_goes_on_from_one_to_two_and_back(
    synthetic_people: Path, tmp_path: Path, act: Any
) -> None:
    config = config_of(tmp_path, synthetic_people, {"type": "TinyBackbone", "norm": True})
    train_locally(config, tmp_path / "alone")
    act(3, send_sigterm)
    with pytest.raises(RunStoppedError, match="saved after step 4 of 6 of epoch 1"):
        train_locally(config, tmp_path / "run")
    stopped = config_of(tmp_path, synthetic_people, {**STOPS, "batch": 5})
    with pytest.raises(Exception, match=r"RunStoppedError.*saved after step 4 of 6 of epoch 2"):
        train_in_processes(stopped, tmp_path / "run", 2, resume=True, strategy="fsdp2")
    act(100, send_sigterm)
    train_locally(config, tmp_path / "run", resume=True)
    assert_about_the_same_run(tmp_path / "run", tmp_path / "alone")
    # What was half of a run of two processes is also half of a run of one.
    momenta, expected = (read(tmp_path / name)["optimizer"]["state"] for name in ("run", "alone"))
    for index, values in expected.items():
        for name, value in values.items():
            torch.testing.assert_close(momenta[index][name], value, rtol=1e-2, atol=1e-5)


class Lists(nn.Module):
    """Layers in a list, and sequences in a sequence."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(5, 3), nn.Linear(3, 3)])
        self.tail = nn.Sequential(nn.Sequential(nn.Linear(3, 3), nn.ReLU()), nn.Linear(3, 1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for layer in self.layers:
            x = layer(x)
        return self.tail(x)


class Listed(BasePoseEstimator):
    """An estimator without a pose."""

    def __init__(self) -> None:
        super().__init__(backbone=Lists())

    def loss(self, batch: Any) -> dict[str, torch.Tensor]:
        return {"loss": self.backbone(batch).square().mean()}

    def predict(self, batch: Any) -> list[Any]:
        return list(self.backbone(batch))


def test_layers_are_spread_one_by_one(tmp_path: Path) -> None:
    in_processes(2, check_layers)


def check_layers() -> None:
    torch.manual_seed(0)
    model, plain = Listed(), Listed()
    plain.load_state_dict(model.state_dict())
    shard(model, init_device_mesh("cpu", (2,)), least=12)
    units = [name for name, module in model.named_modules() if isinstance(module, FSDPModule)]
    # The last layer has 4 parameters only.
    assert units == ["", "backbone.layers.0", "backbone.layers.1", "backbone.tail.0"]
    batch = torch.arange(20.0).reshape(4, 5) / 10
    rank = torch.distributed.get_rank()
    model.loss(batch[2 * rank : 2 * rank + 2])["loss"].backward()
    plain.loss(batch)["loss"].backward()
    for ours, theirs in zip(model.parameters(), plain.parameters(), strict=True):
        assert isinstance(ours.grad, DTensor)
        torch.testing.assert_close(ours.grad.full_tensor(), theirs.grad)
    with torch.no_grad(), put_together(model):
        # Each by itself, as often as it likes.
        for _ in range(1 + rank):
            torch.testing.assert_close(model.predict(batch), plain.predict(batch))
    assert all(isinstance(value, DTensor) for value in model.parameters())
    changed = {name: value + 1 for name, value in all_whole(model.state_dict()).items()}
    model.load_state_dict(spread_weights(changed, model))
    for name, value in all_whole(model.state_dict()).items():
        torch.testing.assert_close(value, changed[name])


def test_a_single_number_cannot_be_spread(synthetic_people: Path, tmp_path: Path) -> None:
    model = build_model(config_of(tmp_path, synthetic_people, {"type": "TinyBackbone"}))
    model.backbone.scale = nn.Parameter(torch.tensor(1.0))
    with pytest.raises(ConfigError, match=r"fsdp2 cannot spread 'backbone.scale'.*use ddp"):
        shard(model, None)  # type: ignore[arg-type]
