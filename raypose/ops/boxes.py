"""Boxes: conversion between formats, clipping, mirroring and overlap (NumPy).

Formats, all in pixels and without a "+ 1":

    xyxy    left, top, right, bottom
    xywh    left, top, width, height
    cs      center (x, y) and scale (w, h), the extent of the box times a padding
    corner  the four corners as points

N and M are numbers of boxes; an image size is (w, h).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

from raypose.errors import RayposeError, did_you_mean

FlipDirection = Literal["horizontal", "vertical", "diagonal"]
FLIP_DIRECTIONS = ("horizontal", "vertical", "diagonal")


def bbox_xyxy2xywh(bbox_xyxy: np.ndarray) -> np.ndarray:
    """Convert xyxy to xywh.

    Args:
        bbox_xyxy: (..., 4), or (..., 5) with a score that is kept.

    Returns:
        Array of the same shape.
    """
    bbox_xywh = bbox_xyxy.copy()
    bbox_xywh[..., 2:4] -= bbox_xyxy[..., :2]
    return bbox_xywh


def bbox_xywh2xyxy(bbox_xywh: np.ndarray) -> np.ndarray:
    """Convert xywh to xyxy.

    Args:
        bbox_xywh: (..., 4), or (..., 5) with a score that is kept.

    Returns:
        Array of the same shape.
    """
    bbox_xyxy = bbox_xywh.copy()
    bbox_xyxy[..., 2:4] += bbox_xywh[..., :2]
    return bbox_xyxy


def bbox_xyxy2cs(bbox: np.ndarray, padding: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """Convert xyxy to center and scale.

    Args:
        bbox: (N, 4) or (4,); further columns are ignored.
        padding: factor on the extent of the box.

    Returns:
        Center and scale, each (N, 2) or (2,).
    """
    low, high = bbox[..., :2], bbox[..., 2:4]
    return (low + high) * 0.5, (high - low) * padding


def bbox_xywh2cs(bbox: np.ndarray, padding: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """Convert xywh to center and scale.

    Args:
        bbox: (N, 4) or (4,); further columns are ignored.
        padding: factor on the extent of the box.

    Returns:
        Center and scale, each (N, 2) or (2,).
    """
    corner, extent = bbox[..., :2], bbox[..., 2:4]
    return corner + extent * 0.5, extent * padding


def bbox_cs2xyxy(center: np.ndarray, scale: np.ndarray, padding: float = 1.0) -> np.ndarray:
    """Convert center and scale to xyxy.

    Args:
        center: (N, 2) or (2,).
        scale: (N, 2) or (2,), the extent of the box times `padding`.
        padding: factor that `scale` includes.

    Returns:
        (N, 4) or (4,).
    """
    extent = scale / padding
    return np.concatenate([center - extent * 0.5, center + extent * 0.5], axis=-1)


def bbox_cs2xywh(center: np.ndarray, scale: np.ndarray, padding: float = 1.0) -> np.ndarray:
    """Convert center and scale to xywh; arguments as for `bbox_cs2xyxy`."""
    extent = scale / padding
    return np.concatenate([center - extent * 0.5, extent], axis=-1)


def bbox_xyxy2corner(bbox: np.ndarray) -> np.ndarray:
    """Return the corners (x1, y1), (x1, y2), (x2, y1), (x2, y2) of xyxy boxes.

    Args:
        bbox: (N, 4).

    Returns:
        (N, 4, 2), in the order above, which is the reference's and not a walk round the box.
    """
    return bbox[..., [[0, 1], [0, 3], [2, 1], [2, 3]]]


def bbox_corner2xyxy(bbox: np.ndarray) -> np.ndarray:
    """Return the xyxy box around each quadrilateral.

    Args:
        bbox: (N, 4, 2), corners in any order.

    Returns:
        (N, 4).
    """
    return np.concatenate([bbox.min(axis=-2), bbox.max(axis=-2)], axis=-1)


def bbox_clip_border(bbox: np.ndarray, image_size: Sequence[float]) -> np.ndarray:
    """Clip boxes or points to an image.

    Args:
        bbox: (..., 4) xyxy or (..., 2) points.
        image_size: (w, h); both are allowed values.

    Returns:
        Array of the same shape.
    """
    limit = np.asarray(image_size)[:2]
    return np.clip(bbox, 0, np.tile(limit, bbox.shape[-1] // 2)).astype(bbox.dtype, copy=False)


def flip_bbox(
    bbox: np.ndarray,
    image_size: Sequence[float],
    bbox_format: str = "xywh",
    direction: str = "horizontal",
) -> np.ndarray:
    """Mirror boxes with their image: x becomes w - 1 - x and y becomes h - 1 - y.

    The corner of an xywh box is mapped as a point and not moved by the width, as the reference
    does; mirror xyxy boxes where that matters.

    Args:
        bbox: (..., 4), or (..., 2) for the format `center`.
        image_size: (w, h).
        bbox_format: `xywh`, `xyxy` or `center`.
        direction: `horizontal`, `vertical` or `diagonal` (both).

    Returns:
        Array of the same shape.

    Raises:
        RayposeError: if `bbox_format` or `direction` is unknown.
    """
    if bbox_format not in ("xywh", "xyxy", "center"):
        raise RayposeError(
            f"bbox_format is 'xywh', 'xyxy' or 'center', got {bbox_format!r}."
            + did_you_mean(str(bbox_format), ("xywh", "xyxy", "center"))
        )
    flipped = bbox.copy()
    for axis in flip_axes(direction):
        last = image_size[axis] - 1
        if bbox_format == "xyxy":
            flipped[..., axis] = last - bbox[..., axis + 2]
            flipped[..., axis + 2] = last - bbox[..., axis]
        else:
            flipped[..., axis] = last - bbox[..., axis]
    return flipped


def flip_axes(direction: str) -> tuple[int, ...]:
    """Return the coordinates (0 for x, 1 for y) that mirroring in `direction` changes.

    Raises:
        RayposeError: if `direction` is not `horizontal`, `vertical` or `diagonal`.
    """
    if direction not in FLIP_DIRECTIONS:
        raise RayposeError(
            f"direction is 'horizontal', 'vertical' or 'diagonal', got {direction!r}."
            + did_you_mean(str(direction), FLIP_DIRECTIONS)
        )
    return {"horizontal": (0,), "vertical": (1,), "diagonal": (0, 1)}[direction]


def bbox_overlaps(
    bboxes1: np.ndarray,
    bboxes2: np.ndarray,
    mode: str = "iou",
    is_aligned: bool = False,
    eps: float = 1e-6,
) -> np.ndarray:
    """Compute the overlap of xyxy boxes.

    Args:
        bboxes1: (N, 4).
        bboxes2: (M, 4).
        mode: `iou`; `iof`, over the area of the first box; or `giou` (Rezatofighi et al.,
            "Generalized Intersection over Union", CVPR 2019).
        is_aligned: pair boxes by their index; then N = M.
        eps: least value of a denominator.

    Returns:
        (N, M), or (N,) if `is_aligned`.

    Raises:
        RayposeError: if `mode` is unknown or aligned boxes differ in number.
    """
    if mode not in ("iou", "iof", "giou"):
        raise RayposeError(f"mode is 'iou', 'iof' or 'giou', got {mode!r}")
    if is_aligned and len(bboxes1) != len(bboxes2):
        raise RayposeError(
            f"aligned boxes come in pairs, got {len(bboxes1)} and {len(bboxes2)} of them"
        )
    first = bboxes1 if is_aligned else bboxes1[:, None]
    area1 = _area(first)
    area2 = _area(bboxes2)
    overlap = _area(
        np.concatenate(
            [
                np.maximum(first[..., :2], bboxes2[..., :2]),
                np.minimum(first[..., 2:4], bboxes2[..., 2:4]),
            ],
            axis=-1,
        )
    )
    if mode == "iof":
        return overlap / np.maximum(area1, eps)
    union = np.maximum(area1 + area2 - overlap, eps)
    if mode == "iou":
        return overlap / union
    low = np.minimum(first[..., :2], bboxes2[..., :2])
    high = np.maximum(first[..., 2:4], bboxes2[..., 2:4])
    enclosing = np.maximum(_area(np.concatenate([low, high], axis=-1)), eps)
    return overlap / union - (enclosing - union) / enclosing


def _area(bbox: np.ndarray) -> np.ndarray:
    """Area of xyxy boxes; 0 where right < left or bottom < top."""
    extent = np.clip(bbox[..., 2:4] - bbox[..., :2], 0, None)
    return extent[..., 0] * extent[..., 1]
