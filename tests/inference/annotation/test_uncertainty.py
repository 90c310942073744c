"""Doubts of hand-made poses, and which pictures are chosen for them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from raypose.inference.annotation.selection import Candidate, choose_apart
from raypose.inference.annotation.table import Row
from raypose.inference.annotation.uncertainty import (
    Doubt,
    doubts_of,
    flip_disagreement,
    size_of,
    total_of,
)


def instance(x: float, scores: tuple[float, float] = (1, 1), **changes: Any) -> dict[str, Any]:
    """A body of 40 x 10 pixels, whose size is 20."""
    return {
        "bbox": [x, 0, x + 40, 10],
        "keypoints": [[x, 0], [x + 10, 5]],
        "keypoint_scores": list(scores),
        "track_id": 0,
        "interpolated": False,
        **changes,
    }


def row(frame: int, *instances: dict[str, Any], source: str = "v.avi") -> Row:
    return {"source": source, "frame": frame, "instances": list(instances)}


def test_low_scores() -> None:
    rows = [row(0, instance(0, (0.9, 0.5)), instance(0, (1.2, 0.8), interpolated=True)), row(1)]
    (_, (low, gap)), (_, nobody) = doubts_of(rows)
    assert (low.low_scores, low.jump, low.flip) == (pytest.approx(0.3), 0, 0)
    assert gap.low_scores == 1
    assert (total_of([low, gap]), total_of(nobody)) == (1, 0)


def test_jumps_are_seen_between_the_frames_around() -> None:
    # Even walking is no jump; the third frame is 3 pixels from the middle of its neighbours.
    rows = [row(i, instance(x)) for i, x in enumerate((0, 10, 23, 30, 40))]
    jumps = [doubts[0].jump for _, doubts in doubts_of(rows)]
    quarter = 20 / 4
    assert jumps == pytest.approx([0, 1.5 / quarter, 3 / quarter, 1.5 / quarter, 0])


def test_jumps_need_the_same_one_in_the_same_video() -> None:
    others = [
        row(0, instance(0, track_id=1)),
        row(1, instance(50)),
        row(2, instance(0)),
        row(0, instance(90), source="w.avi"),
        row(1, instance(0, track_id=None), source="w.avi"),
        row(2, instance(90), source="w.avi"),
    ]
    assert [doubts[0].jump for _, doubts in doubts_of(others)] == [0] * 6


def test_a_mirror_that_says_otherwise() -> None:
    pose = np.array([[0, 0], [10, 5]], float)
    assert flip_disagreement(instance(0), pose[None]) == 0
    # The nearest of two counts: 1 pixel of a quarter of 20.
    both = np.stack([pose + 50, pose + np.array([0, 1])])
    assert flip_disagreement(instance(0), both) == pytest.approx(1 / 5)
    assert flip_disagreement(instance(0), pose[None] + 1000) == 1
    assert flip_disagreement(instance(0), np.zeros((0, 2, 2))) == 1


def test_doubts_add_up_like_chances() -> None:
    assert Doubt(low_scores=0.5, jump=0.5, flip=0.2).total == pytest.approx(1 - 0.5 * 0.5 * 0.8)


def test_sizes_without_a_box() -> None:
    assert size_of(instance(0)) == 20
    assert size_of(instance(0, bbox=None)) == pytest.approx(np.sqrt(10 * 5))
    assert size_of(instance(0, bbox=[0, 0, 0, 0])) == 1


def candidate(source: str, frame: int, doubt: float, time: float | None = None) -> Candidate:
    doubts = [Doubt(low_scores=doubt)]
    return Candidate(part="", source=source, frame=frame, time=time, doubts=doubts)


def test_no_two_frames_of_one_moment() -> None:
    given = [
        candidate("v.avi", 8, 0.9, 0.8),
        candidate("v.avi", 11, 0.8, 1.1),
        candidate("v.avi", 18, 0.3, 1.8),
        candidate("w.avi", 11, 0.7, 1.1),
        candidate("a.jpg", 0, 0.2),
        candidate("b.jpg", 0, 0.1),
    ]
    chosen = [(each.source, each.frame) for each in choose_apart(given, 4)]
    assert chosen == [("v.avi", 8), ("w.avi", 11), ("v.avi", 18), ("a.jpg", 0)]
    assert choose_apart(given[::-1], 4) == choose_apart(given, 4)
