from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from raypose.evaluation import (
    AUC,
    EPE,
    MPJPE,
    NME,
    CocoMetric,
    CocoWholeBodyMetric,
    InterHandMetric,
    JhmdbPCKAccuracy,
    KeypointPartitionMetric,
    MpiiPCKAccuracy,
    MultiDatasetEvaluator,
    PCKAccuracy,
    SimpleMPJPE,
)
from raypose.evaluation.base import BaseMetric
from raypose.structures import Poses, PoseSample, Skeleton

METRICS: list[Callable[[], BaseMetric]] = [
    EPE,
    lambda: PCKAccuracy(thr=0.03),
    CocoMetric,
    lambda: CocoMetric(nms_mode="soft_oks_nms", score_mode="bbox_rle"),
    lambda: CocoMetric(iou_type="keypoints_crowd", use_area=False, nms_mode="none"),
    AUC,
    lambda: PCKAccuracy(norm_item=["head", "bbox"]),
    lambda: NME(norm_mode="use_norm_item", norm_item="bbox_size"),
    lambda: NME(norm_mode="keypoint_distance", keypoint_indices=[0, 3]),
    MPJPE,
    lambda: MPJPE(mode="p-mpjpe"),
    lambda: SimpleMPJPE(mode="n-mpjpe"),
    lambda: KeypointPartitionMetric(metric={"type": "EPE"}, partitions={"head": [0, 1, 2]}),
    lambda: MultiDatasetEvaluator(
        datasets=["lab", "field"], metrics=[{"type": "CocoMetric"}, {"type": "EPE"}]
    ),
]


@pytest.mark.parametrize("make", METRICS)
@pytest.mark.parametrize("workers", [1, 2, 5])
def test_numbers_do_not_depend_on_the_number_of_workers(
    make: Callable[[], BaseMetric],
    workers: int,
    make_pairs: Callable[..., list[Any]],
    skeleton: Skeleton,
) -> None:
    pairs = [_more_of(i, *pair) for i, pair in enumerate(make_pairs())]
    numbers, merged = _dealt_to_workers(make, pairs, workers, skeleton)
    assert merged == numbers


@pytest.mark.parametrize(
    ("make", "k"),
    [
        (lambda: CocoWholeBodyMetric(skeleton="coco_wholebody"), 133),
        (MpiiPCKAccuracy, 16),
        (lambda: JhmdbPCKAccuracy(norm_item=["bbox", "torso"]), 15),
        (InterHandMetric, 42),
    ],
    ids=["whole-body", "mpii", "jhmdb", "interhand"],
)
def test_numbers_of_metrics_of_one_dataset_do_not_depend_on_workers(
    make: Callable[[], BaseMetric], k: int, make_pairs: Callable[..., list[Any]], skeleton: Skeleton
) -> None:
    pairs = [_more_of(i, *pair) for i, pair in enumerate(make_pairs(k=k))]
    if k == 42:
        pairs = [_of_hands(i, *pair) for i, pair in enumerate(pairs)]
    numbers, merged = _dealt_to_workers(make, pairs, 4, skeleton)
    assert merged == numbers


def _dealt_to_workers(
    make: Callable[[], BaseMetric],
    pairs: list[tuple[PoseSample, Poses]],
    workers: int,
    skeleton: Skeleton,
) -> tuple[dict[str, float], dict[str, float]]:
    """Return the numbers of one metric that sees all, and of several that are merged."""

    def fresh() -> BaseMetric:
        metric = make()
        if metric.skeleton is None:
            metric.set_skeleton(skeleton)
        return metric

    whole = fresh()
    for sample, poses in pairs:
        whole.update(sample, poses)

    # As a padded sampler deals them out: every worker as many, some samples twice.
    per_worker = -(-len(pairs) // workers)
    dealt = (pairs + pairs)[: per_worker * workers]
    parts = []
    for rank in range(workers):
        part = fresh()
        for sample, poses in dealt[rank::workers]:
            part.update(sample, poses)
        parts.append(pickle.loads(pickle.dumps(part)))
    first, *others = reversed(parts)
    for other in others:
        first.merge(other)

    return whole.compute(), first.compute()


def _of_hands(number: int, sample: PoseSample, poses: Poses) -> tuple[PoseSample, Poses]:
    """Add what two hands before a camera have."""
    rng = np.random.default_rng(number)
    there = ((1, 0), (0, 1), (1, 1))[number % 3]
    sample.meta.update(
        keypoints_cam=rng.uniform(500, 700, (1, 42, 3)).astype(np.float32),
        hand_type=np.array([there], np.float32),
        hand_type_valid=np.ones(1, np.float32),
        abs_depth=np.array([600.0, 610.0 + number], np.float32),
        rel_root_depth=10.0 + number,
        focal=np.array([900.0, 905.0], np.float32),
        principal_pt=np.array([160.0, 120.0], np.float32),
    )
    space = np.concatenate([poses.keypoints, rng.normal(0, 9, (1, 42, 1))], axis=-1)
    guessed = np.array([(1, int(number % 4 == 0))], np.float32)
    extras = {"hand_type": guessed, "rel_root_depth": np.array([[12.0]], np.float32)}
    return sample, poses.replace(keypoints=space.astype(np.float32), extras=extras)


def _more_of(number: int, sample: PoseSample, poses: Poses) -> tuple[PoseSample, Poses]:
    """Add what one metric or another needs: a dataset, a head, a crowd and poses in space."""
    assert sample.keypoints is not None
    depth = np.full((1, sample.keypoints.shape[1], 1), 3 + number, np.float32)
    action = ("Walking", "Eating")[number % 2]
    sample.meta.update(
        dataset=number % 2,
        head_size=20 + number,
        crowd_index=number / 9,
        lifting_target=np.concatenate([sample.keypoints, depth], axis=-1),
        target_img_path=[f"S9_{action}.55_{number:06d}.jpg"],
    )
    return sample, poses.replace(
        keypoints_3d=np.concatenate([poses.keypoints, depth + 0.1 * number], axis=-1)
    )


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
