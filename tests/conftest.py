"""What every test shares: one thread a process, one quiet Ray a session, the real-data kit."""

from __future__ import annotations

import logging
import os

# Before numpy, torch or Ray start their pools: two threads a process lose far more on shared
# cores than one thread costs, and Ray's workers inherit this environment.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("RAYPOSE_OFFLINE", "1")
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
os.environ.setdefault("RAY_DATA_DISABLE_PROGRESS_BARS", "1")
os.environ.setdefault("RAY_DATA_EXECUTION_NO_PROGRESS_TIMEOUT_S", "60")
os.environ.setdefault("RAY_TRAIN_WORKER_GROUP_START_TIMEOUT_S", "30")
# A cluster of this machine's loopback only; the default would write a token into the home folder.
os.environ.setdefault("RAY_AUTH_MODE", "disabled")

from collections.abc import Iterator
from pathlib import Path

import cv2
import pytest
import torch

REPOSITORY = Path(__file__).resolve().parents[1]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what the fixtures imply, and skip GPU tests where there is none."""
    no_gpu = pytest.mark.skip(reason="needs a CUDA device")
    for item in items:
        fixtures = getattr(item, "fixturenames", ())
        if "ray_session" in fixtures:
            item.add_marker(pytest.mark.ray)
        if "shared_data" in fixtures:
            item.add_marker(pytest.mark.real_data)
        if item.get_closest_marker("gpu") and not torch.cuda.is_available():
            item.add_marker(no_gpu)


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> None:
    """Keep OpenCV and torch on one thread."""
    cv2.setNumThreads(1)
    torch.set_num_threads(1)


@pytest.fixture(autouse=True, scope="session")
def exported_networks(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Keep networks that tests export out of the user's folder; Ray's workers inherit it."""
    folder = tmp_path_factory.mktemp("weights")
    os.environ.setdefault("RAYPOSE_WEIGHTS_DIR", str(folder))


@pytest.fixture(scope="session")
def repository() -> Path:
    """Root of the checkout."""
    return REPOSITORY


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of the real-data kit beside the checkout; skips the test where it is not there."""
    folder = REPOSITORY.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("the real-data kit is not beside this checkout")
    return folder


@pytest.fixture(scope="session")
def synthetic_people(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a few drawn people in COCO form: `train.json`, `val.json`, `images/`."""
    from raypose.datasets.synthetic import write_synthetic_people

    folder = tmp_path_factory.mktemp("people")
    for split, count in (("train", 10), ("val", 5)):
        write_synthetic_people(folder, count, seed=0, split_name=split)
    return folder


@pytest.fixture(scope="session")
def ray_session() -> Iterator[None]:
    """One local Ray for the whole test run: starting it takes longer than most tests."""
    import ray
    from ray.data import DataContext

    ray.init(
        address="local",
        num_cpus=4,
        num_gpus=0,
        include_dashboard=False,
        log_to_driver=False,
        logging_level=logging.ERROR,
        object_store_memory=300 << 20,
    )
    context = DataContext.get_current()
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    yield
    ray.shutdown()
