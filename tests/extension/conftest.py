"""The tutorial's project: its files as the page has them, drawn people to train on."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from raypose.config import Config, load_config
from raypose.datasets.synthetic import write_synthetic_people
from raypose.registry import CODECS, DATASETS, METRICS, MODELS, TRANSFORMS
from raypose.training.launch import train_locally
from tests.extension.tutorial import write_tutorial

Load = Callable[..., Config]
Trained = Callable[..., tuple[Config, Path, dict[str, float]]]


@pytest.fixture(autouse=True, scope="module")
def _forget_user_classes() -> Iterator[None]:
    """Leave no class, module or folder of a user behind for the tests that follow."""
    registries = (MODELS, CODECS, TRANSFORMS, DATASETS, METRICS)
    entries = [set(registry) for registry in registries]
    paths = list(sys.path)
    yield
    for registry, before in zip(registries, entries, strict=True):
        for name in set(registry) - before:
            del registry._entries[name]
    for name in [n for n in sys.modules if n.split(".")[0] == "lab"]:
        del sys.modules[name]
    sys.path[:] = paths


@pytest.fixture(scope="session")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder that a reader of the tutorial has at its end, with a few drawn people as data."""
    folder = tmp_path_factory.mktemp("my_project")
    write_tutorial(folder)
    write_synthetic_people(folder / "data", 12, seed=0, split_name="train")
    write_synthetic_people(folder / "data", 4, seed=0, split_name="val")
    return folder


@pytest.fixture(scope="session")
def load(project: Path) -> Load:
    """Load one of the tutorial's configs by its name."""

    def function(name: str, *overrides: str) -> Config:
        data_root = f"data_root={project / 'data'}"
        return load_config(project / f"{name}.yaml", [data_root, *overrides])

    return function


@pytest.fixture(scope="session")
def trained(load: Load, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """Train one of the tutorial's configs in this process, each variant once."""
    done: dict[tuple[str, ...], tuple[Path, dict[str, float]]] = {}

    def function(name: str, *overrides: str) -> tuple[Config, Path, dict[str, float]]:
        config = load(name, *overrides)  # also registers the user's classes again
        key = (name, *overrides)
        if key not in done:
            work_dir = tmp_path_factory.mktemp(name)
            done[key] = work_dir, train_locally(config, work_dir)
        return config, *done[key]

    return function
