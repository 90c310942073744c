"""The YAML in the docstrings of transforms and datasets is what a user copies: it must build."""

from __future__ import annotations

import inspect
from typing import Any

import pytest
import yaml

from raypose.registry import DATASETS, TRANSFORMS, argument_problems


def example(entry: Any) -> dict[str, Any]:
    _, _, text = inspect.cleandoc(entry.__doc__ or "").partition("Example:\n")
    loaded = yaml.safe_load(inspect.cleandoc(text))
    assert isinstance(loaded, dict), f"{entry.__name__} has no example"
    return loaded


@pytest.mark.parametrize("name", TRANSFORMS)
def test_example_of_a_transform_builds(name: str) -> None:
    entry = TRANSFORMS.get(name)
    cfg = example(entry)
    assert cfg["type"] == name
    assert isinstance(TRANSFORMS.build(cfg), entry)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", DATASETS)
def test_example_of_a_dataset_fits_its_arguments(name: str) -> None:
    cfg = example(DATASETS.get(name))
    assert DATASETS.get(cfg.pop("type")) is DATASETS.get(name)
    assert argument_problems(DATASETS.get(name), cfg) == []
