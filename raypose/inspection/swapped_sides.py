"""Left and right that look exchanged.

Two signs of it, both held against the other poses of the data:

* limbs cross: with the left hip joined to the right knee and the right hip to the left knee both
  thighs would be far shorter than they are labelled;
* a pair lies the wrong way round an axis of the body, where all others lie one way: the ears of a
  mouse from above, whose left one is always to the left of the line from tail to snout.

A whole person of whom everything is exchanged shows neither where people face both ways.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

import numpy as np
import numpy.typing as npt

from raypose.inspection.finding import Finding
from raypose.inspection.pose_table import MANY, Floats, PoseTable, distances, upper_fence
from raypose.structures import Skeleton

Pair = tuple[int, int]

# Crossing shortens two limbs by so much of the pose's extent and so often, at least.
_GAIN = 0.2
_SHORTER = 1.7
_REACH = 3.0
# An axis has a side if so many of the poses that show it agree.
_AGREEMENT = 0.97
_SIDEWAYS = 0.35


def check_swapped_sides(table: PoseTable) -> Iterator[Finding]:
    """Yield poses in which left and right look exchanged, each once."""
    if len(table.rows) < MANY:
        return
    told: set[int] = set()
    for pose, message in (*_crossed_limbs(table), *_turned_pairs(table)):
        if pose not in told:
            told.add(pose)
            yield table.finding("swapped-sides", pose, message)


def _pairs(skeleton: Skeleton) -> list[Pair]:
    flips = skeleton.flip_indices
    return [(i, j) for i, j in enumerate(flips) if i < j and flips[j] == i]


def _crossed_limbs(table: PoseTable) -> Iterator[tuple[int, str]]:
    """Yield poses whose limbs would be far shorter if they crossed from side to side."""
    skeleton, keypoints = table.skeleton, table.keypoints
    linked = {frozenset(link) for link in skeleton.links}
    for one, other in combinations(_pairs(skeleton), 2):
        (a, b), (c, d) = one, other
        if {frozenset((a, c)), frozenset((b, d))} <= linked:
            pass
        elif {frozenset((a, d)), frozenset((b, c))} <= linked:
            c, d = d, c
        else:
            continue
        straight = distances(keypoints, a, c) + distances(keypoints, b, d)
        crossed = distances(keypoints, a, d) + distances(keypoints, b, c)
        gain = (straight - crossed) / table.sizes
        if np.isfinite(gain).sum() < MANY:
            continue
        fence = max(upper_fence(gain, _REACH), _GAIN)
        shorter = straight / np.maximum(crossed, 1e-9)
        names = [skeleton.keypoint_names[index] for index in (a, c, b, d)]
        for pose in np.flatnonzero(np.nan_to_num(gain) > fence):
            if shorter[pose] > _SHORTER:
                yield (
                    int(pose),
                    f"{names[0]} to {names[1]} and {names[2]} to {names[3]} would be "
                    f"{shorter[pose]:.1f} times shorter if they crossed: left and right look "
                    "exchanged at one end",
                )


def _turned_pairs(table: PoseTable) -> Iterator[tuple[int, str]]:
    """Yield poses in which a pair lies the other way round an axis than in all others."""
    skeleton = table.skeleton
    for left, right in _pairs(skeleton):
        axis = _longest_axis(table, (left, right))
        if axis is None:
            continue
        start, end, name = axis
        along, across = end - start, table.keypoints[:, right] - table.keypoints[:, left]
        lengths = np.hypot(*along.T) * np.hypot(*across.T)
        side = (along[:, 0] * across[:, 1] - along[:, 1] * across[:, 0]) / np.maximum(lengths, 1e-9)
        clear = np.abs(np.nan_to_num(side)) > _SIDEWAYS
        if clear.sum() < MANY:
            continue
        usual = np.sign(np.median(side[clear]))
        agree = np.mean(np.sign(side[clear]) == usual)
        if agree < _AGREEMENT:
            continue
        names = skeleton.keypoint_names
        for pose in np.flatnonzero(clear & (np.sign(np.nan_to_num(side)) == -usual)):
            yield (
                int(pose),
                f"{names[left]} and {names[right]} lie the other way round the line {name} than "
                f"in {agree:.1%} of the poses",
            )


def _longest_axis(table: PoseTable, pair: Pair) -> tuple[Floats, Floats, str] | None:
    """Return both ends (M, 2) and the name of the longest line between points of the middle.

    Those are keypoints without a partner, and the middles of other pairs where there are fewer
    than two of them.
    """
    skeleton = table.skeleton
    names, flips = skeleton.keypoint_names, skeleton.flip_indices
    middle: list[tuple[str, npt.NDArray[np.float64]]] = [
        (names[i], table.keypoints[:, i]) for i, j in enumerate(flips) if i == j
    ]
    if len(middle) < 2:
        middle += [
            (f"between {names[i]} and {names[j]}", table.keypoints[:, [i, j]].mean(axis=1))
            for i, j in _pairs(skeleton)
            if (i, j) != pair
        ]
    best, longest = None, 0.0
    for (first, start), (second, end) in combinations(middle, 2):
        lengths = np.hypot(*(end - start).T) / table.sizes
        if np.isfinite(lengths).sum() < MANY:
            continue
        typical = float(np.nanmedian(lengths))
        if typical > longest:
            best, longest = (start, end, f"from {first} to {second}"), typical
    return best
