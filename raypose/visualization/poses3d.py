"""Draws 3D poses: perspective seen from anywhere, on a floor grid, with OpenCV alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from raypose.ops.display import stand_on_ground
from raypose.structures import Skeleton

Image = npt.NDArray[Any]
Floats = npt.NDArray[np.floating[Any]]

_GRID_LINES = 9
_SHIFT = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Viewpoint:
    """Where 3D poses are seen from.

    Attributes:
        azimuth: degrees round the vertical axis; 0 looks along the second horizontal axis.
        elevation: degrees the eye is above the horizon.
        distance: of the eye from the middle, in radii of the scene; larger flattens perspective.
        up: axis that points up, "x", "y" or "z", with a "-" before it where it points down:
            "-y" for camera coordinates, "z" for most motion capture.
    """

    azimuth: float = 30.0
    elevation: float = 15.0
    distance: float = 4.0
    up: str = "z"

    def to_view(self, points: Floats) -> Floats:
        """Turn world points (..., 3) so that x is right, y down and z away from the eye."""
        axis = {"x": 0, "y": 1, "z": 2}.get(self.up.removeprefix("-"))
        if axis is None:
            raise ValueError(f"up is one of x, y, z, -x, -y, -z, got {self.up!r}")
        sign = -1.0 if self.up.startswith("-") else 1.0
        first, second = points[..., (axis + 1) % 3], points[..., (axis + 2) % 3]
        # With the axis turned over, one more turns over so that left stays left.
        horizontal = np.stack([first, sign * second, sign * points[..., axis]], axis=-1)
        turn, lift = np.deg2rad(self.azimuth), np.deg2rad(self.elevation)
        ct, st, cl, sl = np.cos(turn), np.sin(turn), np.cos(lift), np.sin(lift)
        right = np.array([ct, st, 0.0])
        away = np.array([-st * cl, ct * cl, -sl])
        down = np.cross(away, right)
        return horizontal @ np.stack([right, down, away], axis=-1)


def draw_poses_3d(
    keypoints: Floats,
    skeleton: Skeleton,
    *,
    size: tuple[int, int] = (360, 360),
    viewpoint: Viewpoint | None = None,
    thickness: int = 3,
    background: tuple[int, int, int] = (250, 248, 246),
    grounded: bool = False,
    around: Floats | None = None,
) -> Image:
    """Draw 3D poses that fill a picture of their own.

    Args:
        keypoints: (N, K, 3) or (K, 3), any unit.
        skeleton: says which keypoints are linked, and the colours.
        size: (w, h) of the picture.
        viewpoint: where from; the default looks slightly down from the side, z up.
        thickness: of limbs, pixels.
        background: BGR.
        grounded: put the lowest keypoint of each pose on the floor; poses about their root, as
            lifters give them, do not know where it is.
        around: (..., K, 3) what the picture has to hold, so that several pictures show poses at
            one scale; the keypoints themselves by default.

    Returns:
        (h, w, 3) uint8 BGR.

    Raises:
        ValueError: if the keypoints do not fit the skeleton.
    """
    points = np.asarray(keypoints, np.float64).reshape(-1, *keypoints.shape[-2:])
    if points.shape[1:] != (skeleton.num_keypoints, 3):
        raise ValueError(
            f"3D keypoints of shape (N, {skeleton.num_keypoints}, 3) expected for the skeleton "
            f"'{skeleton.name}', got {keypoints.shape}"
        )
    width, height = size
    canvas = np.empty((height, width, 3), np.uint8)
    canvas[:] = background
    if not len(points):
        return canvas
    eye = viewpoint or Viewpoint()
    if grounded:
        points = stand_on_ground(points, eye.up)
    view = eye.to_view(points)
    held = points if around is None else np.asarray(around, np.float64)
    frame = eye.to_view(held.reshape(-1, 3))
    low, high = frame.min(axis=0), frame.max(axis=0)
    middle = (low + high) / 2
    radius = max(float(np.linalg.norm(high - low)) / 2, 1e-9)
    scale = 0.44 * min(size) / radius * eye.distance

    def project(view_points: Floats) -> Floats:
        """Return (..., 2) pixels."""
        relative = (view_points - middle) / radius
        depth = np.maximum(eye.distance + relative[..., 2:], 0.1)
        return relative[..., :2] * (scale * radius) / depth + (width / 2, height / 2)

    floor = _floor_grid(held, eye)
    for start, end in project(floor):
        cv2.line(canvas, *_ends(start, end), _darker(background, 0.9), 1, cv2.LINE_AA, _SHIFT)
    pixels = project(view)
    limbs = [
        (float(view[n, [i, j], 2].mean()), n, (i, j), color)
        for n in range(len(view))
        for (i, j), color in zip(skeleton.links, skeleton.link_colors, strict=True)
    ]
    for depth, n, (i, j), color in sorted(limbs, reverse=True):
        shade = _darker(color[::-1], 0.95 - 0.3 * (depth - middle[2]) / radius)
        ends = _ends(pixels[n, i], pixels[n, j])
        cv2.line(canvas, *ends, _darker(shade, 0.55), thickness + 2, cv2.LINE_AA, _SHIFT)
        cv2.line(canvas, *ends, shade, thickness, cv2.LINE_AA, _SHIFT)
    return canvas


def _floor_grid(points: Floats, eye: Viewpoint) -> Floats:
    """Return the lines (M, 2, 3) of a grid under the lowest keypoint, in view coordinates."""
    axis = "xyz".index(eye.up[-1])
    sides = [(axis + 1) % 3, (axis + 2) % 3]
    flat = points.reshape(-1, 3)
    lowest = flat[:, axis].max() if eye.up.startswith("-") else flat[:, axis].min()
    center = (flat.min(axis=0) + flat.max(axis=0)) / 2
    half = 0.75 * float(np.linalg.norm(flat.max(axis=0) - flat.min(axis=0)))
    lines = np.empty((2, _GRID_LINES, 2, 3))
    lines[..., axis] = lowest
    steps = np.linspace(-half, half, _GRID_LINES)
    for which, (along, across) in enumerate((sides, sides[::-1])):
        lines[which, :, :, across] = center[across] + steps[:, None]
        lines[which, :, :, along] = center[along] + np.array([-half, half])
    return eye.to_view(lines.reshape(-1, 2, 3))


def _ends(start: Floats, end: Floats) -> tuple[tuple[int, int], tuple[int, int]]:
    first, last = np.round(np.stack([start, end]) * (1 << _SHIFT)).astype(int).tolist()
    return (first[0], first[1]), (last[0], last[1])


def _darker(color: tuple[int, ...], factor: float) -> tuple[int, int, int]:
    blue, green, red = (int(np.clip(value * factor, 0, 255)) for value in color)
    return blue, green, red
