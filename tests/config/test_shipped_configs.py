"""Every YAML of `configs/` loads, checks and runs on shapes; MMPose's names are its models."""

from __future__ import annotations

import json
import zlib
from pathlib import Path
from typing import Any

import pytest
import torch

from raypose.config import available_configs, build_model, load_config
from raypose.models.dry_run import dry_run

GOLDENS = Path(__file__).parents[1] / "goldens" / "configs"
# Config -> entries of its model's state dict in MMPose 1.3.2, CRC-32 of their names and shapes.
STATE_DICTS: dict[str, list[int]] = json.loads((GOLDENS / "state_dicts.json").read_text())


@pytest.mark.parametrize("name", available_configs())
def test_a_config_loads_and_its_model_fits_together(name: str) -> None:
    config = load_config(name)
    dry_run(config)
    if name in STATE_DICTS:
        with torch.device("meta"):
            model = build_model(config)
        assert digest(model.state_dict()) == STATE_DICTS[name]


@pytest.mark.parametrize("name", available_configs())
def test_a_config_opens_with_what_it_is_for(name: str, repository: Path) -> None:
    text = (repository / "configs" / f"{name}.yaml").read_text(encoding="utf-8")
    head = [line for line in text.splitlines() if line.startswith("#")]
    assert any(line.startswith("# Data:") for line in head)
    assert any(f"raypose train {Path(name).name}" in line or name in line for line in head)
    if name in STATE_DICTS:
        assert any(line.startswith("# Published:") for line in head)


def test_the_goldens_are_about_configs_that_are_there() -> None:
    assert set(STATE_DICTS) <= set(available_configs())


def digest(state_dict: dict[str, Any]) -> list[int]:
    lines = sorted(f"{key} {list(value.shape)}" for key, value in state_dict.items())
    return [len(lines), zlib.crc32("\n".join(lines).encode())]
