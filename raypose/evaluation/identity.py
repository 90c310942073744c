"""`IdentityMetrics`: how well identities in a video are kept.

IDF1 (Ristani et al.: "Performance Measures and a Data Set for Multi-Target, Multi-Camera Tracking",
ECCV 2016 workshops) and CLEAR MOT (Bernardin, Stiefelhagen: "Evaluating Multiple Object Tracking
Performance: The CLEAR MOT Metrics", 2008). G annotated and P predicted instances of a frame.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy.optimize import linear_sum_assignment

from raypose.errors import DataError, RayposeError, did_you_mean
from raypose.ops.boxes import bbox_overlaps
from raypose.ops.oks import oks_iou
from raypose.structures import Poses

Floats = npt.NDArray[np.floating]
_WAYS = ("oks", "iou", "distance")
# Spread of every keypoint where a skeleton has none: as part of the body's size.
_NEUTRAL_SIGMA = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameIdentities:
    """Who is annotated in a frame, who is predicted, and who could be whom.

    Attributes:
        truth: (G,) identities, each once.
        predicted: (P,) identities, each once.
        agreement: (G, P), 0 for pairs that cannot match, otherwise larger for better ones.
    """

    truth: npt.NDArray[np.int64]
    predicted: npt.NDArray[np.int64]
    agreement: Floats


def identity_f1(frames: Sequence[FrameIdentities]) -> dict[str, float]:
    """Compute how much of the video is explained by one prediction for each annotated identity.

    Annotated and predicted identities are paired once for the whole video, such that most
    instances agree.

    Returns:
        `IDF1`, `IDP` (precision) and `IDR` (recall), 0..1; NaN where there is nothing to divide by.
    """
    truth = sorted({int(i) for frame in frames for i in frame.truth})
    predicted = sorted({int(i) for frame in frames for i in frame.predicted})
    together = np.zeros((len(truth), len(predicted)))
    for frame in frames:
        rows, columns = np.nonzero(frame.agreement > 0)
        row_of = np.searchsorted(truth, frame.truth[rows])
        np.add.at(together, (row_of, np.searchsorted(predicted, frame.predicted[columns])), 1)
    true_positives = together[linear_sum_assignment(together, maximize=True)].sum()
    num_truth = sum(len(frame.truth) for frame in frames)
    num_predicted = sum(len(frame.predicted) for frame in frames)
    return {
        "IDF1": _ratio(2 * true_positives, num_truth + num_predicted),
        "IDP": _ratio(true_positives, num_predicted),
        "IDR": _ratio(true_positives, num_truth),
    }


def clear_mot(frames: Sequence[FrameIdentities]) -> dict[str, float]:
    """Count the mistakes of tracking frame by frame.

    A pair of the frame before stays together as long as it can match; all others are paired such
    that the sum of agreements is largest.

    Returns:
        `MOTA`, at most 1: one minus all mistakes over the annotated instances, NaN without any;
        `ID switches`: times that an annotated identity is given to another prediction than the
        last time; `fragmentations`: times that it is found again after frames in which it was
        there and not found; `misses`; `false positives`.
    """
    counts = Counter(
        dict.fromkeys(("ID switches", "fragmentations", "misses", "false positives"), 0)
    )
    last: dict[int, int] = {}
    missed: set[int] = set()
    before: dict[int, int] = {}
    for frame in frames:
        pairs = _pairs(frame, before)
        for truth in map(int, frame.truth):
            if truth not in pairs:
                counts["misses"] += 1
                missed.add(truth)
                continue
            counts["ID switches"] += last.get(truth, pairs[truth]) != pairs[truth]
            counts["fragmentations"] += truth in missed and truth in last
            missed.discard(truth)
            last[truth] = pairs[truth]
        counts["false positives"] += len(frame.predicted) - len(pairs)
        before = pairs
    num_truth = sum(len(frame.truth) for frame in frames)
    mistakes = counts["misses"] + counts["false positives"] + counts["ID switches"]
    return {
        "MOTA": 1 - _ratio(mistakes, num_truth),
        **{name: float(count) for name, count in counts.items()},
    }


def _pairs(frame: FrameIdentities, before: dict[int, int]) -> dict[int, int]:
    """Pair annotated with predicted identities of one frame."""
    agreement = np.where(frame.agreement > 0, frame.agreement, 0.0)
    kept = [
        (g, int(p))
        for g, truth in enumerate(map(int, frame.truth))
        for p in np.flatnonzero(frame.predicted == before.get(truth))
        if agreement[g, p] > 0
    ]
    for g, p in kept:
        agreement[g], agreement[:, p] = 0, 0
    rows, columns = linear_sum_assignment(agreement, maximize=True)
    kept += [(g, p) for g, p in zip(rows, columns, strict=True) if agreement[g, p] > 0]
    return {int(frame.truth[g]): int(frame.predicted[p]) for g, p in kept}


class IdentityMetrics:
    """Compares the identities of one video with annotated ones, frame by frame.

    Instances with `track_ids` of -1 are left out on both sides.

    Args:
        match_by: `oks`, keypoint similarity; `iou`, overlap of boxes; or `distance`, the mean
            distance of keypoints. Keypoints count where the annotated `keypoint_scores` are
            above 0, and the size of a body is that of its annotated box.
        threshold: least similarity of a pair; for `distance` the largest distance, in pixels.
        sigmas: spread of each keypoint for `oks`; 0.05 for all by default.

    Raises:
        RayposeError: for an unknown `match_by` or a threshold of 0 or less.
    """

    def __init__(
        self,
        match_by: Literal["oks", "iou", "distance"] = "oks",
        threshold: float = 0.5,
        sigmas: Sequence[float] | None = None,
    ) -> None:
        if match_by not in _WAYS:
            raise RayposeError(
                f"IdentityMetrics: match_by is 'oks', 'iou' or 'distance', got {match_by!r}."
                + did_you_mean(str(match_by), _WAYS)
            )
        if threshold <= 0:
            raise RayposeError(f"IdentityMetrics: threshold is above 0, got {threshold}")
        self.match_by = match_by
        self.threshold = threshold
        self.sigmas = sigmas
        self._frames: list[FrameIdentities] = []

    def update(self, truth: Poses, predicted: Poses) -> None:
        """Take the next frame, also one without annotated or predicted instances.

        Raises:
            DataError: if identities or boxes are missing, or one identity is there twice.
        """
        truth, true_ids = _with_identity(truth, "annotated")
        predicted, predicted_ids = _with_identity(predicted, "predicted")
        self._frames.append(
            FrameIdentities(
                truth=true_ids,
                predicted=predicted_ids,
                agreement=self._agreement(truth, predicted),
            )
        )

    def compute(self) -> dict[str, float]:
        """Return the numbers of `identity_f1` and `clear_mot` over all frames.

        Raises:
            RayposeError: if no frame was seen.
        """
        if not self._frames:
            raise RayposeError("IdentityMetrics has seen no frame to compute anything of")
        return {**identity_f1(self._frames), **clear_mot(self._frames)}

    def reset(self) -> None:
        """Forget all frames, for another video."""
        self._frames.clear()

    def _agreement(self, truth: Poses, predicted: Poses) -> Floats:
        if self.match_by == "iou":
            overlap = bbox_overlaps(_boxes(truth, "annotated"), _boxes(predicted, "predicted"))
            return np.where(overlap >= self.threshold, overlap, 0.0)
        counted = truth.keypoint_scores > 0
        if self.match_by == "distance":
            offset = truth.keypoints[:, None, :, :2] - predicted.keypoints[:, :, :2]
            far = np.linalg.norm(offset, axis=-1) * counted[:, None]
            number = counted.sum(axis=1)[:, None]
            mean = np.where(number > 0, far.sum(axis=-1) / np.maximum(number, 1), np.inf)
            return np.where(mean <= self.threshold, 1 / (1 + mean), 0.0)
        K = truth.keypoints.shape[1]
        sigmas = (_NEUTRAL_SIGMA,) * K if self.sigmas is None else self.sigmas
        poses = _with_flags(predicted, np.ones(predicted.keypoints.shape[:2]))
        bodies = _with_flags(truth, counted)
        sides = _boxes(truth, "annotated")[:, 2:] - _boxes(truth, "annotated")[:, :2]
        similarity = np.zeros((len(truth), len(predicted)), np.float32)
        for row, body, area in zip(similarity, bodies, sides.prod(axis=1), strict=True):
            row[:] = oks_iou(body, poses, area, np.full(len(poses), area), sigmas, vis_thr=0)
        return np.where(similarity >= self.threshold, similarity, 0.0)


def _with_identity(poses: Poses, which: str) -> tuple[Poses, npt.NDArray[np.int64]]:
    if poses.track_ids is None:
        raise DataError(f"IdentityMetrics: the {which} poses have no track_ids")
    named = poses.select(poses.track_ids >= 0)
    ids = poses.track_ids[poses.track_ids >= 0]
    twice = [int(i) for i, count in Counter(ids.tolist()).items() if count > 1]
    if twice:
        raise DataError(f"IdentityMetrics: {which} identity {twice[0]} is in one frame twice")
    return named, ids


def _boxes(poses: Poses, which: str) -> Floats:
    if poses.bboxes is None:
        raise DataError(f"IdentityMetrics: the {which} poses have no boxes")
    return poses.bboxes


def _with_flags(poses: Poses, flags: npt.NDArray[np.generic]) -> npt.NDArray[np.generic]:
    return np.concatenate([poses.keypoints[..., :2], flags[..., None]], axis=-1)


def _ratio(part: float, whole: float) -> float:
    return float(part / whole) if whole else float("nan")
