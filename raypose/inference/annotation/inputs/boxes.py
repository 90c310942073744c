"""Boxes that come with pictures, checked."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from raypose.errors import DataError
from raypose.inference.annotation.shards import Boxes


def checked_boxes(values: Iterable[Any], where: str) -> Boxes:
    """Return boxes as lists of four finite numbers.

    Args:
        values: boxes xyxy of one image.
        where: they are from, for messages.

    Raises:
        DataError: if one of them is none.
    """
    boxes = []
    for value in values:
        try:
            box = [float(number) for number in value]
        except (TypeError, ValueError):
            box = []
        if len(box) != 4 or not all(map(math.isfinite, box)):
            raise DataError(f"{where}: a box is [x1, y1, x2, y2] in pixels, got {value}")
        boxes.append(box)
    return boxes
