"""Trunk, neck, skirt and backpack of a synthetic figure.

The trunk is a tube of ellipses from hips to neck. A point of its surface has a height (0 hips,
1 neck) and an angle (radians; 0 front, positive to the person's left), so that a pattern follows
the body.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from raypose.datasets.synthetic.appearance import Appearance
from raypose.datasets.synthetic.body import BodyShape, FloatArray, Posture
from raypose.datasets.synthetic.camera import View
from raypose.datasets.synthetic.shapes import (
    Color,
    Part,
    Shape,
    capsule_outlines,
    ellipse_outline,
    hull,
    tint,
)

# (height, half width and half depth in statures, part the ellipse turns with)
_RINGS = (
    (0.0, 0.088, 0.064, "pelvis"),
    (0.12, 0.09, 0.066, "pelvis"),
    (0.35, 0.077, 0.056, "spine"),
    (0.68, 0.094, 0.066, "chest"),
    (0.84, 0.104, 0.062, "chest"),
    (0.93, 0.1, 0.052, "chest"),
    (1.0, 0.05, 0.042, "chest"),
)
_HEIGHTS = np.array([ring[0] for ring in _RINGS])
_SIDES = ("left", "right")
_RING_INDEX = np.arange(float(len(_RINGS)))
_LEVELS = np.linspace(0.0, 1.0, 10)


class TorsoSurface:
    """The tube in camera space; `waist` is where the top ends and the trousers begin."""

    def __init__(self, body: BodyShape, posture: Posture, view: View) -> None:
        h, g = body.stature, body.girth
        hips = posture.local("pelvis", (0.0, -0.012 * h, 0.0))
        path = np.stack(
            [hips, posture.position("spine"), posture.position("chest"), posture.position("neck")]
        )
        widen = 0.5 * (body.shoulder_width / (0.218 * h) + body.hip_width / (0.105 * h))
        reach = np.array([0.0, 0.12, 0.44, 1.0])
        centers = np.stack([np.interp(_HEIGHTS, reach, path[:, i]) for i in range(3)], axis=-1)
        sides, fronts = [], []
        for _, width, depth, joint in _RINGS:
            axes = posture.orientation(joint)
            sides.append(axes[:, 0] * width * h * widen * (0.6 + 0.4 * g))
            fronts.append(axes[:, 2] * depth * h * g)
        self.view = view
        # (R, 3 vectors, 3): centre, side and front half axes of each ring.
        self._rings = view.to_camera(np.stack([centers, sides, fronts], axis=1))

    def rings(self, heights: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Return centres and side and front half axes at heights (M,), each (M, 3)."""
        place = np.interp(heights, _HEIGHTS, _RING_INDEX)
        below = np.minimum(place.astype(int), len(_RINGS) - 2)
        share = (place - below)[:, None, None]
        rings = (1 - share) * self._rings[below] + share * self._rings[below + 1]
        return rings[:, 0], rings[:, 1], rings[:, 2]

    def project(self, heights: FloatArray, angles: FloatArray) -> FloatArray:
        """Project surface points at heights (M,) and angles (M, P) to figure space, (M, P, 2)."""
        center, side, front = self.rings(heights)
        points = (
            center[:, None]
            + side[:, None] * np.sin(angles)[..., None]
            + front[:, None] * np.cos(angles)[..., None]
        )
        return self.view.project(points)

    def facing(self, heights: FloatArray) -> FloatArray:
        """Return the angle (M,) that faces the camera; it sees a quarter turn to either side."""
        _, side, front = self.rings(heights)
        return np.arctan2(
            -side[:, 2] / (side**2).sum(axis=1), -front[:, 2] / (front**2).sum(axis=1)
        )

    def patch(
        self, heights: tuple[float, float], angles: tuple[float, float], steps: int = 7
    ) -> FloatArray | None:
        """Outline the visible part of a patch of the surface, or None if it faces away.

        Args:
            heights: lower and upper edge.
            angles: edges, the smaller first.
            steps: points along each edge.
        """
        levels = np.linspace(*heights, steps)
        facing = self.facing(levels)
        # The turn is taken out about the patch's middle, so that clipping never wraps round.
        middle = 0.5 * (angles[0] + angles[1])
        offset = (middle - facing + np.pi) % (2 * np.pi) - np.pi
        half = 0.5 * (angles[1] - angles[0])
        low = np.clip(offset - half, -0.5 * np.pi, 0.5 * np.pi)
        high = np.clip(offset + half, -0.5 * np.pi, 0.5 * np.pi)
        if np.all(high - low < 1e-3):
            return None
        across = np.linspace(0.0, 1.0, steps)
        grid = facing[:, None] + low[:, None] + (high - low)[:, None] * across
        points = self.project(levels, grid)
        return np.concatenate([points[0], points[1:, -1], points[-1, -2::-1], points[-2:0:-1, 0]])


