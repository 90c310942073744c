"""`Tracker`: gives the instances of a video identities, frame by frame.

N instances of a frame, T tracks.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy.optimize import linear_sum_assignment

from raypose.errors import ConfigError, did_you_mean
from raypose.inference.tracking.extent import instance_scores
from raypose.inference.tracking.motion import Motion
from raypose.inference.tracking.observations import (
    Association,
    BoxAssociation,
    Floats,
    KeypointAssociation,
    Observations,
)
from raypose.structures import Poses

Mask = npt.NDArray[np.bool_]
_ASSOCIATIONS = ("oks", "iou")


class Tracker:
    """Follows people or animals through a video, knowing no later frame.

    Each frame's instances are assigned to the predicted tracks such that the sum of similarities
    is largest, in stages as ByteTrack has them (Zhang et al., "ByteTrack: Multi-Object Tracking by
    Associating Every Detection Box", ECCV 2022): sure detections to all tracks that have an
    identity; then unsure ones to those of them that the last frame showed; then what is left of
    the sure ones at a second look, with a wider spread of keypoints, and to tracks that have no
    identity yet. What is left after that starts a track. A detection that nearly covers a surer
    one is a second sight of the same body: it counts as unsure and starts none.

    Appearance plays no part. Keypoints (`oks`) tell bodies apart that touch or cross, and work
    without boxes; boxes (`iou`) are for people seen from afar or keypoints that cannot be trusted.

    Args:
        association: `oks`, similarity of keypoints, or `iou`, overlap of boxes.
        sigmas: spread of each keypoint for `oks`, such as `skeleton.sigmas`; a neutral one for all
            by default.
        match_thr: least similarity of a track and its next detection, 0..1.
        max_lost: frames that a track survives unseen.
        min_hits: frames in a row in which someone has to be seen to get an identity. Whoever is
            in the first frame gets one at once.
        new_track_thr: least score of a detection that starts a track and takes part in the first
            stage. The score is `scores`, else `bbox_scores`, else the mean of `keypoint_scores`.
        low_thr: detections of a lower score are ignored.
        duplicate_thr: similarity from which the less sure of two detections is a duplicate.
        keypoint_thr: least score of a keypoint that counts.

    Raises:
        ConfigError: if an argument is out of its range.

    Example:
        tracker = Tracker(sigmas=skeleton.sigmas)
        for frame, poses in predictor("street.mp4"):
            poses = tracker.update(poses)
            print(frame.index, poses.track_ids)
    """

    def __init__(
        self,
        *,
        association: Literal["oks", "iou"] = "oks",
        sigmas: Sequence[float] | None = None,
        match_thr: float = 0.2,
        max_lost: int = 30,
        min_hits: int = 2,
        new_track_thr: float = 0.5,
        low_thr: float = 0.1,
        duplicate_thr: float = 0.7,
        keypoint_thr: float = 0.2,
    ) -> None:
        problems = []
        if association not in _ASSOCIATIONS:
            problems.append(
                f"Tracker: association is 'oks' or 'iou', got {association!r}."
                + did_you_mean(str(association), _ASSOCIATIONS)
            )
        if sigmas is not None and association == "iou":
            problems.append("Tracker: sigmas belong to association 'oks', not to 'iou'")
        if sigmas is not None and not all(sigma > 0 for sigma in sigmas):
            problems.append(f"Tracker: sigmas are above 0, got {list(sigmas)}")
        for name, share in (("match_thr", match_thr), ("duplicate_thr", duplicate_thr)):
            if not 0 < share <= 1:
                problems.append(f"Tracker: {name} is above 0 and at most 1, got {share}")
        if low_thr > new_track_thr:
            problems.append(
                f"Tracker: low_thr is at most new_track_thr, got {low_thr} and {new_track_thr}"
            )
        if max_lost < 0:
            problems.append(f"Tracker: max_lost is at least 0, got {max_lost}")
        if min_hits < 1:
            problems.append(f"Tracker: min_hits is at least 1, got {min_hits}")
        if problems:
            raise ConfigError(problems)
        self.match_thr = match_thr
        self.max_lost = max_lost
        self.min_hits = min_hits
        self.new_track_thr = new_track_thr
        self.low_thr = low_thr
        self.duplicate_thr = duplicate_thr
        self._association: Association = (
            KeypointAssociation(sigmas, keypoint_thr)
            if association == "oks"
            else BoxAssociation(keypoint_thr)
        )
        self.reset()

    @property
    def num_tracks(self) -> int:
        """Return how many tracks are followed, lost and nameless ones too."""
        return len(self._ids)

    def reset(self) -> None:
        """Forget all tracks, for another video; identities start from 0 again."""
        self._motion: Motion | None = None
        self._next_id = 0
        self._ids: npt.NDArray[np.int64] = np.zeros(0, np.int64)
        self._hits: npt.NDArray[np.int64] = np.zeros(0, np.int64)
        self._lost: npt.NDArray[np.int64] = np.zeros(0, np.int64)

    def update(self, poses: Poses) -> Poses:
        """Take the next frame, also one with nobody in it.

        Args:
            poses: N instances in image space.

        Returns:
            The same instances in the same order with `track_ids` (N,): -1 for those that have no
            identity, being too new or too unsure. An identity is never given to another track
            until `reset`.

        Raises:
            RayposeError: if `sigmas` do not fit the keypoints.
        """
        seen = self._association.observe(poses)
        is_first = self._motion is None
        if self._motion is None:
            self._motion = Motion(seen.points.shape[1])
        scores = instance_scores(poses)
        usable = (scores >= self.low_thr) & seen.known.any(axis=1)
        alike = self._association.similarity(seen, seen) >= self.duplicate_thr
        sure = usable & (scores >= self.new_track_thr) & ~_beaten(alike, scores, usable)
        track_of = self._assign(self._motion.predict(), seen, sure, usable)
        found = np.flatnonzero(track_of >= 0)
        tracks = track_of[found]
        self._motion.correct(tracks, seen.select(found))
        self._hits[tracks] += 1
        self._lost += 1
        self._lost[tracks] = 0
        new = np.flatnonzero(sure & (track_of < 0) & ~alike[:, found].any(axis=1))
        track_of[new] = len(self._ids) + np.arange(len(new))
        self._start(seen.select(new), self.min_hits if is_first else 1)
        self._name()
        track_ids = np.full(len(poses), -1, np.int64)
        followed = track_of >= 0
        track_ids[followed] = self._ids[track_of[followed]]
        self._bury()
        return poses.replace(track_ids=track_ids)

    def _assign(
        self, predicted: Observations, seen: Observations, sure: Mask, usable: Mask
    ) -> npt.NDArray[np.intp]:
        """Return for each of N detections its track, -1 for none."""
        fine, coarse = self._association.similarity, self._association.coarse_similarity
        track_of = np.full(len(seen.points), -1, np.intp)
        free = np.ones(len(predicted.points), np.bool_)
        named = self._ids >= 0
        stages = (
            (named, sure, fine),
            (named & (self._lost == 0), usable, fine),
            (named, sure, coarse),
            (~named, sure, fine),
            (~named, sure, coarse),
        )
        for candidates, detections, similarity in stages:
            rows = np.flatnonzero(free & candidates)
            columns = np.flatnonzero((track_of < 0) & detections)
            if len(rows) and len(columns):
                likeness = similarity(predicted.select(rows), seen.select(columns))
                picked = match(likeness, self.match_thr)
                tracks = rows[picked[0]]
                track_of[columns[picked[1]]] = tracks
                free[tracks] = False
        return track_of

    def _start(self, seen: Observations, hits: int) -> None:
        assert self._motion is not None
        count = len(seen.points)
        self._motion.start(seen)
        self._ids = np.append(self._ids, np.full(count, -1))
        self._hits = np.append(self._hits, np.full(count, hits))
        self._lost = np.append(self._lost, np.zeros(count, np.int64))

    def _name(self) -> None:
        """Give an identity to tracks that have been seen often enough."""
        due = np.flatnonzero((self._ids < 0) & (self._hits >= self.min_hits))
        self._ids[due] = self._next_id + np.arange(len(due))
        self._next_id += len(due)

    def _bury(self) -> None:
        """Drop tracks that are lost for too long, those without an identity at once."""
        assert self._motion is not None
        alive = self._lost <= np.where(self._ids >= 0, self.max_lost, 0)
        self._motion.keep(alive)
        self._ids, self._hits, self._lost = (
            self._ids[alive],
            self._hits[alive],
            self._lost[alive],
        )


def match(
    similarity: Floats, threshold: float
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Pair rows and columns such that the sum of similarities is largest.

    Args:
        similarity: (T, N) in 0..1.
        threshold: least similarity of a pair, above 0.

    Returns:
        Rows and columns of the pairs.
    """
    allowed = np.where(similarity >= threshold, similarity, 0)
    rows, columns = linear_sum_assignment(allowed, maximize=True)
    kept = allowed[rows, columns] > 0
    return rows[kept], columns[kept]


def _beaten(alike: Mask, scores: Floats, usable: Mask) -> Mask:
    """Which detections (N,) are like a surer one; of two equally sure ones, the later."""
    order = np.argsort(-scores, kind="stable")
    rank = np.empty(len(order), np.intp)
    rank[order] = np.arange(len(order))
    return np.any(alike & usable[:, None] & (rank[:, None] < rank), axis=0)
