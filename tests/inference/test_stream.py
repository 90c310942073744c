from __future__ import annotations

import inspect

import numpy as np
import pytest

from raypose.config.sections import TrackingSection
from raypose.errors import RayposeError
from raypose.inference.smoothing import OneEuroFilter, PoseFilter, SavitzkyGolayFilter
from raypose.inference.stream import PoseStream, build_pose_stream
from raypose.inference.tracking import Tracker
from raypose.structures import Poses, Skeleton

TRIANGLE = Skeleton.load({"name": "triangle", "keypoints": ["a", "b", "c"], "sigmas": 0.1})


class Late(PoseFilter):
    """Lets frames out some frames later, and remembers the times it was told."""

    def __init__(self, delay: int) -> None:
        super().__init__()
        self.delay = delay
        self.waiting: list[Poses] = []
        self.times: list[float] = []

    def push(self, poses: Poses, time: float) -> list[Poses]:
        self.times.append(time)
        self.waiting.append(poses)
        return [self.waiting.pop(0)] if len(self.waiting) > self.delay else []

    def flush(self) -> list[Poses]:
        rest, self.waiting = self.waiting, []
        return rest


def someone(x: float) -> Poses:
    points = np.array([[[x, 0], [x + 20, 0], [x, 30]]], np.float32)
    return Poses(keypoints=points, keypoint_scores=np.ones((1, 3), np.float32))


def positions(frames: list[Poses]) -> list[float]:
    return [float(poses.keypoints[0, 0, 0]) for poses in frames]


def test_frames_come_out_once_and_in_order_through_filters_that_wait() -> None:
    filters = [Late(2), Late(0), Late(3)]
    stream = PoseStream(None, filters)
    out = [stream.push(someone(x), x / 10) for x in range(9)]
    assert [len(frames) for frames in out] == [0] * 5 + [1] * 4
    finished = [poses for frames in out for poses in frames] + stream.flush()
    assert positions(finished) == list(range(9))
    # Each filter gets the time of the frame itself, not that of the frame that pushed it out.
    for item in filters:
        assert item.times == [x / 10 for x in range(9)]
    assert stream.flush() == []


def test_a_stream_is_as_new_after_its_end() -> None:
    stream = PoseStream(Tracker(), [OneEuroFilter()])
    for _ in range(2):
        ids = [stream.push(someone(x), x / 10)[0].track_ids for x in range(3)]
        assert [list(np.asarray(each)) for each in ids] == [[0], [0], [0]]
        stream.flush()


def test_without_anything_to_do_poses_stay_as_they_are() -> None:
    poses = someone(3)
    assert PoseStream().push(poses, 0.0) == [poses]


def test_gaps_are_filled_before_smoothing() -> None:
    section = TrackingSection.model_validate({"max_gap": 3, "smoothing": "savitzky_golay"})
    stream = build_pose_stream(section, TRIANGLE)
    frames = []
    for x in range(12):
        poses = someone(2 * x) if x not in (5, 6) else Poses.empty(3)
        frames += stream.push(poses.replace(bboxes=None, bbox_scores=None), x / 10)
    frames += stream.flush()
    assert [len(poses) for poses in frames] == [1] * 12
    np.testing.assert_allclose(positions(frames), np.arange(12) * 2, atol=1e-3)
    assert {int(np.asarray(poses.track_ids)[0]) for poses in frames} == {0}


def test_the_section_says_by_default_what_tracker_and_filters_do() -> None:
    section = TrackingSection()
    for name, parameter in inspect.signature(Tracker).parameters.items():
        if name in TrackingSection.model_fields:
            assert getattr(section, name) == parameter.default, name
    for name, kind in (("one_euro", OneEuroFilter), ("savitzky_golay", SavitzkyGolayFilter)):
        smoothing = TrackingSection.model_validate({"smoothing": name}).smoothing
        for key, parameter in inspect.signature(kind).parameters.items():
            if key != "keypoint_thr":
                assert getattr(smoothing, key) == parameter.default, key


@pytest.mark.parametrize(
    ("section", "delay"),
    [
        ({}, 0),
        ({"smoothing": "none", "causal": True}, 0),
        ({"smoothing": "one_euro", "causal": True}, 0),
        ({"smoothing": {"type": "savitzky_golay", "window_length": 9}}, 4),
    ],
)
def test_how_long_a_stream_waits(section: dict[str, object], delay: int) -> None:
    stream = build_pose_stream(TrackingSection.model_validate(section), None)
    came = [len(stream.push(someone(x), x / 10)) for x in range(12)]
    assert sum(came) == 12 - delay


def test_sigmas_of_the_skeleton_are_used_for_keypoints_only() -> None:
    other = Skeleton.load({"name": "pair", "keypoints": ["a", "b"], "sigmas": 0.1})
    with pytest.raises(RayposeError, match="2 sigmas for 3 keypoints"):
        build_pose_stream(TrackingSection(), other).push(someone(0), 0.0)
    stream = build_pose_stream(TrackingSection(association="iou"), other)
    assert len(stream.push(someone(0), 0.0)) == 1
