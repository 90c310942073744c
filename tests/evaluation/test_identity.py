from __future__ import annotations

import numpy as np
import pytest

from raypose.evaluation.identity import (
    FrameIdentities,
    IdentityMetrics,
    clear_mot,
    identity_f1,
)
from raypose.structures import Poses


def matched(pairs: dict[int, int], truth: list[int], predicted: list[int]) -> FrameIdentities:
    """A frame in which each annotated identity can match one predicted identity."""
    agreement = np.zeros((len(truth), len(predicted)))
    for true, found in pairs.items():
        agreement[truth.index(true), predicted.index(found)] = 1
    return FrameIdentities(
        truth=np.array(truth, np.int64),
        predicted=np.array(predicted, np.int64),
        agreement=agreement,
    )


# One annotated identity, 7; frame by frame it is predicted as 1, 1, nobody, 2, 2, 2 and nobody;
# and a false 3 in the last two frames.
SWITCHED = [
    matched({7: 1}, [7], [1]),
    matched({7: 1}, [7], [1]),
    matched({}, [7], []),
    matched({7: 2}, [7], [2]),
    matched({7: 2}, [7], [2]),
    matched({7: 2}, [7], [2, 3]),
    matched({}, [7], [3]),
]


def test_idf1_pairs_identities_once_for_the_whole_video() -> None:
    # 7 is 2, for three frames; 7 instances are annotated, 7 predicted.
    numbers = identity_f1(SWITCHED)
    assert numbers == pytest.approx({"IDF1": 2 * 3 / 14, "IDP": 3 / 7, "IDR": 3 / 7})


def test_clear_mot_counts_each_mistake() -> None:
    numbers = clear_mot(SWITCHED)
    assert numbers == pytest.approx(
        {
            "MOTA": 1 - (2 + 2 + 1) / 7,
            "ID switches": 1,
            "fragmentations": 1,
            "misses": 2,
            "false positives": 2,
        }
    )


def test_two_identities_that_swap() -> None:
    straight = matched({0: 0, 1: 1}, [0, 1], [0, 1])
    swapped = matched({0: 1, 1: 0}, [0, 1], [0, 1])
    frames = [straight] * 3 + [swapped] * 2
    assert identity_f1(frames)["IDF1"] == pytest.approx(3 / 5)
    numbers = clear_mot(frames)
    assert (numbers["ID switches"], numbers["fragmentations"]) == (2, 0)
    assert numbers["MOTA"] == pytest.approx(1 - 2 / 10)


def test_a_pair_of_the_frame_before_stays_together_though_another_agrees_better() -> None:
    ids = np.array([0, 1], np.int64)
    frames = [
        FrameIdentities(truth=ids, predicted=ids, agreement=np.array(agreement))
        for agreement in ([[0.9, 0.0], [0.0, 0.9]], [[0.5, 0.9], [0.9, 0.5]])
    ]
    assert clear_mot(frames)["ID switches"] == 0
    # Without a frame before, the better agreement decides.
    assert clear_mot([frames[1], frames[0]])["ID switches"] == 2


def test_being_absent_is_neither_a_miss_nor_a_fragmentation() -> None:
    there, away = matched({0: 5}, [0], [5]), matched({}, [], [])
    numbers = clear_mot([there, away, away, there])
    assert (numbers["misses"], numbers["fragmentations"], numbers["MOTA"]) == (0, 0, 1)


def test_a_gap_before_the_first_sight_is_no_fragmentation() -> None:
    numbers = clear_mot([matched({}, [0], []), matched({0: 5}, [0], [5])])
    assert (numbers["misses"], numbers["fragmentations"]) == (1, 0)


def test_nothing_annotated_and_nothing_predicted() -> None:
    assert np.isnan(identity_f1([matched({}, [], [])])["IDF1"])
    assert np.isnan(clear_mot([matched({}, [], [])])["MOTA"])
    assert identity_f1([matched({}, [], [4])]) == pytest.approx(
        {"IDF1": 0, "IDP": 0, "IDR": float("nan")}, nan_ok=True
    )


def poses(*x: float, ids: list[int]) -> Poses:
    """Squares of 100 pixels from x on, with a keypoint in two of their corners."""
    left = np.array(x, np.float32)[:, None]
    keypoints = np.stack([np.c_[left, 0 * left], np.c_[left + 100, 0 * left + 100]], axis=1)
    return Poses(
        keypoints=keypoints,
        keypoint_scores=np.ones((len(x), 2), np.float32),
        bboxes=np.c_[left, 0 * left, left + 100, 0 * left + 100],
        track_ids=np.array(ids, np.int64),
    )


@pytest.mark.parametrize(
    ("match_by", "threshold", "near", "far"),
    [
        # Moved by x, the overlap of squares of 100 is (100 - x) / (100 + x).
        ("iou", 0.5, 33.0, 34.0),
        ("distance", 20.0, 20.0, 20.1),
        # exp(-x^2 / (2 * 100^2 * 0.1^2)) = 0.5 at x = 11.774.
        ("oks", 0.5, 11.7, 11.8),
    ],
)
def test_what_matches(match_by: str, threshold: float, near: float, far: float) -> None:
    for offset, misses in ((near, 0), (far, 1), (-near, 0), (-far, 1)):
        metrics = IdentityMetrics(match_by, threshold)  # type: ignore[arg-type]
        metrics.update(poses(0, ids=[0]), poses(offset, ids=[3]))
        assert metrics.compute()["misses"] == misses


def test_sigmas_and_annotated_keypoints_decide_oks() -> None:
    truth, found = poses(0, ids=[0]), poses(0, ids=[0])
    found.keypoints[0, 1] += 1000
    for scores, sigmas, misses in (
        ([1, 1], [0.05, 0.05], 0),  # one of two is right: 0.5
        ([0, 1], [0.05, 0.05], 1),
        ([1, 0], [0.05, 0.05], 0),
        ([0, 1], [0.05, 50.0], 0),
        ([0, 0], [0.05, 0.05], 1),
    ):
        metrics = IdentityMetrics("oks", 0.5, sigmas)
        flagged = truth.replace(keypoint_scores=np.array([scores], np.float32))
        metrics.update(flagged, found)
        assert metrics.compute()["misses"] == misses


def test_instances_without_identity_are_left_out() -> None:
    metrics = IdentityMetrics()
    metrics.update(poses(0, 300, ids=[0, -1]), poses(0, 300, 600, ids=[4, -1, -1]))
    metrics.update(poses(0, ids=[0]), Poses.empty(2).replace(track_ids=np.zeros(0, np.int64)))
    numbers = metrics.compute()
    assert (numbers["misses"], numbers["false positives"]) == (1, 0)
    assert numbers["IDF1"] == pytest.approx(2 / 3)
    metrics.reset()
    with pytest.raises(ValueError, match="has seen no frame"):
        metrics.compute()


def test_mistakes_are_named() -> None:
    with pytest.raises(ValueError, match=r"got 'okss'. Did you mean 'oks'\?"):
        IdentityMetrics("okss")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="threshold is above 0, got 0"):
        IdentityMetrics("iou", 0)
    one = poses(0, ids=[0])
    with pytest.raises(ValueError, match="the predicted poses have no track_ids"):
        IdentityMetrics().update(one, one.replace(track_ids=None))
    with pytest.raises(ValueError, match="the predicted poses have no boxes"):
        IdentityMetrics("iou").update(one, one.replace(bboxes=None))
    with pytest.raises(ValueError, match="annotated identity 4 is in one frame twice"):
        IdentityMetrics().update(poses(0, 300, ids=[4, 4]), one)
