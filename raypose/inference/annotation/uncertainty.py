"""How unsure a model is of what it found: low scores, jumps in time, another answer in a mirror.

K keypoints.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from raypose.inference.annotation.table import Row

Floats = npt.NDArray[np.float64]

# Mean distances of keypoints, as parts of the body's size, from which a doubt is complete.
_FULL_JUMP = 0.25
_FULL_DISAGREEMENT = 0.25


@dataclass(frozen=True, kw_only=True)
class Doubt:
    """What speaks against the pose of one instance; each from 0, nothing, to 1.

    Attributes:
        low_scores: 1 less the mean score of the keypoints; 1 for a pose that was interpolated,
            where the model had found none.
        jump: how far the keypoints are on average from the middle between where the same instance
            was in the frames before and after, over a quarter of the size of its box.
        flip: how far they are on average from what the model finds in the mirror image, likewise.
    """

    low_scores: float
    jump: float = 0.0
    flip: float = 0.0

    @property
    def total(self) -> float:
        """Return the doubt of all together, as if each were a chance to be wrong of its own."""
        return 1 - (1 - self.low_scores) * (1 - self.jump) * (1 - self.flip)


def total_of(doubts: Iterable[Doubt]) -> float:
    """Return the uncertainty of an image: that of its most doubtful instance, 0 without any."""
    return max((doubt.total for doubt in doubts), default=0.0)


def doubts_of(rows: Iterable[Row]) -> Iterator[tuple[Row, list[Doubt]]]:
    """Yield each row with the doubts of its instances, but for those of a mirror.

    Args:
        rows: in order; frames of a video follow each other.
    """
    before: Row | None = None
    row: Row | None = None
    for after in rows:
        if row is not None:
            yield row, _doubts(before, row, after)
        before, row = row, after
    if row is not None:
        yield row, _doubts(before, row, None)


def flip_disagreement(instance: dict[str, Any], mirrored: Floats) -> float:
    """Return the doubt that the answer in a mirror image casts on an instance.

    Args:
        instance: as in a row.
        mirrored: (M, K, 2) the poses of the mirror image, mirrored back; the nearest counts.
            Nobody there is complete doubt.
    """
    if not len(mirrored):
        return 1.0
    distances = np.linalg.norm(mirrored - _points(instance), axis=-1).mean(axis=-1)
    return min(float(distances.min()) / size_of(instance) / _FULL_DISAGREEMENT, 1.0)


def size_of(instance: dict[str, Any]) -> float:
    """Return the size of an instance: the root of the area of its box, or of its keypoints'."""
    points = _points(instance)
    box = instance["bbox"]
    low, high = (points.min(0), points.max(0)) if box is None else (box[:2], box[2:])
    sides = np.maximum(np.subtract(high, low), 1.0)
    return float(np.sqrt(sides.prod()))


def _doubts(before: Row | None, row: Row, after: Row | None) -> list[Doubt]:
    earlier, later = _tracks(before, row), _tracks(after, row)
    doubts = []
    for instance in row["instances"]:
        scores = np.clip(instance["keypoint_scores"], 0, 1)
        low = 1.0 if instance["interpolated"] else 1 - float(scores.mean())
        track = instance["track_id"]
        jump = 0.0
        if track in earlier and track in later:
            middle = (_points(earlier[track]) + _points(later[track])) / 2
            distance = np.linalg.norm(_points(instance) - middle, axis=-1).mean()
            jump = min(float(distance) / size_of(instance) / _FULL_JUMP, 1.0)
        doubts.append(Doubt(low_scores=low, jump=jump))
    return doubts


def _tracks(neighbour: Row | None, row: Row) -> dict[int, dict[str, Any]]:
    """Return the instances of a frame next to a row by their identity."""
    if neighbour is None or neighbour["source"] != row["source"]:
        return {}
    return {
        instance["track_id"]: instance
        for instance in neighbour["instances"]
        if instance["track_id"] is not None
    }


def _points(instance: dict[str, Any]) -> Floats:
    return np.asarray(instance["keypoints"], np.float64)[:, :2]
