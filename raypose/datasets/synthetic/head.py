"""Head of a synthetic figure: face, ears, hair, glasses, cap.

The head is an ellipsoid; directions on it are (left, up, front) unit vectors in the head's frame.
"""

from __future__ import annotations

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

# Landmarks as multiples of the head's radii (left, up, front), from its centre.
FACE_POINTS: dict[str, tuple[float, float, float]] = {
    "nose": (0.0, -0.12, 1.1),
    "left_eye": (0.4, 0.12, 0.86),
    "right_eye": (-0.4, 0.12, 0.86),
    "left_ear": (1.02, -0.06, 0.0),
    "right_ear": (-1.02, -0.06, 0.0),
}
_RADII = np.array([0.36, 0.5, 0.43])  # of the head's height


def head_radii(body: BodyShape) -> FloatArray:
    """Return the half width, half height and half depth of a head, (3,) metres."""
    return _RADII * body.head


class HeadSurface:
    """The ellipsoid of the head, posed and seen."""

    def __init__(self, body: BodyShape, posture: Posture, view: View) -> None:
        self.radii = head_radii(body)
        self.view = view
        self.center = view.to_camera(posture.position("head"))
        self.axes = view.to_camera(posture.orientation("head").T).T  # columns in camera space
        self.scale = float(view.magnification(self.center[2]))

    def project(self, points: FloatArray | tuple[float, float, float]) -> FloatArray:
        """Project points (..., 3), multiples of the radii, to figure space (..., 2)."""
        offsets = (np.asarray(points) * self.radii) @ self.axes.T
        return self.view.project(self.center + offsets)

    def ellipse(
        self, center: tuple[float, float, float], radii: tuple[float, float, float]
    ) -> FloatArray:
        """Outline an ellipsoid given in multiples of the head's radii."""
        axes = self.axes[:2] * (self.radii * np.asarray(radii)) * self.scale
        return ellipse_outline(self.project(center), axes)

    def towards_camera(self, direction: FloatArray | tuple[float, float, float]) -> float:
        """Return how much a surface direction faces the camera, 1 straight to -1 away."""
        normal = np.asarray(direction, float) / self.radii
        normal = self.axes @ (normal / np.linalg.norm(normal))
        return float(-normal[2])

    def cap(self, pole: tuple[float, float, float], angle: float, size: float) -> FloatArray | None:
        """Outline the visible part of the surface within `angle` of a pole.

        Args:
            pole: direction of the cap's middle.
            angle: degrees from the pole to the cap's rim, up to 90.
            size: scale of the ellipsoid.

        Returns:
            (P, 2) outline, or None if nothing of it can be seen.
        """
        middle = np.asarray(pole, float) / np.linalg.norm(pole)
        helper = np.array([1.0, 0.0, 0.0]) if abs(middle[0]) < 0.9 else np.array([0.0, 1.0, 0.0])
        first = np.cross(middle, helper)
        first /= np.linalg.norm(first)
        second = np.cross(middle, first)
        polar = np.deg2rad(angle) * np.array([1.0, 0.8, 0.55, 0.25])[:, None]
        turn = np.linspace(0, 2 * np.pi, 28, endpoint=False)
        spread = np.cos(turn)[:, None] * first + np.sin(turn)[:, None] * second
        points = np.cos(polar)[..., None] * middle + np.sin(polar)[..., None] * spread
        depth = (points / self.radii) @ self.axes.T[:, 2]
        seen = points[depth < 0.0]
        # Where the cap goes over the limb of the ellipsoid, its outline is the limb's.
        limb = self._limb()
        limb = limb[limb @ middle > np.cos(np.deg2rad(angle))]
        if len(seen) + len(limb) < 3:
            return None
        return hull(self.project(size * np.concatenate([seen, limb])))

    def _limb(self) -> FloatArray:
        """Return directions (P, 3) whose surface points are seen edge on."""
        axis = self.axes.T[:, 2] / self.radii
        axis = axis / np.linalg.norm(axis)
        helper = np.array([1.0, 0.0, 0.0]) if abs(axis[0]) < 0.9 else np.array([0.0, 1.0, 0.0])
        first = np.cross(axis, helper)
        first /= np.linalg.norm(first)
        second = np.cross(axis, first)
        turn = np.linspace(0, 2 * np.pi, 48, endpoint=False)
        return np.cos(turn)[:, None] * first + np.sin(turn)[:, None] * second


