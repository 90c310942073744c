from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Literal

import numpy as np
import pytest

from raypose.evaluation.identity import IdentityMetrics
from raypose.inference.tracking import Tracker
from raypose.structures import Poses

# A body of 100 x 60 pixels around its middle, seen from above: a long axis and four legs.
BODY = np.array([[50, 0], [20, 0], [-20, 0], [-50, 0], [20, 30], [20, -30], [-20, 30], [-20, -30]])


def body(x: float, y: float, angle: float = 0.0) -> np.ndarray:
    """Keypoints (8, 2) of a body that is turned by `angle` degrees."""
    turn = np.deg2rad(angle)
    rotation = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    return BODY @ rotation + (x, y)


def frame(*bodies: np.ndarray, scores: list[float] | None = None) -> Poses:
    """Poses as a bottom-up model gives them: no boxes."""
    if not bodies:
        return Poses.empty(len(BODY))
    keypoints = np.stack(bodies).astype(np.float32)
    return Poses(
        keypoints=keypoints,
        keypoint_scores=np.ones(keypoints.shape[:2], np.float32),
        scores=np.array(scores or [0.9] * len(bodies), np.float32),
    )


def ids(tracker: Tracker, *bodies: np.ndarray, scores: list[float] | None = None) -> list[int]:
    tracked = tracker.update(frame(*bodies, scores=scores))
    assert tracked.track_ids is not None
    assert tracked.track_ids.dtype == np.int64
    return tracked.track_ids.tolist()


@pytest.mark.parametrize("association", ["oks", "iou"])
def test_identities_follow_their_bodies_whatever_the_order(
    association: Literal["oks", "iou"],
) -> None:
    tracker = Tracker(association=association)
    assert ids(tracker, body(100, 100), body(400, 100), body(700, 100)) == [0, 1, 2]
    for step, order in enumerate(itertools.permutations(range(3)), start=1):
        bodies = [body(100 + 300 * i + 8 * step, 100 + 5 * i * step) for i in order]
        assert ids(tracker, *bodies) == list(order)


def test_the_record_is_returned_whole() -> None:
    poses = frame(body(0, 0), body(200, 0)).replace(
        keypoints_3d=np.ones((2, 8, 3), np.float32), extras={"tag": np.array([5, 6])}
    )
    tracked = Tracker().update(poses)
    assert tracked.keypoints is poses.keypoints
    assert tracked.keypoints_3d is poses.keypoints_3d
    assert tracked.extras["tag"].tolist() == [5, 6]
    assert poses.track_ids is None


def test_bodies_that_cross_are_told_apart_by_their_keypoints() -> None:
    # They meet on the spot at step 0, one heading right, the other up: their middles coincide.
    tracker = Tracker()
    for step in range(-20, 21):
        right, up = body(300 + 10 * step, 300), body(300, 300 + 10 * step, angle=90)
        bodies = [up, right] if step % 2 else [right, up]
        assert ids(tracker, *bodies) == ([1, 0] if step % 2 else [0, 1])


def test_a_body_hidden_behind_another_gets_its_identity_back_where_it_was_heading() -> None:
    tracker = Tracker()
    for step in range(-20, 21):
        right, left = body(300 + 8 * step, 300), body(300 - 8 * step, 310, angle=180)
        if abs(step) <= 2:
            assert ids(tracker, right) == [0]
        else:
            assert ids(tracker, right, left) == [0, 1]


def test_a_body_hidden_for_long_does_not_take_the_identity_of_its_neighbour() -> None:
    tracker, rng = Tracker(), np.random.default_rng(0)
    for step in range(60):
        bodies = [body(300, 300), body(310, 320, angle=20)]
        bodies = [points + rng.normal(0, 4, points.shape) for points in bodies]
        if 10 <= step < 35:
            assert ids(tracker, bodies[0]) == [0]
        else:
            assert ids(tracker, *bodies) == [0, 1]


def test_a_track_survives_max_lost_frames_and_its_identity_is_never_given_again() -> None:
    tracker = Tracker(max_lost=5, min_hits=1)
    assert ids(tracker, body(100, 100)) == [0]
    for _ in range(5):
        assert ids(tracker) == []
    assert ids(tracker, body(100, 100)) == [0]
    for _ in range(6):
        assert ids(tracker) == []
    assert ids(tracker, body(100, 100)) == [1]
    tracker.reset()
    assert ids(tracker, body(100, 100)) == [0]


