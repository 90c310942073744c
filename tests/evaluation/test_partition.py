from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from raypose.evaluation import EPE, CocoMetric, KeypointPartitionMetric
from raypose.structures import Skeleton

PARTS = {"head": [0, 1, 2], "rear": [3]}


def test_parts_are_measured_by_themselves(make_pairs: Callable[..., list[Any]]) -> None:
    pairs = make_pairs()
    parts = KeypointPartitionMetric({"type": "EPE"}, PARTS)
    whole = EPE()
    for sample, poses in pairs:
        parts.update(sample, poses)
        whole.update(sample, poses)
    numbers = parts.compute()
    assert numbers["head/EPE"] != numbers["rear/EPE"]
    mean = (3 * numbers["head/EPE"] + numbers["rear/EPE"]) / 4
    assert mean == pytest.approx(whole.compute()["EPE"], rel=1e-5)


def test_average_precision_of_all_keypoints_as_one_part(
    make_pairs: Callable[..., list[Any]], skeleton: Skeleton
) -> None:
    parts = KeypointPartitionMetric(
        {"type": "CocoMetric"}, {"all": [0, 1, 2, 3], **PARTS}, skeleton=skeleton
    )
    whole = CocoMetric(skeleton=skeleton)
    for sample, poses in make_pairs(noise=6):
        parts.update(sample, poses)
        whole.update(sample, poses)
    numbers, want = parts.compute(), whole.compute()
    assert {name: numbers[f"all/{name}"] for name in want} == want
    assert 0 < numbers["rear/coco/AP"] < 1


def test_parts_of_a_skeleton(skeleton: Skeleton) -> None:
    metric = KeypointPartitionMetric({"type": "EPE"}, {"right": [3, 2], "ears": [1, 2]}, skeleton)
    right, ears = metric.metrics["right"].skeleton, metric.metrics["ears"].skeleton
    assert right is not None
    assert ears is not None
    assert right.keypoint_names == ("tail", "right_ear")
    assert right.flip_indices == (0, 1)
    assert ears.flip_indices == (1, 0)
    assert ears.sigmas == (0.05, 0.05)


def test_results_of_parts_go_to_files_of_their_own() -> None:
    metric = KeypointPartitionMetric({"type": "CocoMetric", "outfile_prefix": "out/r"}, PARTS)
    assert [m.outfile_prefix for m in metric.metrics.values()] == ["out/r.head", "out/r.rear"]


def test_mistakes_are_named(skeleton: Skeleton) -> None:
    with pytest.raises(ValueError, match=r"metric is one of .*, got 'MPJPE'"):
        KeypointPartitionMetric({"type": "MPJPE"}, PARTS)
    with pytest.raises(ValueError, match="takes no ann_file"):
        KeypointPartitionMetric({"type": "CocoMetric", "ann_file": "a.json"}, PARTS)
    with pytest.raises(ValueError, match="an NME of parts needs norm_mode 'use_norm_item'"):
        KeypointPartitionMetric({"type": "NME", "norm_mode": "keypoint_distance"}, PARTS)
    with pytest.raises(ValueError, match="at least one keypoint for each part"):
        KeypointPartitionMetric({"type": "EPE"}, {"head": []})
    with pytest.raises(ValueError, match=r"'far' has keypoints \[4\], but the skeleton 'mouse'"):
        KeypointPartitionMetric({"type": "EPE"}, {"far": [0, 4]}, skeleton=skeleton)
