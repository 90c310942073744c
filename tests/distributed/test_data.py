"""The stream of one training process."""

from __future__ import annotations

import itertools
import time
from pathlib import Path
from typing import Any

import pytest
import ray
import torch

from raypose.config import build_dataset
from raypose.distributed.data import RayFeed, StoredSplits
from raypose.distributed.pacing import Paced
from raypose.training.feeds.order import SampleOrder, SamplePool, part_sizes
from raypose.training.launch import local_feed, sample_order
from raypose.training.runtime import LocalRuntime
from tests.tiny_runs import dataset, load_experiment

pytestmark = [pytest.mark.usefixtures("ray_session"), pytest.mark.timeout(120)]


@pytest.fixture
def rounds(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Times of the rounds of Ray Data's loop."""
    times: list[float] = []
    step = Paced.on_execution_step

    def count(self: Paced, executor: Any) -> None:
        times.append(time.monotonic())
        step(self, executor)

    monkeypatch.setattr(Paced, "on_execution_step", count)
    return times


def test_ray_data_pauses_while_the_model_is_busy(
    synthetic_people: Path, tmp_path: Path, rounds: list[float]
) -> None:
    config = load_experiment(tmp_path, synthetic_people)
    samples = build_dataset(config, "train")
    order = SampleOrder(pool=SamplePool(sizes=(len(samples),)), batch_size=2)
    feed = RayFeed(config, order, StoredSplits.put(samples, samples), 2, cpus=1)
    batches = feed.train(0, 2000 // order.steps(0))
    next(batches)
    rounds.clear()
    time.sleep(1)  # a step of the model, during which Ray Data may get as far ahead as it likes
    during = list(rounds)
    next(batches)
    assert during, "the loop was paced"
    pauses = [after - before for before, after in itertools.pairwise(during)]
    assert min(pauses) >= Paced.PAUSE


def test_mixed_images_are_the_same_through_ray_data(synthetic_people: Path, tmp_path: Path) -> None:
    part = dataset(synthetic_people, "train", skeleton="coco", data_mode="bottomup")
    loaded = [{"type": "LoadImage"}]
    config = load_experiment(
        tmp_path,
        synthetic_people,
        data__train__dataset={"type": "CombinedDataset", "datasets": [part, part]},
        data__train__sample_ratio_factor=[0.5, 0.2],
        data__train__pipeline=[
            *loaded,
            {"type": "Mosaic", "img_scale": [48, 64], "pre_transform": loaded},
            {
                "type": "BottomupRandomAffine",
                "input_size": "${codec.input_size}",
                "transform_mode": "perspective",
                "bbox_keep_corner": False,
            },
            {"type": "YOLOXMixUp", "img_scale": [48, 64], "pre_transform": loaded},
        ],
        train__batch_size=2,
    )
    samples = build_dataset(config, "train")
    runtime = LocalRuntime(tmp_path)
    order = sample_order(config, part_sizes(samples), runtime)
    local = list(local_feed(config, order, samples, samples, runtime).train(0, 2))
    splits = StoredSplits.put(samples, samples)
    streamed = list(RayFeed(config, order, splits, 2, cpus=1).train(0, 2))
    assert len(local) == order.steps(0) + order.steps(1)
    assert [batch.ids for batch in streamed] == [batch.ids for batch in local]
    for one, other in zip(streamed, local, strict=True):
        assert one.num_instances is not None
        assert one.num_instances.min() >= 4
        for name in ("inputs", "keypoints", "keypoints_visible"):
            assert torch.equal(getattr(one, name), getattr(other, name)), name


@pytest.mark.parametrize(("taken", "cpus"), [(4.0, 0.0), (3.5, 0.5)])
def test_batches_come_although_no_cpu_is_free(
    synthetic_people: Path, tmp_path: Path, taken: float, cpus: float
) -> None:
    config = load_experiment(tmp_path, synthetic_people)
    samples = build_dataset(config, "train")
    order = SampleOrder(pool=SamplePool(sizes=(len(samples),)), batch_size=2)
    worker: Any = Worker.options(num_cpus=taken).remote()
    ray.get(worker.wait.remote())
    try:
        feed = RayFeed(config, order, StoredSplits.put(samples, samples), 2, cpus=cpus)
        ids = [batch.ids for batch in feed.train(0, 2)]
    finally:
        ray.kill(worker)
    wanted = [samples[int(at)].id for epoch in (0, 1) for at in order.epoch(epoch).reshape(-1)]
    assert [name for batch in ids for name in batch] == wanted


@ray.remote
class Worker:
    """Owns CPUs."""

    def wait(self) -> None:
        """Return once there is one."""