def test_a_newcomer_waits_for_min_hits_frames_in_a_row() -> None:
    tracker = Tracker(min_hits=3)
    old = body(100, 100)
    assert ids(tracker, old) == [0]
    for other in (-1, -1, 1, 1):
        assert ids(tracker, old, body(400, 100)) == [0, other]
    # One that flickers gets none, and takes no number.
    for shown in (True, True, False, True, True, False):
        bodies = [old, body(400, 100), *([body(700, 100)] if shown else [])]
        assert ids(tracker, *bodies) == [0, 1, *([-1] if shown else [])]
    for other in (-1, -1, 2):
        assert ids(tracker, old, body(400, 100), body(700, 400))[2] == other


def test_unsure_detections_carry_a_track_on_but_start_none_and_revive_none() -> None:
    tracker = Tracker(min_hits=1, new_track_thr=0.5, low_thr=0.1)
    assert ids(tracker, body(100, 100), body(400, 100), scores=[0.9, 0.4]) == [0, -1]
    for _ in range(5):
        assert ids(tracker, body(100, 100), scores=[0.2]) == [0]
    assert ids(tracker, body(100, 100), scores=[0.05]) == [-1]
    assert ids(tracker, body(100, 100), scores=[0.2]) == [-1]
    assert ids(tracker, body(100, 100), scores=[0.6]) == [0]


def test_the_score_falls_back_on_boxes_and_keypoints() -> None:
    poses = frame(body(0, 0)).replace(scores=None)
    unsure = np.array([0.2], np.float32)
    assert _ids_of(Tracker().update(poses)) == [0]
    assert _ids_of(Tracker().update(poses.replace(bbox_scores=unsure))) == [-1]
    faint = poses.replace(keypoint_scores=np.full((1, 8), 0.3, np.float32))
    assert _ids_of(Tracker().update(faint)) == [-1]


def _ids_of(poses: Poses) -> list[int]:
    assert poses.track_ids is not None
    return poses.track_ids.tolist()


@pytest.mark.parametrize("association", ["oks", "iou"])
def test_a_second_sight_of_a_body_has_no_identity(association: Literal["oks", "iou"]) -> None:
    tracker = Tracker(association=association, min_hits=1)
    for step in range(10):
        real, double = body(100 + step, 100), body(103 + step, 101)
        order, scores = ([real, double], [0.9, 0.8]) if step % 2 else ([double, real], [0.8, 0.9])
        assert ids(tracker, *order, scores=scores) == ([0, -1] if step % 2 else [-1, 0])


def test_the_surer_sight_starts_no_track_where_the_other_one_carried_it_on() -> None:
    tracker = Tracker(association="iou", match_thr=0.9, min_hits=1)
    assert ids(tracker, body(100, 100)) == [0]
    assert ids(tracker, body(88, 100), body(101, 100), scores=[0.9, 0.8]) == [-1, 0]
    assert ids(tracker, body(101, 100), body(300, 100)) == [0, 1]


def test_a_second_sight_does_not_take_the_identity_of_a_hidden_body() -> None:
    tracker = Tracker(association="iou")
    for _ in range(3):
        assert ids(tracker, body(100, 100), body(120, 100)) == [0, 1]
    assert ids(tracker, body(100, 100)) == [0]
    assert ids(tracker, body(100, 100), body(108, 100), scores=[0.9, 0.8]) == [0, -1]
    assert ids(tracker, body(100, 100), body(125, 100)) == [0, 1]


def test_bodies_that_move_far_between_frames_keep_their_identities() -> None:
    # Half a body's length and a turn from frame to frame: keypoints are far beyond their spread.
    tracker = Tracker()
    for step in range(12):
        bodies = [body(100 + 45 * step, 100, 25 * step), body(700 - 45 * step, 400, -25 * step)]
        assert ids(tracker, *bodies) == [0, 1]


def test_keypoints_of_low_score_do_not_count() -> None:
    tracker, rng = Tracker(), np.random.default_rng(0)
    for step in range(10):
        poses = frame(body(100 + 5 * step, 100), body(200 + 5 * step, 100))
        poses.keypoints[:, 4:] = rng.uniform(0, 1000, (2, 4, 2))
        poses.keypoint_scores[:, 4:] = 0.1
        poses.keypoints[0, 7] = np.nan
        assert _ids_of(tracker.update(poses)) == [0, 1]


