"""Windows of tracks: their frames by hand, and at length against a plain rule."""

from __future__ import annotations

import json

import numpy as np
import pytest

from raypose.errors import ConfigError, RayposeError
from raypose.inference import LiftInput, LiftWindows, single_frame
from raypose.structures import Poses

SIZE = (640, 480)
K = 3


def frame(number: int, *ids: int, tracked: bool = True) -> Poses:
    """Return people whose x is the number of the frame, and whose y is 10 times their id."""
    points = np.zeros((len(ids), K, 2), np.float32)
    points[..., 0], points[..., 1] = number, 10 * np.array(ids, np.float32)[:, None]
    scores = np.full((len(ids), K), (number + 1) / 1000, np.float32)
    tracks = np.array(ids, np.int64) if tracked else None
    return Poses(keypoints=points, keypoint_scores=scores, track_ids=tracks)


def play(windows: LiftWindows, frames: list[Poses]) -> list[LiftInput]:
    ready = []
    for poses in frames:
        ready += windows.push(poses, SIZE)
    return ready + windows.flush()


def seen(item: LiftInput, person: int = 0) -> list[float]:
    """Frames of a window; the last keypoint speaks for all."""
    return item.windows[person, :, -1, 0].tolist()


def test_centred_windows_wait_and_repeat_the_ends() -> None:
    windows = LiftWindows(5, target=2)
    assert windows.delay == 2
    counts = [len(windows.push(frame(number, 7), SIZE)) for number in range(4)]
    assert counts == [0, 0, 1, 1]
    assert [seen(item) for item in windows.flush()] == [[0, 1, 2, 3, 3], [1, 2, 3, 3, 3]]
    first, second, *_ = play(windows, [frame(number, 7) for number in range(4)])
    assert seen(first) == [0, 0, 0, 1, 2]
    assert seen(second) == [0, 0, 1, 2, 3]
    assert (first.target, first.image_size) == (2, SIZE)
    np.testing.assert_allclose(first.scores[0, :, 0] * 1000, [1, 1, 1, 2, 3], rtol=1e-6)
    np.testing.assert_array_equal(first.windows[0, :, :, 1], np.full((5, K), 70))
    np.testing.assert_array_equal(first.poses.keypoints, frame(0, 7).keypoints)


def test_causal_windows_answer_at_once() -> None:
    last = LiftWindows(3, target=2, step=2)
    ready = [last.push(frame(number, 7), SIZE) for number in range(6)]
    assert [seen(item) for (item,) in ready] == [
        *([0, 0, 0], [0, 0, 1], [0, 0, 2], [0, 1, 3], [0, 2, 4], [1, 3, 5])
    ]
    assert last.flush() == []
    # A model of centred windows: the newest frame stands in for the future.
    middle = LiftWindows(5, target=2, causal=True)
    assert middle.delay == 0
    ready = [middle.push(frame(number, 7), SIZE) for number in range(4)]
    assert [seen(item) for (item,) in ready] == [
        *([0, 0, 0, 0, 0], [0, 0, 1, 1, 1], [0, 1, 2, 2, 2], [1, 2, 3, 3, 3])
    ]


@pytest.mark.parametrize(("target", "step"), [(0, 1), (2, 1), (4, 1), (2, 3), (4, 2)])
def test_long_videos_against_the_plain_rule(target: int, step: int) -> None:
    length = 60
    ready = play(LiftWindows(5, target, step), [frame(number, 1, 2) for number in range(length)])
    assert len(ready) == length
    for number, item in enumerate(ready):
        wanted = [number + (j - target) * step for j in range(5)]
        expected = np.clip(wanted, 0, length - 1)
        np.testing.assert_array_equal(seen(item, 0), expected)
        np.testing.assert_array_equal(seen(item, 1), expected)
        assert item.windows[:, 0, 0, 1].tolist() == [10, 20]


def test_tracks_come_and_go() -> None:
    # Order within a frame changes, track 2 comes late, track 1 leaves early.
    ids = [(1,), (1,), (2, 1), (1, 2), (2,), (2,)]
    ready = play(LiftWindows(3, 1), [frame(number, *each) for number, each in enumerate(ids)])
    assert [
        seen(item, each.index(1)) for item, each in zip(ready, ids, strict=True) if 1 in each
    ] == [*([0, 0, 1], [0, 1, 2], [1, 2, 3], [2, 3, 3])]
    assert [
        seen(item, each.index(2)) for item, each in zip(ready, ids, strict=True) if 2 in each
    ] == [*([2, 2, 3], [2, 3, 4], [3, 4, 5], [4, 5, 5])]


