"""A packed training set through Ray Data: what a part of an image is travels with its sample."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from raypose.distributed.train import train
from raypose.training.feeds.packing import PackOptions, pack
from raypose.training.launch import train_locally
from tests.tiny_runs import load_experiment


@pytest.mark.usefixtures("ray_session")
def test_ray_data_loads_packed_samples(synthetic_people: Path, tmp_path: Path) -> None:
    pack(load_experiment(tmp_path, synthetic_people), tmp_path / "packed", PackOptions(quality=90))
    node = {"type": "PackedDataset", "data_root": str(tmp_path / "packed")}
    common: dict[str, Any] = {"data__train__dataset": node, "train__epochs": 1}
    local = load_experiment(tmp_path, synthetic_people, **common)
    train_locally(local, tmp_path / "local")
    train(
        load_experiment(tmp_path, synthetic_people, **common, data__loader="ray"), tmp_path / "ray"
    )
    one, two = (
        torch.load(tmp_path / name / "last.pth", weights_only=True)["history"][0]["loss"]
        for name in ("local", "ray")
    )
    assert two == pytest.approx(one, rel=1e-5)