def test_a_keypoint_seen_late_is_followed_from_then_on() -> None:
    tracker = Tracker()
    for step in range(12):
        poses = frame(body(100 + 20 * step, 100), body(100 + 20 * step, 200))
        # First the legs are hidden, then nothing, then all the others.
        hidden = slice(4, 8) if step < 4 else slice(0, 0) if step < 7 else slice(0, 4)
        poses.keypoints[:, hidden] = 0
        poses.keypoint_scores[:, hidden] = 0
        assert _ids_of(tracker.update(poses)) == [0, 1]


def test_sigmas_say_how_far_a_keypoint_may_be_off() -> None:
    offset = np.zeros((8, 2))
    offset[4:] = (0, 45)
    # A second look is three times as wide, and still too narrow for legs of 0.02.
    for leg_sigma, identity in ((0.02, 1), (5.0, 0)):
        sigmas = [0.02] * 4 + [leg_sigma] * 4
        tracker = Tracker(sigmas=sigmas, match_thr=0.75, max_lost=0, min_hits=1)
        assert ids(tracker, body(100, 100)) == [0]
        assert ids(tracker, body(100, 100) + offset) == [identity]


def test_lost_tracks_are_dropped() -> None:
    tracker = Tracker(max_lost=3, min_hits=1)
    for step in range(50):
        assert ids(tracker, body(1000 * step, 0)) == [step]
        assert tracker.num_tracks <= 4


def test_one_keypoint_needs_boxes() -> None:
    spot = Poses(
        keypoints=np.zeros((1, 1, 2), np.float32), keypoint_scores=np.ones((1, 1), np.float32)
    )
    with pytest.raises(ValueError, match="one keypoint without a box has no size"):
        Tracker().update(spot)
    boxed = spot.replace(bboxes=np.array([[0, 0, 10, 20]], np.float32))
    assert _ids_of(Tracker().update(boxed)) == [0]


def test_wrong_arguments_are_all_named() -> None:
    with pytest.raises(ValueError) as error:
        Tracker(association="okz", match_thr=0, max_lost=-1, min_hits=0, low_thr=0.7)  # type: ignore[arg-type]
    text = str(error.value)
    assert "association is 'oks' or 'iou', got 'okz'. Did you mean 'oks'?" in text
    for part in (
        "match_thr is above 0 and at most 1, got 0",
        "max_lost is at least 0, got -1",
        "min_hits is at least 1, got 0",
        "low_thr is at most new_track_thr, got 0.7 and 0.5",
    ):
        assert part in text
    with pytest.raises(ValueError, match="sigmas belong to association 'oks'"):
        Tracker(association="iou", sigmas=[0.1])
    with pytest.raises(ValueError, match="3 sigmas for 8 keypoints"):
        Tracker(sigmas=[0.1] * 3).update(frame(body(0, 0)))


@pytest.mark.parametrize("association", ["oks", "iou"])
def test_two_flies_keep_their_identities_at_a_quarter_of_the_frames(
    association: Literal["oks", "iou"], shared_data: Path
) -> None:
    content = json.loads((shared_data / "fly_pair/clip_every_frame_from_940.json").read_text())
    tracker, metrics = Tracker(association=association), IdentityMetrics("oks", 0.5)
    rng = np.random.default_rng(0)
    pairs = np.array([a["keypoints"] for a in content["annotations"]]).reshape(-1, 2, 13, 3)
    boxes = np.array([a["bbox"] for a in content["annotations"]]).reshape(-1, 2, 4)
    boxes[..., 2:] += boxes[..., :2]
    who = np.array([a["track_id"] for a in content["annotations"]]).reshape(-1, 2)
    for points, box, identity in zip(pairs[::4], boxes[::4], who[::4], strict=True):
        truth = Poses(
            keypoints=points[..., :2].astype(np.float32),
            keypoint_scores=(points[..., 2] > 0).astype(np.float32),
            bboxes=box.astype(np.float32),
            track_ids=identity,
        )
        seen = truth.select(rng.permutation(2)).replace(track_ids=None)
        metrics.update(truth, tracker.update(seen))
    assert metrics.compute()["ID switches"] == 0
    assert metrics.compute()["IDF1"] == 1
