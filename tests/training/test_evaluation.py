"""Evaluation: every sample once, whoever predicts it; which metric decides."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from raypose.config import Config, build_dataset, build_metrics, build_model
from raypose.errors import ConfigError
from raypose.evaluation.base import BaseMetric
from raypose.models.estimators.base import BasePoseEstimator
from raypose.structures import PoseBatch, Poses, PoseSample
from raypose.training.evaluation import evaluate, is_better, main_metric
from raypose.training.launch import local_feed, sample_order
from raypose.training.runtime import LocalRuntime
from tests.tiny_runs import load_experiment


class Share(LocalRuntime):
    """One process of several that take turns: rank 0 comes last and gathers."""

    def __init__(self, rank: int, others: list[Any], world_size: int) -> None:
        super().__init__(Path())
        self.rank = rank
        self.world_size = world_size
        self._others = others

    def gather(self, value: Any) -> list[Any] | None:
        if self.rank:
            self._others.append(value)
            return None
        return [value, *self._others]


def metrics_of(config: Config, estimator: BasePoseEstimator, world_size: int) -> dict[str, float]:
    val = build_dataset(config, "val")
    others: list[Any] = []
    result: dict[str, float] = {}
    for rank in reversed(range(world_size)):
        runtime = Share(rank, others, world_size)
        order = sample_order(config, (len(val),), runtime)
        feed = local_feed(config, order, val, val, runtime)
        result = evaluate(estimator, feed.val(), val, build_metrics(config), runtime).numbers
    return result


def test_shares_do_not_change_the_numbers(synthetic_people: Path, tmp_path: Path) -> None:
    metrics = [{"type": "CocoMetric"}, {"type": "PCKAccuracy", "thr": 0.3}, {"type": "EPE"}]
    config = load_experiment(tmp_path, synthetic_people, metrics=metrics, train__batch_size=6)
    torch.manual_seed(0)
    estimator = build_model(config)
    alone = metrics_of(config, estimator, 1)
    assert {"coco/AP", "PCK", "EPE"} <= alone.keys()
    assert 0 < alone["EPE"] < 1000
    for world_size in (2, 3):
        assert metrics_of(config, estimator, world_size) == pytest.approx(alone, rel=1e-6)


class Recorder(BaseMetric):
    """Remembers what it was given."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[int, Any, Poses]] = []

    def update(self, sample: PoseSample, poses: Poses) -> None:
        self.seen.append((sample.index, sample.bbox_scale, poses))

    def merge(self, other: BaseMetric) -> None:
        raise AssertionError("not used")

    def compute(self) -> dict[str, float]:
        return {"count": np.float64(len(self.seen))}  # type: ignore[dict-item]

    def reset(self) -> None:
        self.seen.clear()


class Fixed(BasePoseEstimator):
    """Answers with the index of the sample."""

    def __init__(self) -> None:
        super().__init__(backbone=nn.Identity())

    def loss(self, batch: PoseBatch) -> dict[str, torch.Tensor]:
        raise AssertionError("not used")

    def predict(self, batch: PoseBatch) -> list[Poses]:
        assert not self.training
        assert not torch.is_grad_enabled()
        return [
            Poses(
                keypoints=np.full((1, 1, 2), index, np.float32),
                keypoint_scores=np.ones((1, 1), np.float32),
            )
            for index in batch.indices
        ]


def batches(with_scale: bool) -> Iterator[PoseBatch]:
    for pair in ((2, 0), (1, 3)):
        samples = [
            PoseSample(
                id=str(i),
                index=i,
                image=np.zeros((2, 2, 3), np.uint8),
                bbox_scale=np.array([[i, i + 1]], np.float32) if with_scale else None,
            )
            for i in pair
        ]
        yield PoseBatch.collate(samples)


@pytest.mark.parametrize("with_scale", [True, False])
def test_metrics_get_samples_in_order_with_the_crop_they_were_found_in(with_scale: bool) -> None:
    recorder = Recorder()
    recorder.seen.append((9, None, Poses.empty(1)))  # of a former use
    dataset = [PoseSample(id=str(i), index=i) for i in range(4)]
    found = evaluate(
        Fixed().train(), batches(with_scale), dataset, [recorder], LocalRuntime(Path())
    )
    assert found.numbers == {"count": 4.0}
    assert type(found.numbers["count"]) is float  # numpy's floats cannot be read back safely
    assert [index for index, _, _ in recorder.seen] == [0, 1, 2, 3]
    for index, scale, poses in recorder.seen:
        assert poses.keypoints.tolist() == [[[index, index]]]
        assert (None if scale is None else scale.tolist()) == (
            [[index, index + 1]] if with_scale else None
        )


@pytest.mark.parametrize(
    ("metrics", "wanted", "expected"),
    [
        ({"EPE": 1.0, "PCK": 0.5}, None, "PCK"),
        ({"EPE": 1.0, "coco/AP": 0.5}, None, "coco/AP"),
        ({"mine": 1.0}, None, "mine"),
        ({"EPE": 1.0, "PCK": 0.5}, "EPE", "EPE"),
        ({}, "EPE", None),
    ],
)
def test_main_metric(metrics: dict[str, float], wanted: str | None, expected: str | None) -> None:
    assert main_metric(metrics, wanted) == expected


def test_main_metric_that_is_not_there() -> None:
    with pytest.raises(ConfigError, match=r"'coco/ap'; there are EPE, coco/AP. Did you mean 'coco"):
        main_metric({"EPE": 1.0, "coco/AP": 0.5}, "coco/ap")


@pytest.mark.parametrize(
    ("name", "value", "best", "expected"),
    [
        ("coco/AP", 0.6, 0.5, True),
        ("coco/AP", 0.5, 0.5, False),
        ("EPE", 4.0, 5.0, True),
        ("P-MPJPE", 6.0, 5.0, False),
        ("EPE", float("nan"), 5.0, False),
        ("EPE", float("nan"), None, False),
        ("EPE", 5.0, None, True),
    ],
)
def test_is_better(name: str, value: float, best: float | None, expected: bool) -> None:
    assert is_better(name, value, best) is expected
