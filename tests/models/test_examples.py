"""The YAML in the docstrings of models is what a user copies: it must build."""

from __future__ import annotations

import inspect

import pytest
import torch
import yaml

from raypose.registry import MODELS

# Other tests register classes of their own.
OURS = [name for name in MODELS if MODELS.get(name).__module__.startswith("raypose.")]


@pytest.mark.parametrize("name", OURS)
def test_example_builds(name: str) -> None:
    entry = MODELS.get(name)
    _, _, text = inspect.cleandoc(entry.__doc__ or "").partition("Example:\n")
    cfg = yaml.safe_load(inspect.cleandoc(text))
    assert isinstance(cfg, dict), f"{name} has no example"
    assert MODELS.get(cfg["type"]) is entry

    with torch.device("meta"):
        built = MODELS.build(cfg)

    assert isinstance(built, entry)  # type: ignore[arg-type]
