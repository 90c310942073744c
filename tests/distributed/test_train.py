"""Runs through Ray against the same runs in this process."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from raypose.config import Config, build_dataset
from raypose.distributed.evaluate import evaluate_checkpoint
from raypose.distributed.train import train
from raypose.errors import DataError, RayposeError, RunStoppedError
from raypose.training.launch import train_locally
from raypose.training.logs.csv_log import read_csv_log
from tests.tiny_runs import dataset, load_experiment, weights_in

pytestmark = [pytest.mark.usefixtures("ray_session"), pytest.mark.timeout(240)]


def history(work_dir: Path) -> list[dict[str, float]]:
    return torch.load(work_dir / "last.pth", weights_only=True)["history"]


def numbers(metrics: dict[str, float]) -> dict[str, float]:
    return {k: v for k, v in metrics.items() if k not in ("seconds", "samples/s")}


def curve(work_dir: Path) -> list[dict[str, float]]:
    """Return what was logged of each step, but for times."""
    rows = read_csv_log(work_dir / "log.csv")
    return [{k: v for k, v in row.items() if k != "samples/s"} for row in rows]


def assert_same_run(work_dir: Path, expected: Path, rel: float = 1e-4) -> None:
    for found, wanted in zip(history(work_dir), history(expected), strict=True):
        assert found == pytest.approx(wanted, rel=rel)
    for found, wanted in zip(curve(work_dir), curve(expected), strict=True):
        assert found == pytest.approx(wanted, rel=rel)
    for name in ("last.pth", "best.pth"):
        found, wanted = weights_in(work_dir / name), weights_in(expected / name)
        assert found.keys() == wanted.keys()
        for key, value in wanted.items():
            torch.testing.assert_close(found[key], value, rtol=1e-3, atol=1e-5)


@pytest.fixture(scope="module")
def reference(synthetic_people: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run of three epochs that all others must equal."""
    folder = tmp_path_factory.mktemp("reference")
    train_locally(config_of(folder, synthetic_people), folder / "run")
    return folder / "run"


def config_of(folder: Path, data: Path, **changes: Any) -> Config:
    changes = {"train__epochs": 3, "train__batch_size": 4, "train__log_every": 1, **changes}
    return load_experiment(folder, data, **changes)


@pytest.mark.parametrize(
    ("workers", "loader", "strategy"),
    [
        (0, "ray", "ddp"),
        (2, "ray", "ddp"),
        pytest.param(1, "ray", "ddp", marks=pytest.mark.slow),
        pytest.param(2, "local", "ddp", marks=pytest.mark.slow),
        pytest.param(2, "local", "fsdp2", marks=pytest.mark.slow),
    ],
)
def test_a_run_is_the_same_however_it_is_spread(
    synthetic_people: Path,
    tmp_path: Path,
    reference: Path,
    workers: int,
    loader: str,
    strategy: str,
) -> None:
    cluster = {"num_workers": workers, "strategy": strategy}
    config = config_of(tmp_path, synthetic_people, cluster=cluster, data__loader=loader)
    threads = torch.get_num_threads()
    metrics = train(config, tmp_path / "run")
    assert torch.get_num_threads() == threads, "that is for workers, not for the caller's process"
    assert_same_run(tmp_path / "run", reference)
    wanted = json.loads((reference / "metrics.json").read_text())
    assert numbers(metrics) == pytest.approx(numbers(wanted), rel=1e-4)
    assert json.loads((tmp_path / "run" / "metrics.json").read_text()) == metrics
    assert (tmp_path / "run" / "config.yaml").read_text() == config.to_yaml()


@pytest.mark.slow
def test_workers_find_one_batch_size_together(synthetic_people: Path, tmp_path: Path) -> None:
    changes: dict[str, Any] = {"train__epochs": 1, "cluster": {"num_workers": 2}, "schedules": []}
    auto = config_of(tmp_path, synthetic_people, train__batch_size="auto", **changes)
    train(auto, tmp_path / "run")
    written = yaml.safe_load((tmp_path / "run" / "config.yaml").read_text())
    size = written["train"]["batch_size"]
    assert size % 2 == 0
    assert 4 <= size <= len(build_dataset(auto, "train"))
    said = config_of(tmp_path, synthetic_people, train__batch_size=size, **changes)
    train_locally(said, tmp_path / "said")
    assert_same_run(tmp_path / "run", tmp_path / "said")


@pytest.mark.slow
def test_workers_measure_with_the_weights_that_are_saved(
    synthetic_people: Path, tmp_path: Path
) -> None:
    # Each worker has batch statistics of its own; those of rank 0 are saved.
    config = config_of(
        tmp_path,
        synthetic_people,
        model__backbone={"type": "TinyBackbone", "norm": True},
        train__ema={"momentum": 0.5, "gamma": None},
        train__epochs=1,
        cluster={"num_workers": 2},
        data__loader="ray",
    )
    metrics = train(config, tmp_path / "run")
    found = evaluate_checkpoint(config, tmp_path / "run" / "last.pth").numbers
    assert found == pytest.approx({name: metrics[name] for name in found}, rel=1e-5)
    assert found.keys() == {"PCK", "EPE"}


