from __future__ import annotations

import numpy as np
import pytest

from raypose.evaluation import JhmdbPCKAccuracy, MpiiPCKAccuracy
from raypose.structures import Poses, PoseSample


def _pair(K: int, wrong: list[int]) -> tuple[PoseSample, Poses]:
    """A head of 10 pixels and a box of 100; wrong keypoints are 50 pixels off."""
    rng = np.random.default_rng(0)
    keypoints = rng.uniform(0, 100, (1, K, 2)).astype(np.float32)
    found = keypoints.copy()
    found[:, wrong] += 50
    sample = PoseSample(
        id="one",
        bboxes=np.array([[0, 0, 100, 100]], np.float32),
        keypoints=keypoints,
        keypoints_visible=np.ones((1, K), np.float32),
        meta={"head_size": np.array([[10.0]])},
    )
    return sample, Poses(keypoints=found, keypoint_scores=np.ones((1, K), np.float32))


def test_mpii_counts_from_one_and_leaves_the_trunk_out() -> None:
    sample, poses = _pair(16, wrong=[6, 7, 9, 10])
    exact = poses.replace(keypoints=poses.keypoints - 1)
    metric = MpiiPCKAccuracy()
    metric.update(sample, exact)
    numbers = metric.compute()
    assert numbers["Head PCK"] == 0
    assert numbers["Wrist PCK"] == 50
    assert numbers["Knee PCK"] == 100
    assert numbers["PCK"] == pytest.approx(100 * 12 / 14)
    # One pixel in both directions is more than a tenth of the head.
    moved = MpiiPCKAccuracy()
    moved.update(sample, poses)
    assert moved.compute()["PCK@0.1"] == 0
    assert numbers["PCK@0.1"] == pytest.approx(100 * 12 / 14)


def test_jhmdb_names_pairs_of_joints() -> None:
    sample, poses = _pair(15, wrong=[3, 14])
    metric = JhmdbPCKAccuracy(thr=0.2, norm_item=["bbox", "torso"])
    metric.update(sample, poses)
    numbers = metric.compute()
    assert numbers["Sho PCK"] == numbers["Ank PCK"] == numbers["Sho tPCK"] == 0.5
    assert numbers["Head PCK"] == numbers["Elb tPCK"] == 1
    assert numbers["PCK"] == pytest.approx(13 / 15)


def test_each_has_its_ways_to_measure() -> None:
    with pytest.raises(ValueError, match=r"measures by 'head' only, got \['bbox'\]"):
        MpiiPCKAccuracy(norm_item="bbox")
    with pytest.raises(ValueError, match="measures by 'bbox' or 'torso', got 'head'"):
        JhmdbPCKAccuracy(norm_item="head")
