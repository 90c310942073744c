"""Things that stand in front of the synthetic people and hide parts of them."""

from __future__ import annotations

import cv2
import numpy as np

from raypose.datasets.synthetic.shapes import Color, Layer, Part, Shape, hull, paint, tint


def sample_prop(rng: np.random.Generator, size: float) -> Layer:
    """Draw a crate, a post, a plant or a sign about `size` pixels high, its foot at the origin."""
    blue, green, red = rng.uniform(30, 225, 3).tolist()
    build = (_crate, _post, _plant, _sign)[int(rng.integers(4))]
    return paint([Part(1, 0.0, build(rng, size, (blue, green, red)))])


def _crate(rng: np.random.Generator, size: float, color: Color) -> list[Shape]:
    width, height = size * rng.uniform(0.7, 1.5), size * rng.uniform(0.5, 0.9)
    slant, lid = size * rng.uniform(-0.15, 0.15), size * rng.uniform(0.05, 0.2)
    front = _rectangle(-width / 2, -height, width / 2, 0.0)
    top = np.array(
        [[-width / 2, -height], [width / 2, -height],
         [width / 2 + slant, -height - lid], [-width / 2 + slant, -height - lid]]
    )  # fmt: skip
    inner = _rectangle(-0.4 * width, -0.85 * height, 0.4 * width, -0.15 * height)
    return [
        Shape(hull(front, top), tint(color, 1.15)),
        Shape(front, tint(color, 0.85)),
        Shape(inner, tint(color, 0.75)),
    ]


def _post(rng: np.random.Generator, size: float, color: Color) -> list[Shape]:
    width, height = size * rng.uniform(0.1, 0.24), size * rng.uniform(1.6, 4.0)
    return [
        Shape(_rectangle(-width / 2, -height, width / 2, 0.0), tint(color, 0.6)),
        Shape(_rectangle(-width / 2, -height, width / 8, 0.0), tint(color, 0.8)),
        Shape(_rectangle(-width / 3, -height, -width / 8, 0.0), color),
    ]


def _plant(rng: np.random.Generator, size: float, color: Color) -> list[Shape]:
    pot = np.array([[-0.25, -0.45], [0.25, -0.45], [0.18, 0.0], [-0.18, 0.0]]) * size
    leaves = (rng.uniform(30, 80), rng.uniform(95, 160), rng.uniform(30, 110))
    shapes = []
    for angle in rng.uniform(-1.2, 1.2, size=int(rng.integers(7, 13))):
        length = size * rng.uniform(0.5, 1.0)
        along = np.array([np.sin(angle), -np.cos(angle)])
        across = np.array([along[1], -along[0]]) * length * 0.13
        foot = np.array([0.0, -0.4 * size])
        middle, tip = foot + 0.5 * length * along, foot + length * along
        leaf = np.stack([foot, middle + across, tip, middle - across])
        shapes.append(Shape(leaf, tint(leaves, float(rng.uniform(0.7, 1.2)))))
    return [*shapes, Shape(pot, tint(color, 0.9))]


def _sign(rng: np.random.Generator, size: float, color: Color) -> list[Shape]:
    height, half = size * rng.uniform(1.1, 1.7), size * rng.uniform(0.25, 0.4)
    pole = _rectangle(-0.03 * size, -height, 0.03 * size, 0.0)
    turn = np.linspace(0, 2 * np.pi, int(rng.choice((4, 6, 8, 24))), endpoint=False) + np.pi / 4
    plate = np.stack([np.cos(turn), np.sin(turn)], axis=-1) * half + (0.0, -height)
    return [
        Shape(pole, (110.0, 110.0, 112.0)),
        Shape(plate, (235.0, 235.0, 235.0)),
        Shape(plate * 0.82 + np.array([0.0, -0.18 * height]), color),
    ]


def _rectangle(left: float, top: float, right: float, bottom: float) -> np.ndarray:
    return np.array([[left, top], [right, top], [right, bottom], [left, bottom]])


def shadow(width: int, height: int) -> np.ndarray:
    """Return a soft elliptic shadow (height, width) float32: how much of the light it leaves."""
    mask = np.zeros((height, width), np.float32)
    center, axes = (width // 2, height // 2), (max(width // 3, 1), max(height // 3, 1))
    cv2.ellipse(mask, center, axes, 0, 0, 360, 0.42, -1, cv2.LINE_8)
    return 1.0 - cv2.blur(mask, (max(width // 5, 1) | 1, max(height // 3, 1) | 1))
