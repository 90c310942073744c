from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from raypose.evaluation import MPJPE, SimpleMPJPE
from raypose.structures import Poses, PoseSample


def _pair(number: int, error: float, **meta: Any) -> tuple[PoseSample, Poses]:
    rng = np.random.default_rng(number)
    target = rng.normal(0, 300, (1, 17, 3)).astype(np.float32)
    found = target + np.array([error, 0, 0], np.float32)
    sample = PoseSample(
        id=str(number),
        index=number,
        meta={"lifting_target": target, "lifting_target_visible": np.ones((1, 17)), **meta},
    )
    return sample, Poses(keypoints=found, keypoint_scores=np.ones((1, 17), np.float32))


PAIRS = [
    _pair(0, 10, target_img_path=["images/S9/S9_Walking 1.54138969_000001.jpg"]),
    _pair(1, 20, target_img_path=["images/S9/S9_Walking 1.54138969_000006.jpg"]),
    _pair(2, 60, target_img_path=["images/S9/S9_Sitting_2.54138969_000001.jpg"]),
]


def _computed(metric: SimpleMPJPE, pairs: list[tuple[PoseSample, Poses]]) -> dict[str, float]:
    for sample, poses in pairs:
        metric.update(sample, poses)
    return metric.compute()


def test_errors_over_all_and_by_action() -> None:
    numbers = _computed(MPJPE(), PAIRS)
    want = {"MPJPE": 30, "MPJPE_Walking 1": 15, "MPJPE_Sitting": 60}
    assert numbers == pytest.approx(want, rel=1e-4)
    assert _computed(SimpleMPJPE(), PAIRS) == pytest.approx({"MPJPE": 30}, rel=1e-4)


def test_actions_may_be_named_or_unknown() -> None:
    pairs = [_pair(0, 10, action="jump"), _pair(1, 20)]
    assert _computed(MPJPE(), pairs) == pytest.approx({"MPJPE": 15, "MPJPE_jump": 10}, rel=1e-4)


def test_alignment_takes_a_shift_away() -> None:
    numbers = _computed(MPJPE(mode="p-mpjpe"), PAIRS)
    assert numbers["P-MPJPE"] < 1e-3
    assert _computed(MPJPE(mode="n-mpjpe"), PAIRS)["N-MPJPE"] > 20


def test_skipped_samples_and_hidden_keypoints() -> None:
    metric = MPJPE(skip_list=["S9_Sitting_2"])
    assert _computed(metric, PAIRS)["MPJPE"] == pytest.approx(15, rel=1e-4)
    sample, poses = _pair(0, 10)
    sample.meta["lifting_target_visible"][0, 3:] = 0
    poses.keypoints[0, 3:] += 1000
    assert _computed(MPJPE(), [(sample, poses)])["MPJPE"] == pytest.approx(10, rel=1e-4)


def test_sequences_come_with_a_leading_axis() -> None:
    sample, poses = _pair(0, 10)
    sequence = poses.replace(keypoints=poses.keypoints[None], keypoint_scores=np.ones((1, 1, 17)))
    assert _computed(MPJPE(), [(sample, sequence)])["MPJPE"] == pytest.approx(10, rel=1e-4)


def test_a_top_down_model_has_its_pose_in_space_beside_that_in_the_image() -> None:
    sample, poses = _pair(0, 10)
    flat = poses.replace(keypoints=np.zeros((1, 17, 2)), keypoints_3d=poses.keypoints)
    assert _computed(SimpleMPJPE(), [(sample, flat)]) == {"MPJPE": pytest.approx(10, rel=1e-4)}


def test_mistakes_are_named() -> None:
    with pytest.raises(ValueError, match="mode is one of mpjpe, p-mpjpe, n-mpjpe, got 'pa'"):
        MPJPE(mode="pa")
    sample, poses = _pair(0, 10)
    with pytest.raises(ValueError, match=r"\(1, 17, 3\), predicted are \(1, 16, 3\)"):
        MPJPE().update(sample, poses.replace(keypoints=poses.keypoints[:, :16]))
    del sample.meta["lifting_target"]
    with pytest.raises(ValueError, match="sample 0 has no lifting_target"):
        MPJPE().update(sample, poses)