def test_short_gaps_are_interpolated_and_long_ones_start_anew() -> None:
    # Unseen: frames 2 and 3, then 6, 7 and 8.
    video = [frame(number, *([7] if number in (0, 1, 4, 5, 9, 10) else [])) for number in range(11)]
    for number, poses in enumerate(video):
        poses.keypoints[..., 0] = number**2
    squares = [seen(item) for item in play(LiftWindows(5, 2, max_gap=2), video) if len(item.poses)]
    assert squares == [
        [0, 0, 0, 1, 1],  # frame 4 is not there yet: what is known ends with frame 1
        [0, 0, 1, 1, 1],
        [6, 11, 16, 25, 25],
        [11, 16, 25, 25, 25],
        [81, 81, 81, 100, 100],
        [81, 81, 100, 100, 100],
    ]
    patient = [seen(item) for item in play(LiftWindows(5, 2, max_gap=3), video) if len(item.poses)]
    assert patient[4] == [25 + 56 * 2 / 4, 25 + 56 * 3 / 4, 81, 100, 100]
    # The window begins inside a gap, whose start is long past.
    late = play(LiftWindows(3, 2, max_gap=3), video)
    assert seen(late[10]) == [67, 81, 100]


def test_people_without_a_track_get_the_one_frame() -> None:
    untracked = play(LiftWindows(3, 1), [frame(number, 4, tracked=False) for number in range(3)])
    assert [seen(item) for item in untracked] == [[0, 0, 0], [1, 1, 1], [2, 2, 2]]
    mixed = play(LiftWindows(3, 1), [frame(number, -1, 5, -1) for number in range(3)])
    assert [seen(item, 0) for item in mixed] == [[0, 0, 0], [1, 1, 1], [2, 2, 2]]
    assert [seen(item, 1) for item in mixed] == [[0, 0, 1], [0, 1, 2], [1, 2, 2]]


def test_memory_is_bounded() -> None:
    windows = LiftWindows(9, 4, step=2, max_gap=3)
    for number in range(300):
        windows.push(frame(number, 1, 1000 + number), SIZE)
        tracks = windows._tracks
        assert len(windows._waiting) <= 8
        assert len(tracks) <= 1 + 8 + 4
        assert len(tracks[1]._frames) <= 8 + 1 + 8 + 1
    for _ in range(20):
        windows.push(frame(0), SIZE)
    assert windows._tracks == {}


def test_flush_forgets_the_video() -> None:
    windows = LiftWindows(3, 2)
    play(windows, [frame(number, 1) for number in range(5)])
    (item,) = windows.push(frame(80, 1), SIZE)
    assert seen(item) == [80, 80, 80]


def test_an_image_by_itself() -> None:
    item = single_frame(frame(4, 1, 2), SIZE, 27)
    assert item.windows.shape == (2, 27, K, 2)
    np.testing.assert_array_equal(item.windows[..., 0], np.full((2, 27, K), 4))
    assert (item.target, item.scores.shape) == (13, (2, 27, K))
    nobody = single_frame(Poses.empty(K), SIZE, 27)
    assert nobody.windows.shape == (0, 27, K, 2)


def test_rows_there_and_back() -> None:
    item = play(LiftWindows(3, 1), [frame(number, 1, -1) for number in range(2)])[1]
    back = LiftInput.from_row(json.loads(json.dumps(item.to_row())))
    for name in ("windows", "scores"):
        np.testing.assert_array_equal(getattr(back, name), getattr(item, name))
        assert getattr(back, name).dtype == np.float32
    np.testing.assert_array_equal(back.poses.keypoints, item.poses.keypoints)
    assert back.poses.track_ids is not None
    assert back.poses.track_ids.tolist() == [1, -1]
    assert (back.image_size, back.target) == (SIZE, 1)
    nobody = LiftInput.from_row(single_frame(Poses.empty(K), SIZE, 3).to_row())
    assert nobody.windows.shape == (0, 3, K, 2)


def test_mistakes() -> None:
    with pytest.raises(ConfigError, match=r"target is from 0 to 8, got 9"):
        LiftWindows(9, 9)
    with pytest.raises(ConfigError, match=r"at least 1 .* got 9, 0 and 5"):
        LiftWindows(9, 4, step=0)
    with pytest.raises(RayposeError, match=r"twice in one frame: \[3\]"):
        LiftWindows(3, 1).push(frame(0, 3, 4, 3), SIZE)
