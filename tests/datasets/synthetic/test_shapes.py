"""Outlines by geometry, and what painting leaves on a layer."""

from __future__ import annotations

import numpy as np
import pytest

from raypose.datasets.synthetic.shapes import (
    Part,
    Shape,
    capsule_outlines,
    ellipse_outline,
    hull,
    paint,
    tint,
)


def area(outline: np.ndarray) -> float:
    x, y = outline.T
    return 0.5 * abs(np.dot(x, np.roll(y, 1)) - np.dot(y, np.roll(x, 1)))


def square(low: float, high: float) -> np.ndarray:
    return np.array([[low, low], [high, low], [high, high], [low, high]], float)


def test_capsule_of_equal_discs_is_a_stadium() -> None:
    outline = capsule_outlines(
        np.array([[0.0, 0.0]]), np.array([[10.0, 0.0]]), np.array([3.0]), np.array([3.0])
    )[0]
    assert area(outline) == pytest.approx(10 * 6 + np.pi * 9, rel=0.02)
    np.testing.assert_allclose(outline.min(axis=0), [-3, -3], atol=0.1)
    np.testing.assert_allclose(outline.max(axis=0), [13, 3], atol=0.1)


def test_capsule_of_a_disc_within_another_is_the_larger_disc() -> None:
    outline = capsule_outlines(
        np.array([[0.0, 0.0]]), np.array([[1.0, 0.0]]), np.array([5.0]), np.array([1.0])
    )[0]
    assert np.linalg.norm(outline, axis=1).max() <= 5 + 1e-9


def test_ellipse_is_the_shadow_of_the_ellipsoid() -> None:
    rng = np.random.default_rng(0)
    axes, center = rng.normal(size=(2, 3)), np.array([7.0, -2.0])
    outline = ellipse_outline(center, axes)
    directions = rng.normal(size=(4000, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    shadow = center + directions @ axes.T
    assert area(outline) == pytest.approx(area(hull(shadow)), rel=0.02)
    np.testing.assert_allclose(outline.max(axis=0), shadow.max(axis=0), atol=0.03)


def test_nearer_parts_cover_farther_ones_whatever_their_order() -> None:
    far = Part(1, 2.0, [Shape(square(0, 10), (200.0, 0.0, 0.0))])
    near = Part(2, 1.0, [Shape(square(5, 15), (0.0, 0.0, 200.0))])
    for parts in ([far, near], [near, far]):
        layer = paint(parts)
        x, y = layer.origin
        assert layer.labels[7 - y, 7 - x] == 2
        assert layer.labels[2 - y, 2 - x] == 1
        assert layer.bgra[7 - y, 7 - x].tolist() == [0, 0, 200, 255]
        assert layer.bgra[2 - y, 2 - x].tolist() == [200, 0, 0, 255]
        rows, columns = np.nonzero(layer.silhouette)
        assert (rows.min() + y, rows.max() + y) == (0, 15)
        assert (columns.min() + x, columns.max() + x) == (0, 15)


def test_what_is_not_solid_leaves_the_labels_alone() -> None:
    shirt = Part(1, 1.0, [Shape(square(0, 10), (9.0, 9.0, 9.0))])
    light = Part(2, 0.0, [Shape(square(2, 8), (90.0, 90.0, 90.0), solid=False)])
    layer = paint([shirt, light])
    assert set(np.unique(layer.labels)) == {0, 1}


def test_tint_saturates() -> None:
    assert tint((100.0, 200.0, 50.0), 1.5) == (150.0, 255.0, 75.0)
