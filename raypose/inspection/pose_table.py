"""Poses of all annotation files that share a skeleton, for statistics over them.

M poses, K keypoints. What is usual for a limb is known from the data alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from raypose.inspection.finding import Finding
from raypose.inspection.labels import Labels
from raypose.structures import Skeleton

Floats = npt.NDArray[np.float64]

MANY = 30
"""Poses from which statistics say something."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PoseTable:
    """Poses of one kind of body.

    Attributes:
        skeleton: what the keypoints are.
        rows: M pairs of labels and row, where each pose is from.
        keypoints: (M, K, 2) pixels, NaN where not labelled.
        sizes: (M,) extent of the pose in pixels: the diagonal of its labelled keypoints.
    """

    skeleton: Skeleton
    rows: list[tuple[Labels, int]]
    keypoints: Floats
    sizes: Floats

    def finding(self, kind: str, pose: int, message: str) -> Finding:
        """Return a finding about a pose."""
        labels, row = self.rows[pose]
        return labels.finding(kind, row, message)


def pose_tables(all_labels: Sequence[Labels]) -> Iterator[PoseTable]:
    """Yield the poses of labels whose keypoints have the same names, crowds left out."""
    kinds: dict[tuple[str, ...], list[Labels]] = {}
    for labels in all_labels:
        kinds.setdefault(labels.skeleton.keypoint_names, []).append(labels)
    for group in kinds.values():
        rows: list[tuple[Labels, int]] = []
        parts = []
        for labels in group:
            chosen = np.flatnonzero(~labels.crowd & (labels.labelled.sum(axis=1) > 1))
            rows += [(labels, int(row)) for row in chosen]
            seen = labels.labelled[chosen, :, None]
            parts.append(np.where(seen, labels.keypoints[chosen], np.nan))
        keypoints = np.concatenate(parts)
        if len(keypoints):
            extent = np.nanmax(keypoints, axis=1) - np.nanmin(keypoints, axis=1)
            sizes = np.hypot(extent[:, 0], extent[:, 1])
            yield PoseTable(
                skeleton=group[0].skeleton,
                rows=rows,
                keypoints=keypoints,
                sizes=np.where(sizes > 0, sizes, np.nan),
            )


def upper_fence(values: Floats, reach: float) -> float:
    """Return the value above which values are far out: third quartile + reach x their range.

    Tukey's fences ("Exploratory Data Analysis", 1977), which a few wild values do not move.

    Args:
        values: any; NaN are left out.
        reach: in ranges between the quartiles.
    """
    low, high = np.nanpercentile(values, (25, 75))
    return float(high + reach * (high - low))


def distances(keypoints: Floats, first: int, second: int) -> Floats:
    """Return (M,) distances of two keypoints, NaN where one is not labelled."""
    offset = keypoints[:, first] - keypoints[:, second]
    return np.hypot(offset[:, 0], offset[:, 1])
