from __future__ import annotations

import numpy as np

from raypose.ops.tag_grouping import _assign, group_by_tags


def candidates(entries: list[list[tuple[float, float]]], M: int = 3) -> tuple[np.ndarray, ...]:
    """Values, tags and cells of K lists of (value, tag); cell (k, m) for candidate m of k."""
    K = len(entries)
    values, tags = np.zeros((K, M), np.float32), np.zeros((K, M, 1), np.float32)
    cells = np.stack(np.meshgrid(np.arange(K), np.arange(M), indexing="ij"), axis=-1)
    for k, row in enumerate(entries):
        for m, (value, tag) in enumerate(row):
            values[k, m], tags[k, m] = value, tag
    return values, tags, cells


def test_candidates_join_the_group_with_their_tag() -> None:
    entries = [[(0.9, 0.0), (0.8, 5.0)], [(0.7, 5.2), (0.6, 0.1)], [(0.5, 4.9)]]

    cells, scores = group_by_tags(*candidates(entries), keypoint_order=[0, 1, 2], value_thr=0.1)

    np.testing.assert_allclose(scores, [[0.9, 0.6, 0.0], [0.8, 0.7, 0.5]])
    assert cells.tolist() == [[[0, 0], [1, 1], [0, 0]], [[0, 1], [1, 0], [2, 0]]]


def test_a_far_tag_begins_a_group_and_a_faint_response_does_not_count() -> None:
    entries = [[(0.9, 0.0)], [(0.7, 3.0), (0.05, 0.0)]]

    _, scores = group_by_tags(*candidates(entries), keypoint_order=[0, 1], value_thr=0.1)

    np.testing.assert_allclose(scores, [[0.9, 0.0], [0.0, 0.7]])


def test_the_order_decides_who_begins() -> None:
    entries = [[(0.9, 0.0)], [(0.7, 3.0)]]

    _, scores = group_by_tags(*candidates(entries), keypoint_order=[1, 0], value_thr=0.1)

    np.testing.assert_allclose(scores, [[0.0, 0.7], [0.9, 0.0]])


def test_groups_move_with_the_tags_they_take() -> None:
    # 0.0 and 0.8 average to 0.4, so that 1.2 is near enough; from 0.0 it would not be.
    entries = [[(0.9, 0.0)], [(0.9, 0.8)], [(0.9, 1.2)]]

    _, scores = group_by_tags(*candidates(entries), keypoint_order=[0, 1, 2], value_thr=0.1)

    np.testing.assert_allclose(scores, [[0.9, 0.9, 0.9]])


def test_of_two_equal_candidates_one_joins() -> None:
    entries = [[(0.9, 0.0)], [(0.8, 0.1), (0.7, 0.2)]]

    _, scores = group_by_tags(*candidates(entries), keypoint_order=[0, 1], value_thr=0.1)

    np.testing.assert_allclose(scores, [[0.9, 0.8], [0.0, 0.7]])


def test_equal_tags_share_a_group() -> None:
    _, scores = group_by_tags(
        *candidates([[(0.9, 2.0), (0.8, 2.0)]]), keypoint_order=[0], value_thr=0.1
    )

    np.testing.assert_allclose(scores, [[0.8]])


def test_nothing_found_is_no_group() -> None:
    cells, scores = group_by_tags(*candidates([[], []]), keypoint_order=[0, 1], value_thr=0.1)

    assert cells.shape == (0, 2, 2)
    assert scores.shape == (0, 2)


def test_max_groups_keeps_the_first() -> None:
    entries = [[(0.9, 0.0), (0.8, 5.0), (0.7, 9.0)]]

    _, scores = group_by_tags(*candidates(entries), keypoint_order=[0], value_thr=0.1, max_groups=2)

    np.testing.assert_allclose(scores, [[0.9], [0.8]])


def test_of_equally_good_assignments_the_reference_takes_the_one_that_moves_least() -> None:
    # Total distance 2 either way. Rows 1 to 3 each find their best column free and only the
    # first, whose best ones are taken, moves others; the expected columns are the reference's.
    distances = np.array([[2, 2, 1, 1], [2, 0, 1, 1], [1, 0, 0, 2], [2, 1, 2, 1]])
    scores = np.array([0.375, 0.875, 0.125, 0.25])[:, None]

    assert _assign(distances * 100 - scores) == [2, 1, 0, 3]