def torso_parts(
    body: BodyShape, posture: Posture, looks: Appearance, view: View, labels: dict[str, int]
) -> list[Part]:
    """Build the trunk with its clothes, the neck, and the skirt and backpack if there are any."""
    surface = TorsoSurface(body, posture, view)
    middle, _, _ = surface.rings(np.array([0.5]))
    trunk = Part(labels["torso"], float(middle[0, 2]))
    waist = 0.26 if looks.skirt > 0 else 0.15
    trunk.shapes += _tube(surface, (0.0, waist + 0.03), looks.bottom)
    trunk.shapes += _tube(surface, (waist, 1.0), looks.top)
    trunk.shapes += _pattern(surface, looks, waist)
    trunk.shapes += _patches(surface, [((0.9, 1.0), (-0.8, 0.8))], tint(looks.skin, 0.92))
    parts = [trunk, _neck(body, posture, looks, view, labels)]
    if looks.skirt > 0:
        parts.append(_skirt(surface, body, posture, looks, labels))
    if looks.backpack:
        parts.append(_backpack(body, posture, looks, view, labels))
        straps = [((0.45, 0.95), (sign * 0.72 - 0.13, sign * 0.72 + 0.13)) for sign in (-1, 1)]
        trunk.shapes += _patches(surface, straps, tint(looks.accent, 0.8))
    return parts


def _tube(surface: TorsoSurface, span: tuple[float, float], color: Color) -> list[Shape]:
    """Cover a span of heights: dark outlines first, then bands that get lighter to the light."""
    levels = _LEVELS[(_LEVELS > span[0]) & (_LEVELS < span[1])]
    levels = np.concatenate([span[:1], levels, span[1:]])
    around = np.broadcast_to(np.linspace(0, 2 * np.pi, 24, endpoint=False), (len(levels), 24))
    rings = surface.project(levels, around)
    shapes = [Shape(hull(lower, upper), tint(color, 0.68)) for lower, upper in pairwise(rings)]
    facing = surface.facing(levels)
    edge = surface.project(levels[:1], facing[:1, None] + np.array([[-0.5, 0.5]]) * np.pi)[0]
    towards = 1.0 if (edge[1] - edge[0]) @ surface.view.light[:2] > 0 else -1.0
    for shade, first, last in _BANDS:
        sides = facing[:, None] + towards * np.deg2rad((first, last))
        points = surface.project(levels, sides)
        outline = np.concatenate([points[:, 0], points[::-1, 1]])
        shapes.append(Shape(outline, tint(color, shade), convex=False, solid=False))
    return shapes


# (shade of the colour, from angle, to angle): degrees from the middle towards the lit side.
_BANDS = ((0.84, -66, 90), (0.95, -42, 86), (1.02, -12, 78), (1.08, 14, 62))


def _patches(
    surface: TorsoSurface,
    places: Sequence[tuple[tuple[float, float], tuple[float, float]]],
    color: Color,
) -> list[Shape]:
    """Paint the visible parts of surface patches, each ((low, high), (from angle, to angle))."""
    outlines = [surface.patch(heights, angles) for heights, angles in places]
    return [
        Shape(outline, color, convex=False, solid=False)
        for outline in outlines
        if outline is not None
    ]


def _pattern(surface: TorsoSurface, looks: Appearance, waist: float) -> list[Shape]:
    """Paint what distinguishes tops; opening, buttons, print and pocket also tell the front."""
    span = 0.92 - waist
    if looks.pattern in ("stripes", "band"):
        count, share = (5, 0.42) if looks.pattern == "stripes" else (1, 0.3)
        pitch = span / count
        offset = 0.35 * pitch if count == 1 else 0.0
        lows = [waist + offset + pitch * i for i in range(count)]
        shapes: list[Shape] = []
        for low in lows:
            levels = np.array([low, low + share * pitch])
            angles = surface.facing(levels)[:, None] + np.linspace(-0.5, 0.5, 13) * np.pi
            lower, upper = surface.project(levels, angles)
            outline = np.concatenate([lower, upper[::-1]])
            shapes.append(Shape(outline, tint(looks.accent, 0.93), convex=False, solid=False))
        return shapes
    if looks.pattern == "pinstripes":
        angles = np.arange(-3.0, 3.0, 0.42).tolist()
        places = [((waist, 0.9), (angle, angle + 0.1)) for angle in angles]
        return _patches(surface, places, looks.accent)
    if looks.pattern == "open":
        shapes = _patches(surface, [((waist, 0.95), (-0.32, 0.32))], looks.accent)
        lapels = [((0.62, 0.93), (sign * 0.45 - 0.13, sign * 0.45 + 0.13)) for sign in (-1, 1)]
        return shapes + _patches(surface, lapels, tint(looks.top, 0.7))
    if looks.pattern == "buttons":
        places = [
            ((low, low + 0.035), (-0.09, 0.09))
            for low in np.arange(waist + 0.05, 0.85, 0.14).tolist()
        ]
        pocket = [((0.66, 0.78), (0.3, 0.72))]
        front = _patches(surface, [((waist, 0.93), (-0.16, 0.16))], tint(looks.top, 0.86))
        return front + _patches(surface, places + pocket, looks.accent)
    if looks.pattern == "print":
        return _patches(surface, [((0.48, 0.74), (-0.5, 0.5))], looks.accent)
    return []


