from __future__ import annotations

import numpy as np
import pytest

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


@pytest.mark.parametrize("source", ["coco", "aic", "crowdpose", "h36m"])
def test_conversion_to_h36m_commutes_with_moving(source: str) -> None:
    points = np.random.default_rng(0).normal(0, 100, (2, 17, 2))
    plain = mapping.keypoints_to_h36m(points, source)
    moved = mapping.keypoints_to_h36m(points * 2 + 7, source)
    assert plain.shape == (2, 17, 2)
    np.testing.assert_allclose(moved, plain * 2 + 7)


def test_a_missing_keypoint_spoils_only_what_depends_on_it() -> None:
    points = np.ones((1, 17, 2))
    points[:, 16] = np.nan
    converted = mapping.keypoints_to_h36m(points, "coco")
    assert np.isnan(converted[0, :, 0]).nonzero()[0].tolist() == [3]


def test_an_unknown_source_is_refused() -> None:
    with pytest.raises(ValueError, match=r"from 'coc', only from coco.*Did you mean 'coco'"):
        mapping.keypoints_to_h36m(POINTS, "coc")
