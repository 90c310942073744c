"""Whole models of MMPose's configs: every key, its shape, and whether it is trained."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from raypose.registry import MODELS
from tests.golden_files import read_cases

CASES = read_cases("models", "state_keys")


@pytest.mark.parametrize("case", CASES, ids=[Path(case["config"]).stem for case in CASES])
def test_keys_and_shapes(case: dict[str, Any]) -> None:
    with torch.device("meta"):
        model = MODELS.build(case["model"])
    parameters = dict(model.named_parameters(remove_duplicate=False))
    got = {
        key: ("p" if key in parameters else "b", list(value.shape))
        for key, value in model.state_dict().items()
    }
    assert got == {key: tuple(entry[:2]) for key, entry in case["keys"].items()}
