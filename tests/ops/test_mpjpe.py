from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from raypose.ops import mpjpe


def _poses(count: int = 4) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return rng.normal(0, 1, (count, 17, 3)), np.ones((count, 17), bool)


def test_error_by_hand_counts_only_the_mask() -> None:
    pose, mask = _poses(1)
    pred = pose.copy()
    pred[0, 0] += [3, 0, 4]
    pred[0, 1] += 100
    mask[0, 1] = False
    assert mpjpe.keypoint_mpjpe(pred, pose, mask) == pytest.approx(5 / 16)


def test_alignments_undo_what_they_are_for() -> None:
    pose, mask = _poses()
    rotation = Rotation.from_euler("xyz", [0.3, -1.1, 2.0]).as_matrix()
    moved = pose @ rotation.T * 2.5 + [1, 2, 3]
    assert mpjpe.keypoint_mpjpe(moved, pose, mask) > 1
    assert mpjpe.keypoint_mpjpe(moved, pose, mask, "procrustes") < 1e-12
    assert mpjpe.keypoint_mpjpe(pose * 0.3, pose, mask, "scale") < 1e-12
    assert mpjpe.keypoint_mpjpe(moved, pose, mask, "scale") > 0.5


def test_a_reflection_is_not_undone() -> None:
    pose, mask = _poses()
    mirrored = pose * [-1, 1, 1]
    assert mpjpe.keypoint_mpjpe(mirrored, pose, mask, "procrustes") > 0.3


def test_each_pose_is_aligned_by_itself() -> None:
    pose, mask = _poses()
    noisy = pose * np.array([1, 2, 3, 4])[:, None, None] + 0.1 * _poses(8)[0][4:]
    together = mpjpe.keypoint_mpjpe(noisy, pose, mask, "procrustes")
    alone = [
        mpjpe.keypoint_mpjpe(noisy[i : i + 1], pose[i : i + 1], mask[:1], "procrustes")
        for i in range(4)
    ]
    assert together == pytest.approx(np.mean(alone))


def test_wrong_arguments_are_refused() -> None:
    pose, mask = _poses()
    with pytest.raises(ValueError, match="alignment is one of none, scale, procrustes, got 'pa'"):
        mpjpe.keypoint_mpjpe(pose, pose, mask, "pa")
    with pytest.raises(ValueError, match="MPJPE of no keypoints"):
        mpjpe.keypoint_mpjpe(pose, pose, mask & False)
