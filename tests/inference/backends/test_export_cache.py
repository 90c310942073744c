"""Networks are exported once: by one process, until something they depend on changes."""

from __future__ import annotations

import multiprocessing
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from raypose.errors import RayposeError
from raypose.inference.backends import export, export_cache, run_on_backend, running
from raypose.inference.backends.export_cache import open_cached
from raypose.models.estimators.base import BasePoseEstimator
from tests.inference.backends.small_models import batch, build, probes

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where networks are kept."""
    pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    monkeypatch.setenv("RAYPOSE_WEIGHTS_DIR", str(tmp_path))
    return tmp_path / "exported"


@pytest.fixture
def exports(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Grows by one with each export."""
    done: list[int] = []

    def counted(*arguments: Any) -> bytes:
        done.append(len(done))
        return export.export_by_tracing(*arguments)

    monkeypatch.setattr(running, "exporters", lambda: [counted])
    return done


def run(estimator: BasePoseEstimator | None = None, identity: str = "") -> BasePoseEstimator:
    estimator = build("heatmap") if estimator is None else estimator
    backend = run_on_backend(estimator, lambda: probes("heatmap"), "onnxruntime", CPU, identity)
    assert backend == "onnxruntime"
    return estimator


def test_the_second_time_nothing_is_exported(exports: list[int], folder: Path) -> None:
    first, second = run(), run()
    assert exports == [0]
    assert len(list(folder.iterdir())) == 1
    one, other = (each.predict(batch("heatmap", 3)) for each in (first, second))
    for a, b in zip(one, other, strict=True):
        np.testing.assert_array_equal(a.keypoints, b.keypoints)


def test_weights_and_config_are_part_of_what_is_kept(exports: list[int]) -> None:
    changed = build("heatmap")
    with torch.no_grad():
        next(changed.parameters()).mul_(1.5)
    for estimator, identity in ((None, ""), (changed, ""), (None, "depth: 18")):
        run(estimator, identity)
    assert exports == [0, 1, 2]


@pytest.mark.parametrize("damage", [lambda data: data[: len(data) // 2], lambda data: b""])
def test_a_damaged_file_is_made_anew(
    damage: Callable[[bytes], bytes], exports: list[int], folder: Path
) -> None:
    run()
    (path,) = folder.iterdir()
    whole = path.read_bytes()
    path.write_bytes(damage(whole))
    expected = build("heatmap").predict(batch("heatmap", 3))
    found = run().predict(batch("heatmap", 3))
    assert exports == [0, 1]
    assert len(path.read_bytes()) == len(whole)
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(a.keypoints, b.keypoints, atol=0.01)


def test_a_file_of_another_network_is_made_anew(exports: list[int], folder: Path) -> None:
    other = build("heatmap")
    with torch.no_grad():
        next(other.parameters()).mul_(1.5)
    run()
    (path,) = folder.iterdir()
    run(other)
    (foreign,) = set(folder.iterdir()) - {path}
    foreign.replace(path)
    run()
    assert exports == [0, 1, 2]


def test_a_folder_that_cannot_be_written_to(
    exports: list[int], folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder.write_text("a file is in the way")
    with caplog.at_level("INFO"):
        run()
        run()
    assert exports == [0, 1]
    assert "exported networks are not kept" in caplog.text


def test_what_nobody_used_for_longest_leaves(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export_cache, "_KEPT", 2)

    def open_model(model: bytes) -> bytes:
        return model

    for age, key in ((300, "a"), (200, "b")):
        open_cached(key, open_model, lambda key=key: (key.encode(), key.encode()))
        stamp = time.time() - age
        os.utime(folder / f"{key}.onnx", (stamp, stamp))
    assert open_cached("a", open_model, lambda: pytest.fail("it is there")) == b"a"
    open_cached("c", open_model, lambda: (b"c", b"c"))
    assert sorted(path.name for path in folder.iterdir()) == ["a.onnx", "c.onnx"]


def test_an_error_of_the_export_leaves_nothing_behind(folder: Path) -> None:
    def fail() -> tuple[bytes, bytes]:
        raise RayposeError("no such operator")

    with pytest.raises(RayposeError, match="no such operator"):
        open_cached("key", lambda model: model, fail)
    assert not list(folder.iterdir())


@pytest.mark.slow
def test_processes_that_start_together_export_once(folder: Path, tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    begin = context.Event()
    notes = tmp_path / "exports.txt"
    processes = [context.Process(target=_run_noted, args=(begin, notes)) for _ in range(2)]
    for process in processes:
        process.start()
    begin.set()
    for process in processes:
        process.join(60)
    assert [process.exitcode for process in processes] == [0, 0]
    assert len(notes.read_text().splitlines()) == 1
    assert [path.suffix for path in folder.iterdir()] == [".onnx"]


def _run_noted(begin: Any, notes: Path) -> None:
    def noted(*arguments: Any) -> bytes:
        with notes.open("a") as file:
            file.write(f"{os.getpid()}\n")
        time.sleep(1)  # the other one comes meanwhile
        return export.export_by_tracing(*arguments)

    running.exporters = lambda: [noted]
    torch.set_num_threads(1)
    estimator = build("heatmap")
    begin.wait(60)
    run(estimator)