def head_parts(
    body: BodyShape, posture: Posture, looks: Appearance, view: View, labels: dict[str, int]
) -> list[Part]:
    """Build the head, and long hair as a part of its own that may lie before the trunk."""
    surface = HeadSurface(body, posture, view)
    head = Part(labels["head"], float(surface.center[2]) - 0.05)
    bald = looks.hair_style == "bald"
    crown = looks.skin if bald else looks.hair
    hidden_ears = looks.hair_style == "long"
    if not hidden_ears:
        head.shapes += _ears(surface, looks, behind=True)
    head.shapes.append(Shape(_skull(surface), tint(looks.skin, 0.8)))
    if not bald:
        shell = surface.ellipse((0.0, 0.13, -0.1), (1.07, 1.0, 1.04))
        head.shapes.append(Shape(shell, tint(crown, 0.86)))
        shift = 0.12 * surface.scale * surface.radii[0] * surface.view.light[:2]
        shine = shell.mean(axis=0) + 0.7 * (shell - shell.mean(axis=0)) + 2 * shift
        head.shapes.append(Shape(shine, tint(crown, 1.04), solid=False))
    head.shapes += _face(surface, looks)
    if not hidden_ears:
        head.shapes += _ears(surface, looks, behind=False)
    if looks.hair_style == "cap":
        head.shapes += _cap(surface, looks)
    return [head, *_loose_hair(surface, body, posture, looks, view, labels)]


def _skull(surface: HeadSurface) -> FloatArray:
    """Outline cranium and jaw."""
    cranium = surface.ellipse((0.0, 0.12, -0.04), (1.0, 0.9, 1.0))
    jaw = surface.ellipse((0.0, -0.52, 0.3), (0.62, 0.46, 0.56))
    return hull(cranium, jaw)


def _face(surface: HeadSurface, looks: Appearance) -> list[Shape]:
    """Paint the face over the hair, with what is on it."""
    shapes: list[Shape] = []
    front = surface.towards_camera((0.0, -0.1, 1.0))
    bald = looks.hair_style == "bald"
    pole, angle = ((0.0, 0.4, 0.4), 88.0) if bald else ((0.0, -0.42, 0.9), 76.0)
    outline = surface.cap(pole, angle, 1.0)
    if outline is not None and (front > -0.75 or bald):
        if front > -0.35:
            outline = hull(outline, surface.ellipse((0.0, -0.52, 0.3), (0.6, 0.44, 0.54)))
        shapes.append(Shape(outline, looks.skin, solid=False))
        middle = outline.mean(axis=0)
        shift = 0.3 * surface.scale * surface.radii[0] * surface.view.light[:2]
        lit = middle + 0.62 * (outline - middle) + shift
        shapes.append(Shape(lit, tint(looks.skin, 1.06), solid=False))
    if looks.beard and front > -0.1:
        shapes += _beard(surface, looks.hair)
    shapes += _mouth_and_nose(surface, looks)
    for side in (1.0, -1.0):
        shapes += _eye(surface, looks, side)
    return shapes


def _eye(surface: HeadSurface, looks: Appearance, side: float) -> list[Shape]:
    """Paint one eye with its brow: an ellipse that narrows as the eye turns away."""
    x, y, z = FACE_POINTS["left_eye"]
    place = (side * x, y, z)
    seen = surface.towards_camera((side * 0.36, 0.1, 1.0))
    if seen < 0.12:
        return []
    white = surface.ellipse(place, (0.2, 0.125, 0.06))
    pupil = surface.ellipse((side * x, y - 0.01, z + 0.05), (0.11, 0.12, 0.04))
    brow = _stroke(
        surface, (side * 0.2, y + 0.31, z + 0.03), (side * 0.6, y + 0.23, z - 0.14), 0.042
    )
    dark = tint(looks.hair, 0.6)
    shapes = [
        Shape(white, (244.0, 246.0, 248.0), solid=False),
        Shape(pupil, (34.0, 28.0, 26.0), solid=False),
        Shape(brow, dark if looks.hair_style != "bald" else tint(looks.skin, 0.5), solid=False),
    ]
    if looks.glasses:
        rim = surface.ellipse(place, (0.32, 0.24, 0.05))
        inner = surface.ellipse(place, (0.24, 0.17, 0.05))
        bridge = _stroke(surface, (0.0, y, 0.98), (side * 0.16, y, 0.95), 0.04)
        frame = (30.0, 26.0, 24.0)
        glass = tint(looks.skin, 1.12)
        shapes = [
            Shape(rim, frame, solid=False),
            Shape(inner, glass, solid=False),
            Shape(bridge, frame, solid=False),
            *shapes[:2],
        ]
    return shapes


