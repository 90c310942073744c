"""Which keypoints are of one instance."""

from __future__ import annotations

import numpy as np
import pytest

from raypose.converters.grouping import LooseBox, LoosePoint, group_points
from raypose.errors import DataError
from tests.converters.samples import NAN

NAMES = ["snout", "tail"]


def point(name: str, x: float, y: float, group: str | None = None) -> LoosePoint:
    return LoosePoint(name=name, x=x, y=y, group=group)


def box(left: float, top: float, right: float, bottom: float, group: str | None = None) -> LooseBox:
    return LooseBox(category="mouse", box=(left, top, right, bottom), group=group)


def test_without_rectangles_all_are_one() -> None:
    (found,) = group_points([point("tail", 3, 4), point("snout", 1, 2)], [], NAMES, "rat", "f")
    np.testing.assert_array_equal(found.keypoints, [[1, 2], [3, 4]])
    assert found.category == "rat"
    assert found.bbox is None


def test_groups_go_before_places() -> None:
    points = [point("snout", 1, 1, "b"), point("snout", 2, 2, "a")]
    # Both lie in both rectangles.
    found = group_points(points, [box(0, 0, 9, 9, "a"), box(0, 0, 8, 8, "b")], NAMES, "rat", "f")
    assert [each.keypoints[0].tolist() for each in found] == [[2, 2], [1, 1]]
    found = group_points(points, [], NAMES, "rat", "f")
    assert [each.keypoints[0].tolist() for each in found] == [[1, 1], [2, 2]]


def test_the_smallest_rectangle_round_a_point_has_it() -> None:
    boxes = [box(0, 0, 20, 20), box(0, 0, 5, 5), box(30, 30, 40, 40)]
    found = group_points([point("snout", 4, 4), point("snout", 6, 6)], boxes, NAMES, "rat", "f")
    np.testing.assert_array_equal(
        [each.keypoints[0] for each in found], [[6, 6], [4, 4], [NAN, NAN]]
    )
    assert [each.bbox for each in found] == [each.box for each in boxes]
    assert {each.category for each in found} == {"mouse"}


def test_what_cannot_be_told_is_an_error() -> None:
    with pytest.raises(
        DataError, match=r"f: the keypoint 'tail' at .9.0, 9.0. lies in none of the 1"
    ):
        group_points([point("tail", 9, 9)], [box(0, 0, 5, 5)], NAMES, "rat", "f")
    with pytest.raises(DataError, match=r"f: an instance has the keypoint 'tail' twice"):
        group_points([point("tail", 1, 1), point("tail", 2, 2)], [], NAMES, "rat", "f")
