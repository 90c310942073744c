"""Instances that are labelled twice in one image."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

import numpy as np
import numpy.typing as npt

from raypose.inspection.finding import Finding
from raypose.inspection.labels import Floats, Labels

# Labelled keypoints of both lie this near on average, in lengths of the diagonal of the pose.
_NEAR = 0.02


def check_same_instances(labels: Labels) -> Iterator[Finding]:
    """Yield an instance whose keypoints are those of another of the same image and category."""
    labelled = labels.labelled
    order = np.argsort(labels.image_index, kind="stable")
    starts = np.flatnonzero(np.diff(labels.image_index[order], prepend=-1))
    for rows in np.split(order, starts[1:]):
        for first, second in combinations(rows.tolist(), 2):
            pair = [first, second]
            if labels.category_ids[first] == labels.category_ids[second] and _same(
                labels.keypoints[pair], labelled[pair]
            ):
                message = f"its keypoints are those of annotation {labels.ids[first]}"
                yield labels.finding("same-instance", second, message)


def _same(keypoints: Floats, labelled: npt.NDArray[np.bool_]) -> bool:
    """Return whether two instances, (2, K, 2) and (2, K), are one."""
    both = labelled.all(axis=0)
    if both.sum() < 2 or 2 * both.sum() < labelled.sum(axis=1).max():
        return False
    one, other = keypoints[:, both]
    extent = np.linalg.norm(np.ptp(one, axis=0))
    return bool(np.linalg.norm(one - other, axis=1).mean() <= _NEAR * extent)
