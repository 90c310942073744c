"""Labelled keypoints beyond the image or the box, and visibilities that contradict the rest."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from raypose.inspection.finding import Finding
from raypose.inspection.labels import Labels

# Pixels; annotation tools round, and count from 0 or from 1.
_TOLERANCE = 1.5
# Share of the longer side of a box: boxes drawn by hand leave out fingertips.
_BOX_TOLERANCE = 0.1
# Instances from which a keypoint that none of them has is worth a word.
_MANY = 20


def check_keypoint_places(labels: Labels) -> Iterator[Finding]:
    """Yield instances with labelled keypoints beyond the image, or far outside their box."""
    whole = np.concatenate([np.zeros_like(labels.boxes[:, :2]), labels.image_sizes()], axis=1)
    beyond_image = _beyond(labels, whole)
    beyond_box = _beyond(labels, labels.boxes)
    box_sizes = labels.box_sizes()
    slack = _TOLERANCE + _BOX_TOLERANCE * box_sizes.max(axis=1, initial=0)
    for row in range(len(labels)):
        if (beyond_image[row] > _TOLERANCE).any():
            message = _farthest(labels, beyond_image[row], _TOLERANCE)
            yield labels.finding("keypoint-outside-image", row, f"{message} beyond the image")
        elif box_sizes[row].min() > 0 and (beyond_box[row] > slack[row]).any():
            message = _farthest(labels, beyond_box[row], slack[row])
            yield labels.finding("keypoint-outside-box", row, f"{message} outside the box")


def check_visibility(labels: Labels) -> Iterator[Finding]:
    """Yield instances whose visibility contradicts their count or place of keypoints."""
    counts = labels.labelled.sum(axis=1)
    at_origin = labels.labelled & (labels.keypoints == 0).all(axis=2)
    for row in range(len(labels)):
        stated = labels.stated_counts[row]
        if stated not in (-1, counts[row]):
            message = f"num_keypoints says {stated}, {counts[row]} have a visibility above 0"
            yield labels.finding("visibility", row, message)
        if at_origin[row].any():
            names = _names(labels, at_origin[row])
            message = f"{names}: at (0, 0), which is where keypoints are that are not labelled"
            yield labels.finding("visibility", row, message)
        if (labels.visibility[row] < 0).any():
            names = _names(labels, labels.visibility[row] < 0)
            message = f"{names}: a visibility below 0; it is 0, 1 or 2"
            yield labels.finding("visibility", row, message)


def check_never_labelled(labels: Labels) -> Iterator[Finding]:
    """Yield the keypoints that no instance of a file has, if it has many."""
    if len(labels) < _MANY:
        return
    for index in np.flatnonzero(~labels.labelled.any(axis=0)):
        yield Finding(
            kind="never-labelled",
            file=labels.file,
            id=f"keypoint {labels.skeleton.keypoint_names[index]}",
            message=f"none of the {len(labels)} instances has it",
        )


def _beyond(labels: Labels, boxes: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return (M, K), by how many pixels labelled keypoints lie outside of boxes (M, 4)."""
    low, high = boxes[:, None, :2], boxes[:, None, 2:]
    beyond = np.maximum(low - labels.keypoints, labels.keypoints - high).max(axis=2)
    # Where a box or a size is unknown nothing is outside.
    return np.where(labels.labelled & np.isfinite(beyond), beyond, 0)


def _farthest(labels: Labels, beyond: npt.NDArray[np.float64], slack: float) -> str:
    worst = int(beyond.argmax())
    others = int((beyond > slack).sum()) - 1
    more = f", the farthest of {others + 1} keypoints," if others else ""
    return f"{labels.skeleton.keypoint_names[worst]}{more} is {beyond[worst]:.4g} pixels"


def _names(labels: Labels, chosen: npt.NDArray[np.bool_]) -> str:
    return ", ".join(labels.skeleton.keypoint_names[i] for i in np.flatnonzero(chosen))
