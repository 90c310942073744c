"""Keypoints of human skeletons as Human3.6M joints."""

from __future__ import annotations

import numpy as np
import pytest

from raypose.errors import RayposeError
from raypose.ops.h36m_joints import keypoints_to_h36m
from raypose.structures import Skeleton

LSP = [
    *("right_ankle", "right_knee", "right_hip", "left_hip", "left_knee", "left_ankle"),
    *("right_wrist", "right_elbow", "right_shoulder", "left_shoulder", "left_elbow", "left_wrist"),
    *("neck", "head_top"),
]


def names_of(skeleton: str) -> list[str]:
    return list(Skeleton.load(skeleton).keypoint_names)


@pytest.mark.parametrize("names", [names_of("coco"), names_of("crowdpose"), LSP])
def test_conversion_commutes_with_moving(names: list[str]) -> None:
    points = np.random.default_rng(0).normal(0, 100, (2, len(names), 2))
    plain = keypoints_to_h36m(points, names)
    moved = keypoints_to_h36m(points * 2 + 7, names)
    assert plain.shape == (2, 17, 2)
    np.testing.assert_allclose(moved, plain * 2 + 7)


def test_names_decide_and_not_the_order() -> None:
    points = np.random.default_rng(1).normal(0, 100, (3, 14, 2))
    np.testing.assert_allclose(
        keypoints_to_h36m(points[:, ::-1], LSP[::-1]), keypoints_to_h36m(points, LSP)
    )


def test_joints_lie_between_the_keypoints_of_a_standing_person() -> None:
    y = {"ankle": 4.0, "knee": 3.0, "hip": 2.0, "wrist": 2.0, "elbow": 1.5, "shoulder": 1.0}
    x = {"left": 1.0, "right": -1.0}
    points = [
        (0.0, {"neck": 0.6, "head_top": 0.0}[name])
        if name in ("neck", "head_top")
        else (x[name.split("_")[0]], y[name.split("_")[1]])
        for name in LSP
    ]
    joints = keypoints_to_h36m(np.array([points]), LSP)[0]
    np.testing.assert_allclose(joints[0], (0, 2))
    np.testing.assert_allclose(joints[1:4], [(-1, 2), (-1, 3), (-1, 4)])
    np.testing.assert_allclose(joints[4:7], [(1, 2), (1, 3), (1, 4)])
    np.testing.assert_allclose(joints[7:9], [(0, 1.5), (0, 1)])
    np.testing.assert_allclose(joints[9:11], [(0, 0.45), (0, 0.25)])
    np.testing.assert_allclose(joints[11:14], [(1, 1), (1, 1.5), (1, 2)])
    np.testing.assert_allclose(joints[14:], [(-1, 1), (-1, 1.5), (-1, 2)])


def test_a_missing_keypoint_spoils_only_what_depends_on_it() -> None:
    points = np.ones((1, 17, 2))
    points[:, 16] = np.nan
    converted = keypoints_to_h36m(points, names_of("coco"))
    assert np.isnan(converted[0, :, 0]).nonzero()[0].tolist() == [3]


def test_what_is_missing_is_named() -> None:
    names = [name for name in LSP if name != "left_hip"]
    with pytest.raises(RayposeError, match=r"missing: left_hip$"):
        keypoints_to_h36m(np.zeros((1, 13, 2)), names)
    with pytest.raises(RayposeError, match=r"missing: .*left_ankle, .*right_wrist$"):
        keypoints_to_h36m(np.zeros((1, 17, 2)), names_of("ap10k"))
