"""Configs written for one test each."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from raypose.config import Config, load_config
from raypose.errors import ConfigError

Write = Callable[[str, str], Path]

MODEL = """\
model:
  type: TopdownPoseEstimator
  backbone: {type: ResNet, depth: 18}
  head:
    type: HeatmapHead
    in_channels: 512
    out_channels: 17
    loss: {type: KeypointMSELoss}
    decoder: "${codec}"
codec: {type: MSRAHeatmap, input_size: [192, 256], heatmap_size: [48, 64], sigma: 2}
"""


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """Write a file into the current folder of the test; messages then name it shortly."""
    monkeypatch.chdir(tmp_path)

    def function(name: str, text: str) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    return function


@pytest.fixture
def load(write: Write) -> Callable[..., Config]:
    """Load a config given as text, `exp.yaml`."""

    def function(text: str, *overrides: str) -> Config:
        return load_config(write("exp.yaml", text), overrides)

    return function


@pytest.fixture
def problems(load: Callable[..., Config]) -> Callable[..., list[str]]:
    """Load a config given as text and return what is wrong with it."""

    def function(text: str, *overrides: str) -> list[str]:
        with pytest.raises(ConfigError) as caught:
            load(text, *overrides)
        return caught.value.problems

    return function
