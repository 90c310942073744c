"""Plane outlines of the synthetic figures, and the layer they are painted on.

Outlines are (P, 2) float arrays in figure space (pixels). Colours are BGR, 0 to 255.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from raypose.datasets.synthetic.body import FloatArray

Color = tuple[float, float, float]

_SHIFT = 4  # fractional bits of the coordinates that cv2 draws with
_ARC = np.linspace(0.0, 1.0, 9)
_TURN = np.linspace(0, 2 * np.pi, 36, endpoint=False)
_CIRCLE = np.stack([np.cos(_TURN), np.sin(_TURN)], axis=-1)


@dataclass(frozen=True)
class Shape:
    """One filled polygon; `convex` ones draw faster. Only `solid` ones hide what is behind."""

    points: FloatArray
    color: Color
    convex: bool = True
    solid: bool = True


@dataclass
class Part:
    """Shapes painted together, in order: a forearm with its sleeve, or the head."""

    label: int
    depth: float
    shapes: list[Shape] = field(default_factory=list)


@dataclass(frozen=True)
class Layer:
    """A painted figure.

    Attributes:
        bgra: (H, W, 4) uint8, colours premultiplied by the alpha.
        labels: (H, W) uint8, the label of the topmost part at each pixel, 0 where there is none.
        origin: (x, y) of the layer's top left pixel in figure space.
    """

    bgra: NDArray[np.uint8]
    labels: NDArray[np.uint8]
    origin: tuple[int, int]

    @property
    def silhouette(self) -> NDArray[np.bool_]:
        """(H, W) pixels at least half covered by the figure."""
        return self.bgra[..., 3] >= 128


def paint(parts: list[Part]) -> Layer:
    """Paint parts from far to near onto a layer that just holds them."""
    shapes = [
        (part.label, shape)
        for part in sorted(parts, key=lambda part: -part.depth)
        for shape in part.shapes
    ]
    corners = np.concatenate([shape.points for _, shape in shapes])
    low = np.floor(corners.min(axis=0)).astype(int) - 2
    width, height = (np.ceil(corners.max(axis=0)).astype(int) + 3 - low).tolist()
    bgra = np.zeros((height, width, 4), np.uint8)
    labels = np.zeros((height, width), np.uint8)
    corners = np.round((corners - low) * (1 << _SHIFT)).astype(np.int32)
    first = 0
    for label, shape in shapes:
        last = first + len(shape.points)
        points = corners[first:last]
        first = last
        color = (*shape.color, 255.0)
        if shape.convex:
            cv2.fillConvexPoly(bgra, points, color, cv2.LINE_AA, _SHIFT)
        else:
            cv2.fillPoly(bgra, [points], color, cv2.LINE_AA, _SHIFT)
        if shape.solid:
            cv2.fillPoly(labels, [points], label, cv2.LINE_8, _SHIFT)
    return Layer(bgra=bgra, labels=labels, origin=(int(low[0]), int(low[1])))


def capsule_outlines(
    start: FloatArray, end: FloatArray, start_radius: FloatArray, end_radius: FloatArray
) -> FloatArray:
    """Outline tapered capsules: the convex hulls of pairs of discs.

    Args:
        start: (M, 2) centres of the first discs.
        end: (M, 2) centres of the second discs.
        start_radius: (M,) radii of the first discs.
        end_radius: (M,) radii of the second discs.

    Returns:
        (M, P, 2) convex outlines.
    """
    axis = end - start
    length = np.maximum(np.hypot(axis[:, 0], axis[:, 1]), 1e-6)
    heading = np.arctan2(axis[:, 1], axis[:, 0])
    spread = np.arccos(np.clip((start_radius - end_radius) / length, -1.0, 1.0))
    back = heading[:, None] + spread[:, None] + _ARC * (2 * np.pi - 2 * spread[:, None])
    front = heading[:, None] - spread[:, None] + _ARC * (2 * spread[:, None])
    discs = [
        center[:, None] + radius[:, None, None] * np.stack([np.cos(angle), np.sin(angle)], -1)
        for center, radius, angle in ((start, start_radius, back), (end, end_radius, front))
    ]
    return np.concatenate(discs, axis=1)


def ellipse_outline(center: FloatArray, axes: FloatArray) -> FloatArray:
    """Outline an ellipse, (36, 2): `axes` (2, M) maps the unit ball to the plane."""
    # The image of a ball under A is the ellipse with the square root of S = A A^T, and for two
    # dimensions that root is (S + r I) / sqrt(trace S + 2 r) with r = sqrt(det S).
    (xx, xy), (_, yy) = (axes @ axes.T).tolist()
    det_root = max(xx * yy - xy * xy, 0.0) ** 0.5
    norm = max(xx + yy + 2 * det_root, 1e-9) ** 0.5
    root = np.array([[xx + det_root, xy], [xy, yy + det_root]]) / norm
    return center + _CIRCLE @ root


def hull(*groups: FloatArray) -> FloatArray:
    """Return the convex hull (P, 2) of all points of the groups, each (..., 2)."""
    points = np.concatenate([group.reshape(-1, 2) for group in groups]).astype(np.float32)
    return cv2.convexHull(points)[:, 0].astype(np.float64)


def tint(color: Color, factor: float) -> Color:
    """Darken (factor below 1) or lighten a colour."""
    blue, green, red = color
    return min(blue * factor, 255.0), min(green * factor, 255.0), min(red * factor, 255.0)
