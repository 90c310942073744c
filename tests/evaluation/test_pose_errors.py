"""Errors of single poses, by hand: distances, OKS parts, who is paired with whom, who is worst."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from raypose.evaluation.pose_errors import PoseErrors, errors_in_space, errors_of_sample
from raypose.structures import Poses, PoseSample

TRUTH = [[[10.0, 10.0], [20.0, 10.0], [20.0, 30.0]], [[100.0, 100.0], [110.0, 100.0], [0.0, 0.0]]]
VISIBLE = [[1.0, 1.0, 1.0], [1.0, 1.0, 0.0]]


def sample(**changes: Any) -> PoseSample:
    given: dict[str, Any] = {
        "keypoints": np.array(TRUTH, np.float32),
        "keypoints_visible": np.array(VISIBLE, np.float32),
        "bboxes": np.array([[10, 10, 20, 30], [100, 100, 110, 140]], np.float32),
        "areas": np.array([100.0, 400.0], np.float32),
    }
    return PoseSample(id="a", **{**given, **changes})


def poses(keypoints: Any) -> Poses:
    array = np.array(keypoints, np.float32)
    return Poses(keypoints=array, keypoint_scores=np.ones(array.shape[:2], np.float32))


def test_distances_and_parts_of_pairs() -> None:
    moved = np.array(TRUTH)
    moved[0, 1] += (3, 4)
    moved[1, 0] += (0, 2)
    found = errors_of_sample(7, sample(), poses(moved), [0.1, 0.1, 0.1], paired=True)
    assert found is not None
    assert found.samples.tolist() == [7, 7]
    assert found.instances.tolist() == found.matches.tolist() == [0, 1]
    np.testing.assert_allclose(found.distances, [[0, 5, 0], [2, 0, np.nan]], atol=1e-5)
    # exp(-d^2 / (2 (2 sigma)^2 area))
    first, second = math.exp(-25 / (2 * 0.04 * 100)), math.exp(-4 / (2 * 0.04 * 400))
    np.testing.assert_allclose(found.parts, [[1, first, 1], [second, 1, np.nan]], rtol=1e-5)
    np.testing.assert_allclose(found.oks, [(2 + first) / 3, (1 + second) / 2], rtol=1e-5)
    np.testing.assert_allclose(found.means, [5 / 3, 1], rtol=1e-5)
    assert found.sizes.tolist() == [20, 40]


def test_without_areas_the_box_counts_and_without_sigmas_there_is_no_oks() -> None:
    moved = np.add(TRUTH, (3, 4))
    found = errors_of_sample(0, sample(areas=None), poses(moved), [0.1, 0.1, 0.1], paired=True)
    assert found is not None
    assert found.parts[0, 0] == pytest.approx(math.exp(-25 / (2 * 0.04 * 0.53 * 200)))
    found = errors_of_sample(0, sample(), poses(moved), None, paired=True)
    assert found is not None
    assert np.isnan(found.oks).all()


def test_predictions_in_another_order_find_their_poses() -> None:
    far = np.full((3, 2), 900.0)
    found = errors_of_sample(0, sample(), poses([far, TRUTH[1], TRUTH[0]]), None, paired=False)
    assert found is not None
    assert found.matches.tolist() == [2, 1]
    np.testing.assert_allclose(found.means, [0, 0])


def test_a_pose_that_nobody_found_is_the_worst() -> None:
    far = np.full((3, 2), 900.0)
    sigmas = [0.1, 0.1, 0.1]
    found = errors_of_sample(0, sample(), poses([TRUTH[1], far]), sigmas, paired=False)
    assert found is not None
    assert found.matches.tolist() == [-1, 0]
    assert found.oks.tolist() == [0.0, 1.0]
    assert np.isnan(found.distances[0]).all()
    assert found.means[0] == np.inf
    assert found.worst(2) == [0, 1]
    nobody = errors_of_sample(0, sample(), Poses.empty(3), sigmas, paired=False)
    assert nobody is not None
    assert nobody.matches.tolist() == [-1, -1]


def test_the_worst_by_size_where_there_is_no_oks() -> None:
    moved = np.array(TRUTH)
    moved[0] += (0, 4)  # a fifth of 20
    moved[1] += (0, 6)  # less of 40
    found = errors_of_sample(0, sample(), poses(moved), None, paired=True)
    assert found is not None
    assert found.worst(1) == [0]


def test_frames_that_are_wrong_alike_count_once() -> None:
    found = [
        errors_of_sample(i, sample(), poses(np.array(TRUTH) + shift), None, paired=True)
        for i, shift in enumerate([9.0, 8.0, 7.0, 1.0, 6.0])
    ]
    errors = PoseErrors.join([record for record in found if record is not None], 3)
    first = [row for row in errors.worst(10) if errors.instances[row] == 0]
    assert errors.samples[first].tolist() == [0, 1, 2, 4, 3]
    assert errors.samples[errors.worst(3, apart=2)].tolist() == [0, 4]


def test_poses_without_a_label_are_left_out() -> None:
    blank = np.array([[0, 0, 0], [1, 1, 0]], np.float32)
    found = errors_of_sample(3, sample(keypoints_visible=blank), poses(TRUTH), None, paired=True)
    assert found is not None
    assert found.instances.tolist() == [1]
    assert (
        errors_of_sample(3, sample(keypoints_visible=0 * blank), poses(TRUTH), None, paired=True)
        is None
    )
    assert errors_of_sample(3, PoseSample(id="b"), poses(TRUTH), None, paired=True) is None


def test_poses_in_space() -> None:
    target = np.zeros((1, 2, 3), np.float32)
    meta = {"lifting_target": target, "lifting_target_visible": np.array([[1.0, 0.0]])}
    found = errors_in_space(
        4, PoseSample(id="a", meta=meta), poses(np.add(target, (0.003, 0, 0.004))), scale=1000
    )
    assert found is not None
    np.testing.assert_allclose(found.distances, [[5, np.nan]], rtol=1e-5)
    assert found.samples.tolist() == [4]
    joined = PoseErrors.join([found, found], 2)
    assert len(joined) == 2
    assert joined.means.tolist() == pytest.approx([5, 5])
    assert len(PoseErrors.join([], 2)) == 0
