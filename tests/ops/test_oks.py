from __future__ import annotations

import numpy as np
import pytest

from raypose.ops.oks import oks_iou, oks_matrix


def _poses(count: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    keypoints = rng.uniform(0, 60, (1, 17, 3)) + rng.normal(0, 3, (count, 17, 3))
    keypoints[..., 2] = rng.uniform(0, 1, (count, 17))
    return keypoints, rng.uniform(500, 5000, count)


def test_one_displaced_keypoint_by_hand() -> None:
    pose = np.zeros((2, 3))
    other = np.array([[[0, 0, 1], [3, 4, 1]]])
    sigmas, area = [0.1, 0.2], 100.0
    want = (1 + np.exp(-25 / (2 * area * 0.4**2))) / 2
    got = oks_iou(pose, other, area, np.array([area]), sigmas)
    np.testing.assert_allclose(got, [want], rtol=1e-6)


def test_matrix_is_symmetric_with_ones_on_its_diagonal() -> None:
    poses, areas = _poses(6)
    matrix = oks_matrix(poses, poses, areas, areas)
    np.testing.assert_allclose(np.diag(matrix), 1, rtol=1e-6)
    np.testing.assert_allclose(matrix, matrix.T, rtol=1e-6)
    assert matrix[0, 1] < 1


def test_similarity_does_not_depend_on_the_unit_of_length() -> None:
    poses, areas = _poses(4)
    plain = oks_matrix(poses, poses, areas, areas)
    larger = oks_matrix(poses * [3, 3, 1], poses * [3, 3, 1], areas * 9, areas * 9)
    np.testing.assert_allclose(plain, larger, rtol=1e-5)


def test_only_keypoints_sure_in_both_count() -> None:
    poses, areas = _poses(2)
    sure = (poses[..., 2] > 0.5).all(axis=0)
    assert 0 < sure.sum() < 17
    sigmas = np.linspace(0.02, 0.1, 17)
    want = oks_matrix(poses[:1, sure], poses[1:, sure], areas[:1], areas[1:], sigmas[sure])
    got = oks_matrix(poses[:1], poses[1:], areas[:1], areas[1:], sigmas, vis_thr=0.5)
    np.testing.assert_allclose(got, want, rtol=1e-6)
    assert oks_matrix(poses, poses, areas, areas, vis_thr=2.0).max() == 0


def test_sigmas_must_fit() -> None:
    with pytest.raises(ValueError, match="17 sigmas for 5 keypoints"):
        oks_matrix(np.zeros((1, 5, 3)), np.zeros((1, 5, 3)), np.ones(1), np.ones(1))
