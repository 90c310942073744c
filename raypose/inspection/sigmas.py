"""OKS sigmas from repeated labels: how far people differ who label the same keypoint.

COCO measured its own on images that several people had labelled: sigma is the spread of a
keypoint's place over the scale of the object, sigma^2 = E[d^2 / s^2], with s^2 the area of the
object (https://cocodataset.org/#keypoints-eval). OKS then uses 2 sigma, so that labels of people
score well.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import linear_sum_assignment

from raypose.errors import DataError
from raypose.inspection.labels import Floats, Labels

# A pair of instances whose labelled keypoints are further apart, in diagonals of the pose, is
# not the same instance.
_FAR = 0.5
# Share of the box that stands for the area of an object, as in COCO.
_AREA_OF_BOX = 0.53
LEAST_REPEATS = 10


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Sigmas:
    """What was measured.

    Attributes:
        values: (K,) sigmas.
        repeats: (K,) instances in which the keypoint was labelled twice or more.
        boxes_as_areas: instances whose area is not annotated, for which 0.53 of the box stands.
    """

    values: Floats
    repeats: npt.NDArray[np.int64]
    boxes_as_areas: int


def estimate_sigmas(all_labels: Sequence[Labels]) -> Sigmas:
    """Estimate the sigma of each keypoint.

    Instances of different files are the same where the file names of their images are and their
    keypoints lie nearest. With n labels x_i of a keypoint and their mean m, d^2 is the unbiased
    sum |x_i - m|^2 / (n - 1), so for two labels half their squared distance. The mean over all
    instances counts an instance by n - 1, what its labels tell beyond the mean.

    Args:
        all_labels: one for each person who labelled, or each round of labelling.

    Raises:
        DataError: if there is nothing that is labelled twice, a keypoint has fewer than
            `LEAST_REPEATS` repeated labels, or all of its labels are the same.
    """
    if len(all_labels) < 2:
        raise DataError(
            "OKS sigmas are how far labels of the same keypoint differ: give two files or more, "
            "in which the same images were labelled by different people or at different times"
        )
    names = all_labels[0].skeleton.keypoint_names
    for labels in all_labels[1:]:
        if labels.skeleton.keypoint_names != names:
            raise DataError(
                f"{labels.file}: its keypoints are not those of {all_labels[0].file}: "
                f"{', '.join(labels.skeleton.keypoint_names)}; expected {', '.join(names)}"
            )
    total, freedom = np.zeros(len(names)), np.zeros(len(names))
    repeats = np.zeros(len(names), np.int64)
    boxes = 0
    for members in _same_instances(all_labels):
        points = np.stack([labels.keypoints[row] for labels, row in members])
        seen = np.stack([labels.visibility[row] > 0 for labels, row in members])
        area, is_of_box = _area(members)
        if not area > 0:
            continue  # the scale of OKS is not known
        boxes += is_of_box
        count = seen.sum(axis=0)
        mean = (points * seen[..., None]).sum(axis=0) / np.maximum(count, 1)[:, None]
        squares = (((points - mean) ** 2).sum(axis=2) * seen).sum(axis=0)
        use = count > 1
        total[use] += squares[use] / area
        freedom[use] += count[use] - 1
        repeats += use
    _check(names, repeats, total)
    return Sigmas(values=np.sqrt(total / freedom), repeats=repeats, boxes_as_areas=boxes)


def _check(names: Sequence[str], repeats: npt.NDArray[np.int64], total: Floats) -> None:
    few = [f"{n} ({r})" for n, r in zip(names, repeats, strict=True) if r < LEAST_REPEATS]
    if few:
        raise DataError(
            f"OKS sigmas need at least {LEAST_REPEATS} repeated labels of each keypoint; "
            f"too few are of {', '.join(few)}"
        )
    exact = [name for name, value in zip(names, total, strict=True) if value <= 0]
    if exact:
        raise DataError(
            f"all labels of {', '.join(exact)} are the same in all files: copies tell nothing "
            "about how far people differ"
        )


def _same_instances(all_labels: Sequence[Labels]) -> list[list[tuple[Labels, int]]]:
    """Return the groups of instances of the first file and those of others that match them."""
    first = all_labels[0]
    groups = {row: [(first, row)] for row in np.flatnonzero(~first.crowd).tolist()}
    rows_of = _rows_by_image(first)
    for other in all_labels[1:]:
        for name, theirs in _rows_by_image(other).items():
            ours = rows_of.get(name, [])
            if not ours:
                continue
            cost = np.array([[_apart(first, i, other, j) for j in theirs] for i in ours])
            for i, j in zip(*linear_sum_assignment(cost), strict=True):
                if cost[i, j] < _FAR:
                    groups[ours[i]].append((other, theirs[j]))
    return [members for members in groups.values() if len(members) > 1]


def _rows_by_image(labels: Labels) -> dict[str, list[int]]:
    rows: dict[str, list[int]] = {}
    for row in np.flatnonzero(~labels.crowd).tolist():
        path = labels.images[labels.image_index[row]].path
        rows.setdefault(os.path.basename(path), []).append(row)
    return rows


def _apart(one: Labels, i: int, other: Labels, j: int) -> float:
    """Return the mean distance of two poses in diagonals of the first."""
    ours, theirs = one.visibility[i] > 0, other.visibility[j] > 0
    both = ours & theirs
    if both.sum() == 0:
        return 2 * _FAR
    points = one.keypoints[i, ours]
    extent = max(float(np.linalg.norm(np.ptp(points, axis=0))), 1.0)
    gaps = np.linalg.norm(one.keypoints[i, both] - other.keypoints[j, both], axis=1)
    return min(float(gaps.mean()) / extent, 2 * _FAR)


def _area(members: Sequence[tuple[Labels, int]]) -> tuple[float, bool]:
    """Return the mean area of the labels of an instance, and whether it is that of their boxes."""
    areas = np.array([labels.areas[row] for labels, row in members])
    annotated = areas[areas > 0]
    if len(annotated):
        return float(annotated.mean()), False
    corners = np.array([labels.boxes[row].reshape(2, 2) for labels, row in members])
    boxes = (corners[:, 1] - corners[:, 0]).prod(axis=1)
    return _AREA_OF_BOX * float(boxes.mean()), True
