"""`Observations`: what the tracker compares, seen in this frame or predicted for it.

N and M instances, P points: the K keypoints, or the two corners of a box.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from raypose.errors import RayposeError
from raypose.inference.tracking.extent import box_areas, boxes_of, known_keypoints
from raypose.ops.boxes import bbox_overlaps
from raypose.structures import Poses

Floats = npt.NDArray[np.float64]

# How much wider the spread of keypoints is at a second look.
_COARSE = 3.0
# Spread of a keypoint, as part of the body's size, where the skeleton has none of its own. It is
# a little above the mean of COCO's, since a prediction is off by more than an annotator.
NEUTRAL_SIGMA = 0.08


@dataclass(frozen=True, slots=True, kw_only=True)
class Observations:
    """Points of N instances in image space.

    Attributes:
        points: (N, P, 2), pixels.
        known: (N, P), which points count.
        areas: (N,), square pixels.
    """

    points: Floats
    known: npt.NDArray[np.bool_]
    areas: Floats

    def select(self, index: npt.NDArray[np.bool_ | np.integer]) -> Observations:
        """Return the instances picked by a boolean mask or integer indices."""
        return Observations(
            points=self.points[index],
            known=self.known[index],
            areas=self.areas[index],
        )


class Association(ABC):
    """A way to look at poses and to say how well two of them agree."""

    @abstractmethod
    def observe(self, poses: Poses) -> Observations:
        """Return the points of the instances of one frame that it goes by."""

    @abstractmethod
    def similarity(self, first: Observations, second: Observations) -> Floats:
        """Return how well each of N instances agrees with each of M, (N, M) in 0..1."""

    def coarse_similarity(self, first: Observations, second: Observations) -> Floats:
        """Return the same (N, M) at a second look, for who is left over."""
        return self.similarity(first, second)


class KeypointAssociation(Association):
    """By object keypoint similarity (https://cocodataset.org/#keypoints-eval).

    All keypoints known in both poses count, so that bodies which touch or cross are told apart by
    where each of their parts is. The spread does not grow while someone is unseen: a lost track
    that agrees with everybody would take the identity of who is near.

    Args:
        sigmas: K spreads; a neutral one for all keypoints by default.
        keypoint_thr: least score of a keypoint that counts.
    """

    def __init__(self, sigmas: Sequence[float] | None, keypoint_thr: float) -> None:
        self.sigmas = None if sigmas is None else np.asarray(sigmas, np.float64)
        self.keypoint_thr = keypoint_thr

    def observe(self, poses: Poses) -> Observations:
        """Return the keypoints and the areas of boxes or, without any, of the keypoints' extent.

        Raises:
            RayposeError: if `sigmas` are not as many as keypoints, or the size of an instance
                cannot be known.
        """
        K = poses.keypoints.shape[1]
        if self.sigmas is not None and len(self.sigmas) != K:
            raise RayposeError(f"Tracker: {len(self.sigmas)} sigmas for {K} keypoints")
        if K == 1 and poses.bboxes is None:
            raise RayposeError(
                "Tracker: one keypoint without a box has no size to compare positions by; "
                "use a model that gives boxes"
            )
        known = known_keypoints(poses, self.keypoint_thr)
        points = np.where(known[..., None], poses.keypoints[..., :2], 0).astype(np.float64)
        return Observations(
            points=points,
            known=known,
            areas=box_areas(boxes_of(poses, self.keypoint_thr)),
        )

    def similarity(self, first: Observations, second: Observations) -> Floats:
        """Return the OKS (N, M); 0 where no keypoint is known in both."""
        return self._oks(first, second, 1.0)

    def coarse_similarity(self, first: Observations, second: Observations) -> Floats:
        """Return the OKS (N, M) of a wider spread.

        OKS is 0 for a body that has turned or moved by some part of its size, as it does between
        frames that are far apart.
        """
        return self._oks(first, second, _COARSE)

    def _oks(self, first: Observations, second: Observations, widening: float) -> Floats:
        sigmas = widening * (NEUTRAL_SIGMA if self.sigmas is None else self.sigmas)
        areas = (first.areas[:, None] + second.areas) / 2
        spread = (2 * sigmas) ** 2 * areas[..., None]
        right, down = np.moveaxis(first.points[:, None] - second.points, -1, 0)
        squared = right * right + down * down
        counted = first.known[:, None] & second.known
        agreement = np.exp(-squared / (2 * spread + np.finfo(np.float64).tiny))
        return (agreement * counted).sum(axis=-1) / np.maximum(counted.sum(axis=-1), 1)


class BoxAssociation(Association):
    """By intersection over union of boxes.

    Args:
        keypoint_thr: least score of a keypoint that counts for the extent of a pose without box.
    """

    def __init__(self, keypoint_thr: float) -> None:
        self.keypoint_thr = keypoint_thr

    def observe(self, poses: Poses) -> Observations:
        """Return the corners of boxes or, without any, of the keypoints' extent."""
        boxes = boxes_of(poses, self.keypoint_thr)
        sides = boxes[:, 2:] - boxes[:, :2]
        is_box = np.all(sides > 0, axis=1, keepdims=True)
        known = np.repeat(is_box, 2, axis=1)
        return Observations(
            points=boxes.reshape(-1, 2, 2),
            known=known,
            areas=box_areas(boxes),
        )

    def similarity(self, first: Observations, second: Observations) -> Floats:
        """Return the IoU (N, M)."""
        return bbox_overlaps(first.points.reshape(-1, 4), second.points.reshape(-1, 4))
