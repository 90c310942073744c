"""The files that a run leaves, and who of its processes gets what."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from raypose.config import load_config
from raypose.training.launch import (
    sample_order,
    train_locally,
    val_batch_size,
    write_metrics,
)
from raypose.training.runtime import LocalRuntime
from tests.tiny_runs import load_experiment


class OneOfMany(LocalRuntime):
    """A process of a larger run."""

    def __init__(self, rank: int, world_size: int) -> None:
        super().__init__(Path())
        self.rank = rank
        self.world_size = world_size


def test_a_run_leaves_files_that_say_all_about_it(synthetic_people: Path, tmp_path: Path) -> None:
    config = load_experiment(tmp_path, synthetic_people)
    metrics = train_locally(config, tmp_path / "run")
    names = {path.name for path in (tmp_path / "run").iterdir()}
    assert names == {
        "config.yaml",
        "last.pth",
        "best.pth",
        "metrics.json",
        "log.csv",
        "val_predictions.parquet",
        "samples",
    }
    kept = load_config(tmp_path / "run" / "config.yaml").data
    assert kept == {**config.data, "import_paths": kept["import_paths"]}
    assert set(config.data["import_paths"]) < set(kept["import_paths"])
    written = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert written == metrics
    assert {"PCK", "EPE", "epochs", "seconds", "samples/s", "best/PCK"} <= written.keys()
    assert all(isinstance(value, (int, float)) for value in written.values())


def test_numbers_that_json_has_no_word_for_are_null(tmp_path: Path) -> None:
    write_metrics({"PCK": float("nan"), "EPE": 2.0}, tmp_path)
    text = (tmp_path / "metrics.json").read_text()
    assert json.loads(text, parse_constant=pytest.fail) == {"PCK": None, "EPE": 2.0}


def test_batch_sizes_are_those_of_all_processes(synthetic_people: Path, tmp_path: Path) -> None:
    config = load_experiment(
        tmp_path, synthetic_people, train__batch_size=6, train__val_batch_size=3
    )
    order = sample_order(config, (10,), OneOfMany(rank=1, world_size=2))
    assert order.epoch(0).shape == (2, 3)
    whole = sample_order(config, (10,), OneOfMany(rank=0, world_size=1))
    assert order.epoch(0).tolist() == whole.epoch(0)[:, 3:].tolist()
    sizes = [val_batch_size(config, OneOfMany(0, world_size)) for world_size in (1, 2, 4)]
    assert sizes == [3, 1, 1]
