from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from raypose.evaluation import InterHandMetric
from raypose.ops.cameras import project
from raypose.structures import Poses, PoseSample

FOCAL, CENTER = np.array([1500.0, 1490.0]), np.array([256.0, 250.0])


def _pair(both: bool = True, **extras: Any) -> tuple[PoseSample, Poses]:
    """Two hands seen exactly."""
    rng = np.random.default_rng(0)
    hands = rng.normal(0, 40, (1, 42, 3)) + np.array([0, 0, 1000])
    depth = hands[0, [20, 41], 2]
    pixels = project(hands, *FOCAL, *CENTER)
    relative = hands[..., 2:] - np.repeat(depth, 21)[None, :, None]
    sample = PoseSample(
        id="one",
        keypoints_visible=np.ones((1, 42), np.float32),
        meta={
            "keypoints_cam": hands,
            "hand_type": np.array([[1, 1 if both else 0]]),
            "hand_type_valid": np.array([1]),
            "abs_depth": depth,
            "focal": FOCAL,
            "principal_pt": CENTER,
        },
    )
    found = {"hand_type": np.array([[1, 1]]), "rel_root_depth": depth[1:] - depth[:1], **extras}
    poses = Poses(
        keypoints=np.concatenate([pixels, relative], axis=-1).astype(np.float32),
        keypoint_scores=np.ones((1, 42), np.float32),
        extras=found,
    )
    return sample, poses


def test_hands_seen_exactly() -> None:
    metric = InterHandMetric()
    metric.update(*_pair())
    numbers = metric.compute()
    assert numbers["HandednessAcc"] == 1
    for name in ("MPJPE_all", "MPJPE_interacting", "MRRPE"):
        assert numbers[name] == pytest.approx(0, abs=0.01)


def test_a_wrong_root_depth_moves_only_the_roots_apart() -> None:
    sample, poses = _pair()
    deeper = {**poses.extras, "rel_root_depth": poses.extras["rel_root_depth"] + 50}
    metric = InterHandMetric()
    metric.update(sample, poses.replace(extras=deeper))
    numbers = metric.compute()
    assert numbers["MRRPE"] == pytest.approx(50, rel=0.02)
    assert numbers["MPJPE_all"] == pytest.approx(0, abs=0.01)


def test_one_hand_counts_as_single() -> None:
    sample, poses = _pair(both=False)
    keypoints = poses.keypoints.copy()
    keypoints[0, 0, 2] += 42
    metric = InterHandMetric()
    metric.update(sample, poses.replace(keypoints=keypoints))
    numbers = metric.compute()
    assert numbers["MPJPE_single"] == pytest.approx(1, rel=0.02)
    assert numbers["MPJPE_interacting"] == numbers["MRRPE"] == 0
    assert numbers["HandednessAcc"] == 0


def test_mistakes_are_named() -> None:
    with pytest.raises(ValueError, match="modes are among MPJPE, MRRPE, HandednessAcc, got 'PCK'"):
        InterHandMetric(modes=["PCK"])
    sample, poses = _pair()
    with pytest.raises(ValueError, match="the prediction has no hand_type and rel_root_depth"):
        InterHandMetric().update(sample, poses.replace(extras={}))
    InterHandMetric(modes=["MPJPE"]).update(sample, poses.replace(extras={}))