def _mouth_and_nose(surface: HeadSurface, looks: Appearance) -> list[Shape]:
    shapes: list[Shape] = []
    if surface.towards_camera((0.0, -0.5, 0.9)) > 0.1:
        mouth = _stroke(surface, (0.26, -0.52, 0.8), (-0.26, -0.52, 0.8), 0.05)
        blue, green, red = looks.skin
        lips = (0.5 * blue, 0.42 * green, min(0.82 * red + 20, 255.0))
        shapes.append(Shape(mouth, lips, solid=False))
    if surface.towards_camera((0.0, -0.1, 1.0)) > -0.12:
        tip, bridge = FACE_POINTS["nose"], (0.0, 0.14, 0.94)
        nose = hull(
            surface.ellipse((0.0, tip[1] - 0.02, tip[2] - 0.1), (0.16, 0.1, 0.1)),
            surface.ellipse(bridge, (0.07, 0.05, 0.04)),
        )
        shapes.append(Shape(nose, tint(looks.skin, 0.84)))
    return shapes


def _ears(surface: HeadSurface, looks: Appearance, behind: bool) -> list[Shape]:
    shapes: list[Shape] = []
    for name in ("left_ear", "right_ear"):
        x, y, z = FACE_POINTS[name]
        if (surface.towards_camera((x, 0.0, 0.0)) < -0.08) is behind:
            outer = surface.ellipse((0.98 * x, y, z), (0.14, 0.22, 0.2))
            inner = surface.ellipse((1.02 * x, y, z), (0.09, 0.13, 0.11))
            shapes.append(Shape(outer, tint(looks.skin, 0.9)))
            shapes.append(Shape(inner, tint(looks.skin, 0.7), solid=False))
    return shapes


def _beard(surface: HeadSurface, color: Color) -> list[Shape]:
    chin = surface.ellipse((0.0, -0.66, 0.34), (0.6, 0.36, 0.56))
    return [Shape(chin, tint(color, 0.95))]


def _cap(surface: HeadSurface, looks: Appearance) -> list[Shape]:
    """Paint a baseball cap: its visor points to the front."""
    shapes: list[Shape] = []
    crown = surface.cap((0.0, 0.97, -0.12), 70.0, 1.12)
    rim = [(x, 0.42, z) for x, z in ((-0.8, 0.75), (0.8, 0.75), (0.55, 1.55), (-0.55, 1.55))]
    visor = hull(surface.project(np.array([*rim, (0.0, 0.4, 1.68)])))
    front = surface.towards_camera((0.0, 0.0, 1.0))
    brim = [Shape(visor, tint(looks.accent, 0.7))]
    if crown is not None:
        middle = crown.mean(axis=0)
        crown_shapes = [
            Shape(crown, tint(looks.accent, 0.85)),
            Shape(middle + 0.72 * (crown - middle), looks.accent, solid=False),
        ]
        shapes = crown_shapes + brim if front > 0 else brim + crown_shapes
    return shapes


def _loose_hair(
    surface: HeadSurface,
    body: BodyShape,
    posture: Posture,
    looks: Appearance,
    view: View,
    labels: dict[str, int],
) -> list[Part]:
    """Build hair that leaves the skull: it lies before the trunk when the back is seen."""
    style = looks.hair_style
    color = tint(looks.hair, 0.8)
    behind = surface.towards_camera((0.0, 0.0, 1.0))
    depth = float(surface.center[2]) + 0.14 * body.head * 2 * behind
    if style == "long":
        top = surface.ellipse((0.0, 0.1, -0.4), (1.1, 0.92, 0.68))
        back = posture.local("neck", (0.0, -0.05 * body.stature, -0.05 * body.stature))
        tips = _disc(view, back, 0.062 * body.stature)
        return [Part(labels["hair"], depth + 0.04 * behind, [Shape(hull(top, tips), color)])]
    if style == "tail":
        root = view.to_camera(posture.local("head", (0.0, 0.1 * body.head, -0.46 * body.head)))
        tip = view.to_camera(posture.local("neck", (0.0, -0.02, -0.07 * body.stature)))
        ends = np.stack([root, tip])
        radii = np.array([0.14, 0.07]) * body.head * view.magnification(ends[:, 2])
        plane = view.project(ends)
        outline = capsule_outlines(plane[:1], plane[1:], radii[:1], radii[1:])[0]
        return [Part(labels["hair"], depth, [Shape(outline, color)])]
    if style == "bun":
        knot = posture.local("head", (0.0, 0.34 * body.head, -0.42 * body.head))
        return [Part(labels["hair"], depth, [Shape(_disc(view, knot, 0.2 * body.head), color)])]
    return []


def _disc(view: View, center: FloatArray, radius: float) -> FloatArray:
    point = view.to_camera(center)
    scale = float(view.magnification(point[2]))
    return ellipse_outline(view.project(point), np.eye(2) * radius * scale)


def _stroke(
    surface: HeadSurface,
    start: tuple[float, float, float],
    end: tuple[float, float, float],
    width: float,
) -> FloatArray:
    """Outline a thick line on the head, its half width in head radii."""
    ends = surface.project(np.array([start, end]))
    radius = np.array([width * surface.radii[0] * surface.scale])
    return capsule_outlines(ends[:1], ends[1:], radius, radius)[0]