def _neck(
    body: BodyShape, posture: Posture, looks: Appearance, view: View, labels: dict[str, int]
) -> Part:
    """Build the neck, painted before the trunk and the head."""
    ends = np.stack([posture.local("neck", (0.0, -0.02, 0.0)), posture.position("head")])
    points = view.to_camera(ends)
    radii = 0.03 * body.stature * (0.7 + 0.3 * body.girth) * view.magnification(points[:, 2])
    plane = view.project(points)
    outline = capsule_outlines(plane[:1], plane[1:], radii[:1], radii[1:])[0]
    return Part(
        labels["neck"], float(points[0, 2]) + 0.03, [Shape(outline, tint(looks.skin, 0.74))]
    )


def _skirt(
    surface: TorsoSurface,
    body: BodyShape,
    posture: Posture,
    looks: Appearance,
    labels: dict[str, int],
) -> Part:
    """Build the skirt: what stretches from the hips round both legs down to its hem."""
    view = surface.view
    rims, hems = [], []
    for side in _SIDES:
        hip, knee = posture.position(f"{side}_hip"), posture.position(f"{side}_knee")
        ankle = posture.position(f"{side}_ankle")
        hem = hip + min(looks.skirt, 1.0) * (knee - hip)
        hem = hem + max(looks.skirt - 1.0, 0.0) * (ankle - knee)
        points = view.to_camera(np.stack([hip, hem]))
        scale = body.stature * view.magnification(points[:, 2])
        plane = view.project(points)
        girth = np.array([0.05, 0.056]) * body.limb_girth
        rims.append(ellipse_outline(plane[0], np.eye(2) * girth[0] * scale[0]))
        hems.append(ellipse_outline(plane[1], np.eye(2) * girth[1] * scale[1]))
    levels = np.array([0.0, 0.2])
    waist = surface.project(levels, np.tile(np.linspace(0, 2 * np.pi, 16), (2, 1)))
    outline = hull(waist, *rims, *hems)
    middle = outline.mean(axis=0)
    shift = 0.05 * view.light[:2] * view.pixels_per_metre * body.stature * 0.4
    inner = middle + 0.8 * (outline - middle) + shift
    core = middle + 0.55 * (outline - middle) + 1.6 * shift
    shapes = [
        Shape(outline, tint(looks.bottom, 0.74)),
        Shape(inner, tint(looks.bottom, 0.9), solid=False),
        Shape(core, tint(looks.bottom, 1.02), solid=False),
    ]
    legs = [posture.position(f"{side}_{joint}") for side in _SIDES for joint in ("hip", "knee")]
    depth = view.to_camera(np.stack(legs))[:, 2].reshape(2, 2).mean(axis=1).min()
    # The cloth lies over the nearer thigh.
    return Part(labels["skirt"], float(depth), shapes)


def _backpack(
    body: BodyShape, posture: Posture, looks: Appearance, view: View, labels: dict[str, int]
) -> Part:
    """Build the box on the back; painted before or after the trunk by where the back is."""
    h = body.stature
    corners = np.array(
        [
            (x * 0.085 * h, y * body.torso, z * h)
            for x in (-1, 1)
            for y, z in ((-0.1, -0.06), (-0.1, -0.13), (0.3, -0.06), (0.3, -0.15), (0.46, -0.1))
        ]
    )
    points = view.to_camera(posture.local("chest", corners))
    outline = hull(view.project(points))
    middle = outline.mean(axis=0)
    shapes = [
        Shape(outline, tint(looks.accent, 0.66)),
        Shape(middle + 0.84 * (outline - middle), tint(looks.accent, 0.84), solid=False),
        Shape(middle + 0.45 * (outline - middle), tint(looks.accent, 0.72), solid=False),
    ]
    return Part(labels["backpack"], float(points[:, 2].mean()), shapes)