@pytest.mark.slow
def test_a_worker_that_dies_costs_no_more_than_its_epoch(
    synthetic_people: Path, tmp_path: Path, reference: Path
) -> None:
    # It dies in the second epoch: this file is put there by the first validation.
    bomb = tmp_path / "bomb"
    config = config_of(
        tmp_path,
        synthetic_people,
        model__backbone={"type": "TinyBackbone", "die": str(bomb)},
        metrics=[{"type": "PCKAccuracy", "thr": 0.3}, {"type": "BombingEPE", "bomb": str(bomb)}],
        imports=["tests.tiny_runs", "tests.distributed.bombing"],
        cluster={"num_workers": 2, "max_failures": 1},
    )
    metrics = train(config, tmp_path / "run")
    assert (tmp_path / "bomb.exploded").exists()
    assert_same_run(tmp_path / "run", reference)
    assert metrics["epochs"] == 3


@pytest.mark.slow
def test_a_resumed_run_goes_on_where_the_last_one_ended(
    synthetic_people: Path, tmp_path: Path, reference: Path
) -> None:
    common: dict[str, Any] = {"cluster": {"num_workers": 1}, "schedules": []}
    whole = config_of(tmp_path, synthetic_people, schedules=[])
    train_locally(whole, tmp_path / "whole")
    train(config_of(tmp_path, synthetic_people, **common, train__epochs=2), tmp_path / "run")
    assert len(history(tmp_path / "run")) == 2
    train(config_of(tmp_path, synthetic_people, **common), tmp_path / "run", resume=True)
    assert_same_run(tmp_path / "run", tmp_path / "whole")
    # Without resume the same folder starts anew.
    train(config_of(tmp_path, synthetic_people, **common, train__epochs=1), tmp_path / "run")
    assert len(history(tmp_path / "run")) == 1


def test_a_run_on_workers_that_sigterm_stops_goes_on_alike(
    synthetic_people: Path, tmp_path: Path, reference: Path
) -> None:
    config = config_of(
        tmp_path,
        synthetic_people,
        model__backbone={"type": "TinyBackbone", "step_delay": 0.3},
        cluster={"num_workers": 1},
    )
    thread = threading.Thread(target=stop_when_it_trains, args=[tmp_path / "run" / "log.csv"])
    thread.start()
    with pytest.raises(RunStoppedError, match=r"saved after step \d of \d of epoch [12]; "):
        train(config, tmp_path / "run")
    thread.join()
    stopped = torch.load(tmp_path / "run" / "last.pth", weights_only=True)
    assert stopped["step"] > 0
    assert len(curve(tmp_path / "run")) < len(curve(reference))
    train(config, tmp_path / "run", resume=True)
    assert_same_run(tmp_path / "run", reference)


def stop_when_it_trains(log: Path) -> None:
    while not log.is_file() or len(log.read_text().splitlines()) < 3:
        time.sleep(0.1)
    os.kill(os.getpid(), signal.SIGTERM)


@pytest.mark.parametrize("loader", [pytest.param("local", marks=pytest.mark.slow), "ray"])
def test_an_image_that_cannot_be_read_ends_the_run_with_its_name(
    synthetic_people: Path, tmp_path: Path, loader: str
) -> None:
    data = copy_with_a_broken_image(synthetic_people, tmp_path / "data")
    config = config_of(
        tmp_path, data, cluster={"num_workers": 2, "max_failures": 3}, data__loader=loader
    )
    with pytest.raises(DataError) as caught:
        train(config, tmp_path / "run")
    assert type(caught.value) is DataError
    assert "000003.jpg: a JPEG file that ends too early" in str(caught.value)
    assert "Traceback" not in str(caught.value)


def copy_with_a_broken_image(data: Path, folder: Path) -> Path:
    for split in ("train", "val"):
        (folder / "images" / split).mkdir(parents=True)
        (folder / f"{split}.json").write_bytes((data / f"{split}.json").read_bytes())
        for image in (data / "images" / split).iterdir():
            content = image.read_bytes()
            cut = 2000 if split == "train" and image.name == "000003.jpg" else len(content)
            (folder / "images" / split / image.name).write_bytes(content[:cut])
    return folder


def test_a_mistake_before_the_first_step_is_told_at_once(
    synthetic_people: Path, tmp_path: Path
) -> None:
    config = config_of(
        tmp_path,
        synthetic_people,
        cluster={"num_workers": 2, "max_failures": 3},
        data__train__dataset=dataset(tmp_path / "nowhere", "train"),
    )
    with pytest.raises(DataError, match=r"nowhere/train.json"):
        train(config, tmp_path / "run")


def test_more_gpus_than_there_are(synthetic_people: Path, tmp_path: Path) -> None:
    config = config_of(tmp_path, synthetic_people, cluster={"num_workers": 2, "use_gpu": True})
    with pytest.raises(RayposeError, match=r"2 workers need a GPU each, the cluster has 0; lower"):
        train(config, tmp_path / "run")
