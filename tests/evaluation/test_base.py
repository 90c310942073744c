from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any

import pytest

from raypose.evaluation import EPE, CocoMetric, KeypointPartitionMetric, PCKAccuracy
from raypose.evaluation.base import BaseMetric
from raypose.structures import Skeleton

METRICS: list[Callable[[], BaseMetric]] = [
    EPE,
    lambda: PCKAccuracy(thr=0.03),
    CocoMetric,
    lambda: KeypointPartitionMetric(metric={"type": "EPE"}, partitions={"head": [0, 1, 2]}),
]


@pytest.mark.parametrize("make", METRICS)
@pytest.mark.parametrize("workers", [1, 2, 5])
def test_numbers_do_not_depend_on_the_number_of_workers(
    make: Callable[[], BaseMetric],
    workers: int,
    make_pairs: Callable[..., list[Any]],
    skeleton: Skeleton,
) -> None:
    pairs = make_pairs()
    whole = make()
    whole.set_skeleton(skeleton)
    for sample, poses in pairs:
        whole.update(sample, poses)

    # As a padded sampler deals them out: every worker as many, some samples twice.
    per_worker = -(-len(pairs) // workers)
    dealt = (pairs + pairs)[: per_worker * workers]
    parts = []
    for rank in range(workers):
        part = make()
        part.set_skeleton(skeleton)
        for sample, poses in dealt[rank::workers]:
            part.update(sample, poses)
        parts.append(pickle.loads(pickle.dumps(part)))
    first, *others = reversed(parts)
    for other in others:
        first.merge(other)

    assert first.compute() == whole.compute()


def test_reset_forgets_everything(make_pairs: Callable[..., list[Any]]) -> None:
    metric = EPE()
    metric.update(*make_pairs(1)[0])
    metric.reset()
    with pytest.raises(ValueError, match="EPE has seen no sample"):
        metric.compute()


def test_prefix_comes_before_every_name(make_pairs: Callable[..., list[Any]]) -> None:
    metric = EPE(prefix="val")
    metric.update(*make_pairs(1)[0])
    assert list(metric.compute()) == ["val/EPE"]


def test_metrics_of_other_kinds_do_not_merge() -> None:
    with pytest.raises(TypeError, match="cannot merge PCKAccuracy into EPE"):
        EPE().merge(PCKAccuracy())


def test_a_skeleton_may_be_given_by_name() -> None:
    skeleton = CocoMetric(skeleton="coco").skeleton
    assert skeleton is not None
    assert skeleton.num_keypoints == 17
