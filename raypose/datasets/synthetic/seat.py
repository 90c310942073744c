"""What a sitting person sits on: a box or a stool under the hips."""

from __future__ import annotations

import numpy as np

from raypose.datasets.synthetic.body import BodyShape, Posture
from raypose.datasets.synthetic.camera import View
from raypose.datasets.synthetic.shapes import Part, Shape, hull, tint


def seat_part(rng: np.random.Generator, body: BodyShape, posture: Posture, view: View) -> Part:
    """Build the seat: its top under the thighs, its foot at the height of the person's soles."""
    h = body.stature
    soles = [f"{side}_{joint}" for side in ("left", "right") for joint in ("toe", "ankle")]
    feet = min(float(posture.position(joint)[1]) for joint in soles)
    top, bottom = -0.062 * h, min(feet - 0.02 * h, -0.2 * h)
    half, back, front = 0.13 * h, -0.12 * h, 0.13 * h
    color = tuple((np.array((90, 130, 170)) * rng.uniform(0.35, 1.2, 3)).tolist())
    plate = 0.22 if rng.random() < 0.5 else 1.0  # a stool's plate, or a box

    def box(x: tuple[float, float], y: tuple[float, float], z: tuple[float, float]) -> np.ndarray:
        corners = np.array([(i, j, k) for i in x for j in y for k in z])
        return view.project(view.to_camera(corners))

    shapes: list[Shape] = []
    if plate < 1.0:
        width = 0.025 * h
        for x in (-half + width, half - width):
            for z in (back + width, front - width):
                leg = box((x - width, x + width), (bottom, top), (z - width, z + width))
                shapes.append(Shape(hull(leg), tint(color, 0.6)))
    body_box = box((-half, half), (top + plate * (bottom - top), top), (back, front))
    upper = box((-half, half), (top, top), (back, front))
    shapes.append(Shape(hull(body_box), tint(color, 0.75)))
    shapes.append(Shape(hull(upper), tint(color, 1.15)))
    return Part(1, 0.0, shapes)
