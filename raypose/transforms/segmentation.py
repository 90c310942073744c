"""Outlines of COCO annotations to masks: polygons and run lengths."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from raypose.errors import DataError

Mask = npt.NDArray[np.uint8]

_FINE = 5  # COCO traces outlines on a grid as many times finer than pixels


def segmentations_to_mask(segmentations: Sequence[Any], size: tuple[int, int]) -> Mask:
    """Draw objects into one mask.

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
            if len(points):
                mask |= polygon_to_mask(points.reshape(-1, 2), size)
    return mask


def polygon_to_mask(points: npt.NDArray[np.float64], size: tuple[int, int]) -> Mask:
    """Draw a polygon as COCO does, to the pixel.

    The outline is traced on a grid of fifths of pixels. Where it crosses the middle of a column
    of pixels, inside and outside change from there on down that column.

    Args:
        points: (P, 2) corners, pixels; the last is joined to the first.
        size: (w, h) of the image.

    Returns:
        (h, w) of 0 and 1.
    """
    w, h = size
    corners = (points * _FINE + 0.5).astype(np.int64)
    lines = zip(corners, np.roll(corners, -1, axis=0), strict=True)
    u, v = np.concatenate([_trace(start, end) for start, end in lines]).T
    crossing = np.flatnonzero(np.diff(u)) + 1
    x = (np.minimum(u[crossing], u[crossing - 1]) + 0.5) / _FINE - 0.5
    y = (np.minimum(v[crossing], v[crossing - 1]) + 0.5) / _FINE - 0.5
    y = np.ceil(y.clip(0, h)).astype(np.int64)
    middle = (x == np.floor(x)) & (x >= 0) & (x <= w - 1)
    changes = np.bincount((x * h + y)[middle].astype(np.int64), minlength=w * h + 1)
    return (np.cumsum(changes[: w * h]) % 2).astype(np.uint8).reshape(w, h).T


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


def _trace(start: npt.NDArray[np.int64], end: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return the cells (S, 2) of a line, one for each step along its longer side."""
    span = np.abs(end - start)
    along = 0 if span[0] >= span[1] else 1
    backward = start[along] > end[along]
    low, high = (end, start) if backward else (start, end)
    steps = np.arange(span[along] + 1)
    slope = (high - low)[1 - along] / span[along] if span[along] else 0.0
    cells = np.empty((len(steps), 2), np.int64)
    cells[:, along] = low[along] + steps
    cells[:, 1 - along] = (low[1 - along] + slope * steps + 0.5).astype(np.int64)
    return cells[::-1] if backward else cells


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
