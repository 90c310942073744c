"""Outlines of COCO annotations to masks: polygons and run lengths."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from raypose.errors import DataError

Mask = npt.NDArray[np.uint8]


def segmentations_to_mask(segmentations: Sequence[Any], size: tuple[int, int]) -> Mask:
    """Draw objects into one mask; the pixels that an outline goes through belong to its object.

    Args:
        segmentations: for each object a list of polygons [x, y, x, y, ...], or run lengths with
            `size` and `counts`, compressed or not.
        size: (w, h) of the image.

    Returns:
        (h, w) of 0 and 1.

    Raises:
        DataError: if an outline is neither, or run lengths do not fill their image.
    """
    w, h = size
    mask = np.zeros((h, w), np.uint8)
    for outline in segmentations:
        if isinstance(outline, Mapping):
            mask |= decode_rle(outline, size)
            continue
        for polygon in outline:
            points = np.asarray(polygon, np.float64)
            if points.ndim != 1 or len(points) % 2:
                raise DataError(f"a polygon is x, y, x, y, ..., got {polygon}")
            # One at a time: together, polygons that overlap would cancel each other.
            pixels = np.floor(points.reshape(-1, 2)).astype(np.int32)
            cv2.fillPoly(mask, [pixels], 1)
    return mask


def decode_rle(rle: Mapping[str, Any], size: tuple[int, int]) -> Mask:
    """Decode COCO run lengths: down the columns, background first.

    Args:
        rle: `size` [h, w] and `counts`, a list or COCO's compressed string.
        size: (w, h) of the image.

    Returns:
        (h, w) of 0 and 1.

    Raises:
        DataError: if they do not fill an image of that size.
    """
    w, h = size
    counts = rle.get("counts")
    if isinstance(counts, (str, bytes)):
        runs = _decompress(counts.encode() if isinstance(counts, str) else counts)
    else:
        runs = [int(count) for count in counts or []]
    if min(runs, default=0) < 0 or sum(runs) != w * h:
        raise DataError(
            f"run lengths of {sum(runs)} pixels, the image has {w} x {h} = {w * h} pixels"
        )
    values = np.arange(len(runs), dtype=np.uint8) % 2
    return np.repeat(values, runs).reshape(w, h).T


def _decompress(text: bytes) -> list[int]:
    """Read COCO's string: 5 bits a character from '0' on, the sixth says that more follow.

    From the fourth run on, the difference to the run before the last one is stored.
    """
    runs: list[int] = []
    value = shift = 0
    for character in text:
        bits = character - 48
        value |= (bits & 31) << shift
        shift += 5
        if bits & 32:
            continue
        if bits & 16:  # the highest bit of the last five is the sign
            value -= 1 << shift
        runs.append(value + (runs[-2] if len(runs) > 2 else 0))
        value = shift = 0
    return runs
