from __future__ import annotations

import numpy as np
import pytest

from raypose.ops import nms as suppression

BOXES = np.array([[0, 0, 10, 10], [1, 0, 11, 10], [40, 40, 60, 60], [42, 40, 62, 60.0]])
SCORES = np.array([0.5, 0.9, 0.3, 0.7])


def _crowd(count: int = 12) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(3)
    people = rng.uniform(0, 200, (3, 1, 1)) + rng.uniform(0, 60, (3, 17, 3))
    keypoints = people[np.arange(count) % 3] + rng.normal(0, 2, (count, 17, 3))
    return keypoints, rng.permutation(count) / count, rng.uniform(3000, 4000, count)


def test_boxes_by_hand() -> None:
    assert suppression.nms(BOXES, SCORES, 0.5).tolist() == [1, 3]
    assert suppression.nms(BOXES, SCORES, 0.95).tolist() == [1, 3, 0, 2]
    groups = suppression.nms_groups(BOXES, SCORES, 0.5)
    assert [group.tolist() for group in groups] == [[1, 0], [3, 2]]


def test_the_kept_are_apart_and_every_other_is_near_a_better_one() -> None:
    keypoints, scores, areas = _crowd()
    kept = suppression.oks_nms(keypoints, scores, areas, 0.5)
    assert len(kept) == 3
    assert (np.diff(scores[kept]) < 0).all()
    assert {int(i) % 3 for i in kept} == {0, 1, 2}


@pytest.mark.parametrize("function", [suppression.oks_nms, suppression.soft_oks_nms])
def test_the_order_of_candidates_does_not_matter(function: object) -> None:
    keypoints, scores, areas = _crowd()
    order = np.random.default_rng(0).permutation(len(scores))
    kept = function(keypoints, scores, areas, 0.5)  # type: ignore[operator]
    shuffled = function(keypoints[order], scores[order], areas[order], 0.5)  # type: ignore[operator]
    assert order[shuffled].tolist() == kept.tolist()


def test_scores_of_keypoints_count_by_their_mean() -> None:
    keypoints, scores, areas = _crowd()
    spread = scores[:, None] + np.linspace(-0.1, 0.1, 17)
    for function in (suppression.oks_nms, suppression.soft_oks_nms):
        assert function(keypoints, spread, areas, 0.5).tolist() == (
            function(keypoints, scores, areas, 0.5).tolist()
        )


def test_soft_suppression_takes_the_distant_before_the_similar() -> None:
    keypoints, _, areas = _crowd(6)
    # 0 and 3 are one person, 1 another: 3 is better than 1 but fades.
    scores = np.array([0.9, 0.5, 0.1, 0.8, 0.1, 0.1])
    kept = suppression.soft_oks_nms(keypoints, scores, areas, 0.1, max_dets=3)
    assert kept.tolist()[:2] == [0, 1]
    assert len(kept) == 3
    assert len(suppression.soft_oks_nms(keypoints, scores, areas, 0.1, max_dets=50)) == 6


def test_people_who_share_joints_are_one() -> None:
    rng = np.random.default_rng(1)
    person = rng.uniform(0, 100, (1, 8, 2))
    others = person + 300
    half = person.copy()
    half[:, 5:] += 50
    keypoints = np.concatenate([person, person + 1, others, half])
    scores = np.array([0.6, 0.9, 0.3, 0.5])
    assert suppression.nearby_joints_nms(keypoints, scores, 0.05).tolist() == [1, 2]
    assert suppression.nearby_joints_nms(keypoints, scores, 0.05, 6).tolist() == [1, 3, 2]
    assert suppression.nearby_joints_nms(keypoints, scores, 0.05, 6, max_dets=2).tolist() == [1, 3]


def test_nobody_gives_nobody() -> None:
    nothing, none = np.zeros((0, 17, 3)), np.zeros(0)
    assert suppression.nms(np.zeros((0, 4)), none, 0.5).tolist() == []
    assert suppression.nms_groups(np.zeros((0, 4)), none) == []
    assert suppression.oks_nms(nothing, none, none, 0.5).tolist() == []
    assert suppression.soft_oks_nms(nothing, none, none, 0.5).tolist() == []
    assert suppression.nearby_joints_nms(nothing[..., :2], none).tolist() == []


def test_wrong_thresholds_are_refused() -> None:
    poses = np.zeros((2, 4, 2))
    with pytest.raises(ValueError, match="dist_thr is a positive share of the diagonal, got 0"):
        suppression.nearby_joints_nms(poses, SCORES[:2], 0)
    with pytest.raises(ValueError, match="is below the 4 keypoints, got 4"):
        suppression.nearby_joints_nms(poses, SCORES[:2], 0.1, 4)


def test_classes_are_suppressed_by_themselves() -> None:
    boxes = np.array([[0, 0, 10, 10], [0, 0, 10, 9.5], [0, 0, 10, 9.9], [20, 0, 30, 10.0]])
    scores = np.array([0.5, 0.9, 0.7, 0.6])
    assert suppression.class_nms(boxes, scores, 0.9).tolist() == [1, 3]
    assert suppression.class_nms(boxes, scores, 0.9, np.array([0, 0, 1, 0])).tolist() == [1, 2, 3]
    assert suppression.class_nms(boxes[:0], scores[:0], 0.9).tolist() == []


def test_many_images_at_once_are_many_images() -> None:
    rng = np.random.default_rng(5)
    sizes = [1, 12, 0, 7, 30, 2]
    crowds = [_crowd(size) for size in sizes]
    keypoints, scores, areas = (np.concatenate(parts) for parts in zip(*crowds, strict=True))
    scores = np.round(scores, 1)  # with ties
    shuffled = rng.permutation(len(scores))
    groups = np.repeat([9, 2, 4, 7, 1, 3], sizes)[shuffled]
    keypoints, scores, areas = keypoints[shuffled], scores[shuffled], areas[shuffled]
    expected = [
        rows[suppression.oks_nms(keypoints[rows], scores[rows], areas[rows], 0.5)]
        for rows in (np.flatnonzero(groups == group) for group in np.unique(groups))
    ]
    found = suppression.oks_nms_of_groups(keypoints, scores, areas, groups, 0.5)
    assert found.tolist() == np.concatenate(expected).tolist()
    assert 0 < len(found) < len(scores)
    empty = suppression.oks_nms_of_groups(keypoints[:0], scores[:0], areas[:0], groups[:0], 0.5)
    assert empty.tolist() == []
