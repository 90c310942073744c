"""Attributes of a model that change over a run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from raypose.config.sections import ModelSwitchSection
from raypose.errors import ConfigError
from raypose.training.launch import train_locally
from raypose.training.switches import ModelSwitches
from tests.tiny_runs import dataset, load_experiment, pipeline


class Head(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.use_aux_loss = False
        self.loss = nn.Linear(1, 1)
        self.loss.loss_weight = 1.0  # type: ignore[assignment]


def sections(*given: tuple[int, dict[str, Any]]) -> list[ModelSwitchSection]:
    return [ModelSwitchSection(epoch=epoch, set=values) for epoch, values in given]


def test_values_hold_from_their_epoch_on_also_when_a_run_goes_on_later() -> None:
    given = sections(
        (4, {"head.use_aux_loss": True, "head.loss.loss_weight": 3}),
        (2, {"head.loss.loss_weight": 2.0}),
    )
    for start in (0, 5):
        model = nn.ModuleDict({"head": Head()})
        switches = ModelSwitches(given, model)
        seen = []
        for epoch in range(start, 6):
            switches.apply(model, epoch)
            head = model["head"]
            assert isinstance(head, Head)
            seen.append((head.use_aux_loss, head.loss.loss_weight))
        expected = [(False, 1.0)] * 2 + [(False, 2.0)] * 2 + [(True, 3)] * 2
        assert seen == expected[start:]


def test_every_mistake_is_named() -> None:
    model = nn.ModuleDict({"head": Head()})
    given = sections(
        (1, {"head.use_aux_los": True, "hed.use_aux_loss": True}),
        (2, {"head.use_aux_loss": 1, "head.loss.loss_weight": True}),
    )
    with pytest.raises(ConfigError) as caught:
        ModelSwitches(given, model)
    first, second, third, fourth = caught.value.problems
    assert first.startswith("train.model_switches.0.set.head.use_aux_los: Head has no")
    assert "Did you mean 'use_aux_loss'" in first
    assert "ModuleDict has no 'hed'. Did you mean 'head'?" in second
    assert "got 1, expected something like False" in third
    assert "got True, expected something like 1.0" in fourth


def test_a_run_whose_data_and_loss_change(synthetic_people: Path, tmp_path: Path) -> None:
    part = dataset(synthetic_people, "train", skeleton="coco")
    config = load_experiment(
        tmp_path,
        synthetic_people,
        data__train__dataset={"type": "CombinedDataset", "datasets": [part, part]},
        data__train__sample_ratio_factor=[1.0, 0.5],
        data__train__switch={
            "epoch": 2,
            "pipeline": pipeline(augment=False),
            "sample_ratio_factor": [0.0, 1.0],
        },
        train__epochs=3,
        train__batch_size=5,
        train__model_switches=[{"epoch": 2, "set": {"head.loss_module.loss_weight": 0.0}}],
    )
    metrics = train_locally(config, tmp_path / "run")
    rows = torch.load(tmp_path / "run" / "last.pth", weights_only=True)["history"]
    assert metrics["epochs"] == 3
    assert rows[1]["loss"] > 0
    assert rows[2]["loss"] == 0
