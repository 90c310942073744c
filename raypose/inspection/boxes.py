"""Boxes without an area, boxes that reach beyond their image, and areas that are missing."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from raypose.inspection.finding import Finding
from raypose.inspection.labels import Labels

# Pixels; annotation tools round, and count from 0 or from 1.
_TOLERANCE = 1.5


def check_boxes(labels: Labels) -> Iterator[Finding]:
    """Yield boxes that are empty, beside the image, or partly beyond it."""
    sizes, box_sizes = labels.image_sizes(), labels.box_sizes()
    beyond = np.maximum(-labels.boxes[:, :2], labels.boxes[:, 2:] - sizes).max(axis=1, initial=0)
    beside = (labels.boxes[:, 2:] <= 0) | (labels.boxes[:, :2] >= sizes)
    for row in range(len(labels)):
        width, height = box_sizes[row].tolist()
        if width <= 0 or height <= 0:
            message = f"a box of {width:g} x {height:g} pixels has no area"
            yield labels.finding("empty-box", row, message)
        elif labels.whole_boxes and (beside[row].any() or beyond[row] > _TOLERANCE):
            box = ", ".join(f"{value:g}" for value in labels.boxes[row])
            image = " x ".join(f"{value:g}" for value in sizes[row])
            what = (
                "lies beside" if beside[row].any() else f"reaches {beyond[row]:.4g} pixels beyond"
            )
            yield labels.finding("box-outside", row, f"the box ({box}) {what} the image, {image}")


def check_areas(labels: Labels) -> Iterator[Finding]:
    """Yield a file whose instances lack the area that OKS needs, if its skeleton has sigmas."""
    without = ~(labels.areas[~labels.crowd] > 0)
    if labels.skeleton.sigmas is not None and without.any():
        yield Finding(
            kind="no-area",
            file=labels.file,
            id="",
            message=(
                f"{without.sum()} of {len(without)} instances have no 'area'; metrics need "
                "use_area: false, which takes 0.53 of the box"
            ),
        )
