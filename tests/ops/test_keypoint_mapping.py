from __future__ import annotations

import numpy as np

from raypose.ops import keypoint_mapping as mapping

POINTS = np.arange(12, dtype=np.float32).reshape(1, 6, 2)


def test_pairs_give_the_middle_and_the_product() -> None:
    visible = np.array([[1, 0.5, 1, 0, 1, 1]], np.float32)
    keypoints, seen, weights = mapping.convert_keypoints(
        POINTS, visible, 4, [[[0, 1], 2], [5, 0], [[2, 3], 1]]
    )
    np.testing.assert_array_equal(keypoints[0], [[10, 11], [5, 6], [1, 2], [0, 0]])
    np.testing.assert_array_equal(seen, [[1, 0, 0.5, 0]])
    np.testing.assert_array_equal(weights, [[1, 1, 1, 0]])


def test_an_empty_mapping_maps_nothing() -> None:
    keypoints, seen, weights = mapping.convert_keypoints(POINTS, np.ones((1, 6)), 3, [])
    assert not keypoints.any()
    assert not seen.any()
    assert not weights.any()
    np.testing.assert_array_equal(mapping.map_sigmas(np.ones(6) * 0.1, 2, []), [1, 1])


def test_a_permutation_and_its_inverse() -> None:
    order = [3, 0, 5, 1, 4, 2]
    there = [[source, target] for target, source in enumerate(order)]
    back = [[target, source] for source, target in there]
    scores = np.linspace(0, 1, 6)[None]
    mapped = mapping.map_keypoints(POINTS, scores, 6, there)
    assert not np.array_equal(mapped[0], POINTS)
    again = mapping.map_keypoints(*mapped, 6, back)
    np.testing.assert_array_equal(again[0], POINTS)
    np.testing.assert_array_equal(again[1], scores)
    sigmas = mapping.map_sigmas(mapping.map_sigmas(scores[0], 6, there), 6, back)
    np.testing.assert_array_equal(sigmas, scores[0])
