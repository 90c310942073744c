from __future__ import annotations

import numpy as np
import pytest

from raypose.ops import pck

GT = np.zeros((3, 2, 2))
PRED = np.array([[[3.0, 4], [0, 0]], [[0, 1], [6, 8]], [[0, 0], [100, 0]]])
MASK = np.array([[True, True], [True, True], [True, False]])
FACTOR = np.array([[10.0, 10], [10, 10], [20, 20]])


def test_pck_by_hand() -> None:
    accuracy, mean, count = pck.keypoint_pck_accuracy(PRED, GT, MASK, 0.5, FACTOR)
    # 5 / 10 is not strictly below 0.5.
    np.testing.assert_allclose(accuracy, [2 / 3, 1 / 2])
    assert mean == pytest.approx((2 / 3 + 1 / 2) / 2)
    assert count == 2


def test_keypoints_that_never_count() -> None:
    mask = MASK & [True, False]
    accuracy, mean, count = pck.keypoint_pck_accuracy(PRED, GT, mask, 0.5, FACTOR)
    np.testing.assert_allclose(accuracy, [2 / 3, -1])
    assert (mean, count) == (pytest.approx(2 / 3), 1)
    assert pck.keypoint_pck_accuracy(PRED, GT, mask & False, 0.5, FACTOR)[1:] == (0.0, 0)


def test_an_instance_without_a_size_is_left_out() -> None:
    factor = FACTOR.copy()
    factor[0, 1] = 0
    accuracy, _, _ = pck.keypoint_pck_accuracy(PRED, GT, MASK, 0.5, factor)
    np.testing.assert_allclose(accuracy, [1, 0])
    np.testing.assert_array_equal(factor[0], [10, 0])


def test_errors_by_hand() -> None:
    assert pck.keypoint_epe(PRED, GT, MASK) == pytest.approx((5 + 0 + 1 + 10 + 0) / 5)
    assert pck.keypoint_nme(PRED, GT, MASK, FACTOR) == pytest.approx((0.5 + 0.1 + 1) / 5)
    assert pck.keypoint_epe(PRED, GT, MASK & False) == 0


def test_area_under_the_curve_by_hand() -> None:
    # Thresholds 0, 1/4, 1/2, 3/4 of 8 pixels; nothing is strictly nearer than 0.
    means = [0, (2 / 3 + 1 / 2) / 2, (2 / 3 + 1 / 2) / 2, (1 + 1 / 2) / 2]
    assert pck.keypoint_auc(PRED, GT, MASK, 8.0, 4) == pytest.approx(np.mean(means))


def test_three_dimensions_in_any_order_of_instances() -> None:
    rng = np.random.default_rng(0)
    gt = rng.normal(0, 1, (6, 4, 3))
    pred = gt + rng.normal(0, 1, gt.shape)
    mask = rng.random((6, 4)) < 0.8
    factor = np.ones((6, 3))
    order = rng.permutation(6)
    shuffled = (pred[order], gt[order], mask[order])
    want = np.linalg.norm(pred - gt, axis=-1)[mask]
    assert pck.keypoint_epe(pred, gt, mask) == pytest.approx(want.mean())
    assert pck.keypoint_epe(*shuffled) == pytest.approx(want.mean())
    plain = pck.keypoint_pck_accuracy(pred, gt, mask, 1.5, factor)[0]
    assert 0 < plain.min() < plain.max()
    np.testing.assert_allclose(pck.keypoint_pck_accuracy(*shuffled, 1.5, factor)[0], plain)


def test_shapes_must_agree() -> None:
    with pytest.raises(ValueError, match=r"\(3, 2, 2\) and annotations \(3, 1, 2\) differ"):
        pck.keypoint_epe(PRED, GT[:, :1], MASK)
