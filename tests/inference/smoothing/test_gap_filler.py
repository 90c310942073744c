from __future__ import annotations

import numpy as np

from raypose.inference.smoothing import GapFiller
from raypose.structures import Poses


def frame(**x: float) -> Poses:
    """Instances by identity (`t4` is 4, `n` has none), two keypoints from x on, score x / 100."""
    left = np.array(list(x.values()), np.float32)
    scores = (left / 100).astype(np.float32)
    N = len(left)
    ids = [int(name[1:]) if name.startswith("t") else -1 for name in x]
    return Poses(
        keypoints=np.stack([left, left + 8], axis=1)[..., None].repeat(2, axis=2),
        keypoint_scores=scores[:, None].repeat(2, axis=1),
        bboxes=np.stack([left, left, left + 8, left + 8], axis=1).reshape(N, 4),
        bbox_scores=scores,
        track_ids=np.array(ids, np.int64),
        extras={"tag": np.arange(N)},
    )


def run(filler: GapFiller, frames: list[Poses], times: list[float]) -> list[list[Poses]]:
    return [filler.push(poses, time) for poses, time in zip(frames, times, strict=True)]


def ids(poses: Poses) -> list[int]:
    assert poses.track_ids is not None
    return poses.track_ids.tolist()


def test_a_gap_is_filled_on_a_straight_line_in_time() -> None:
    frames = [frame(t4=10, n=50), frame(n=50), frame(), frame(t4=90, n=50)]
    out = run(GapFiller(max_gap=2), frames, [0.0, 0.1, 0.3, 0.4])
    assert [len(finished) for finished in out] == [1, 0, 0, 3]
    first, second, third, fourth = out[0] + out[3]
    assert [ids(p) for p in (first, second, third, fourth)] == [[4, -1], [-1, 4], [4], [4, -1]]
    assert second.keypoints[0, 0, 0] == 50
    np.testing.assert_allclose(second.keypoints[1], [[30, 30], [38, 38]], rtol=1e-6)
    np.testing.assert_allclose(third.keypoints[0], [[70, 70], [78, 78]], rtol=1e-6)
    assert second.bboxes is not None
    np.testing.assert_allclose(second.bboxes[1], [30, 30, 38, 38], rtol=1e-6)
    np.testing.assert_allclose(second.keypoint_scores[1], [0.1, 0.1])
    assert second.bbox_scores is not None
    np.testing.assert_allclose(second.bbox_scores[1], 0.1)
    marks = [p.extras["interpolated"].tolist() for p in (first, second, third, fourth)]
    assert marks == [[False, False], [False, True], [True], [False, False]]
    assert first.extras["interpolated"].dtype == np.bool_
    assert second.extras["tag"].tolist() == [0, 0]


def test_nothing_waits_while_no_track_is_missing() -> None:
    filler = GapFiller(max_gap=5)
    out = run(filler, [frame(t0=1, n=3), frame(t0=2, t1=3), frame(t1=3, t0=2)], [0, 1, 2])
    assert [len(finished) for finished in out] == [1, 1, 1]
    assert filler.flush() == []


def test_a_track_that_does_not_return_holds_frames_for_max_gap_only() -> None:
    filler = GapFiller(max_gap=3)
    frames = [frame(t0=1, t1=2)] + [frame(t1=2)] * 6
    out = run(filler, frames, list(range(7)))
    assert [len(finished) for finished in out] == [1, 0, 0, 0, 4, 1, 1]
    assert all(ids(poses) == [1] for finished in out[1:] for poses in finished)
    # It returns too late.
    (late,) = filler.push(frame(t0=1, t1=2), 7)
    assert ids(late) == [0, 1]
    assert filler.flush() == []


def test_flush_gives_the_frames_that_waited() -> None:
    filler = GapFiller(max_gap=9)
    out = run(filler, [frame(t0=1), frame(), frame(n=2)], [0, 1, 2])
    assert [len(finished) for finished in out] == [1, 0, 0]
    assert [ids(poses) for poses in filler.flush()] == [[], [-1]]
    # It is as new: the track before is unknown.
    assert [ids(p) for p in filler.push(frame(), 0) + filler.push(frame(t0=3), 1)] == [[], [0]]


def test_gaps_of_several_tracks_overlap() -> None:
    frames = [
        frame(t0=0, t1=0, t2=0),
        frame(t1=10, t2=0),
        frame(t2=0),
        frame(t0=30, t2=0),
        frame(t0=40, t1=40),
        frame(t0=50, t1=50, t2=0),
    ]
    filler = GapFiller(max_gap=2)
    out = run(filler, frames, list(range(6)))
    # Frame 1 waits for track 0, frames 2 and 3 for track 1, frame 4 for track 2.
    assert [len(finished) for finished in out] == [1, 0, 0, 1, 2, 2]
    flat = [poses for finished in out for poses in finished]
    for i, poses in enumerate(flat):
        assert sorted(ids(poses)) == [0, 1, 2]
        where = dict(zip(ids(poses), poses.keypoints[:, 0, 0].tolist(), strict=True))
        assert where == {0: 10 * i, 1: 10 * i, 2: 0}
    assert [int(p.extras["interpolated"].sum()) for p in flat] == [0, 1, 2, 1, 1, 0]
