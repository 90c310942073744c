"""Instances, boxes round keypoints, other skeletons."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from raypose.converters.labels import Instance, check_names
from raypose.errors import DataError
from raypose.structures import Skeleton
from tests.converters.samples import FIRST, NAN, SECOND, labels_of, mouse


def test_places_and_visibility_agree() -> None:
    instance = Instance.of([(1, 2), (NAN, 4), (5, 6), (7, 8)], "a", [2, 2, 0, 1])
    assert instance.visibility.tolist() == [2, 0, 0, 1]
    np.testing.assert_array_equal(instance.keypoints, [[1, 2], [NAN, NAN], [NAN, NAN], [7, 8]])
    assert not Instance.of([(NAN, NAN)], "a").is_labelled


def test_box_round_keypoints_has_a_margin_and_ends_at_the_picture() -> None:
    # From (10, 20) to (30, 40.75): the longer side is 20.75, 30 % of it 6.225.
    box = mouse([(10, 20), (30, 40.75), (NAN, NAN), (NAN, NAN)]).box((64, 48))
    assert box == pytest.approx((3.775, 13.775, 36.225, 46.975))
    # 2 % of the shorter side of the picture at least.
    assert mouse([(1, 20)]).box((100, 50)) == pytest.approx((0, 19, 2, 21))
    assert mouse(bbox=[1, 2, 3, 4]).box((64, 48)) == (1, 2, 3, 4)


def test_box_of_nothing_is_an_error() -> None:
    with pytest.raises(DataError, match=r"without a box and without a labelled keypoint"):
        mouse([(NAN, NAN)]).box((64, 48))


def test_another_skeleton_by_name(tmp_path: Path) -> None:
    labels = labels_of(tmp_path, {"a.png": [mouse()]})
    other = Skeleton.load(
        {"name": "rat", "keypoints": ["tail", "neck", "right_ear", "left_ear", "snout"]}
    )
    (instance,) = labels.with_skeleton(other).images[0].instances
    np.testing.assert_array_equal(
        instance.keypoints, [FIRST[3], (NAN, NAN), (NAN, NAN), FIRST[1], FIRST[0]]
    )
    assert instance.visibility.tolist() == [2, 0, 0, 2, 2]
    lacking = Skeleton.load(
        {"name": "rat", "keypoints": ["snoot", "left_ear", "right_ear", "tail"]}
    )
    with pytest.raises(DataError, match=r"no keypoint 'snout'.*Did you mean 'snoot'"):
        labels.with_skeleton(lacking)


def test_categories_and_tracks_in_order(tmp_path: Path) -> None:
    labels = labels_of(
        tmp_path,
        {
            "a.png": [mouse(category="rat", track="b"), mouse(SECOND, track="a")],
            "b.png": [mouse(track="a")],
        },
    )
    assert labels.categories() == ["mouse", "rat"]
    assert labels.tracks() == ["b", "a"]
    assert labels_of(tmp_path, {"a.png": []}).categories() == ["mouse"]


@pytest.mark.parametrize("name", ["../a.png", "x/../../a.png", "/a.png"])
def test_a_name_that_leads_out_is_refused(tmp_path: Path, name: str) -> None:
    (image,) = labels_of(tmp_path, {"a.png": []}).images
    with pytest.raises(DataError, match=r"labels.json: the picture .* leads out of its folder"):
        check_names([replace(image, name=name)], "labels.json")
    with pytest.raises(DataError, match=r"a.png is there twice"):
        check_names([image, image], "labels.json")
