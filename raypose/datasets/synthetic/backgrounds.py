"""Backgrounds of the synthetic pictures: rooms, parks, streets, plain and busy surfaces.

Every painter fills an image (H, W, 3) uint8 BGR; `horizon` is the row where the ground begins.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from raypose.datasets.synthetic.shapes import Color, tint

Image = NDArray[Any]  # (H, W, 3) uint8, BGR


def sample_background(rng: np.random.Generator, width: int, height: int, horizon: int) -> Image:
    """Draw a background, blurred like one out of focus for some of them."""
    image = np.empty((height, width, 3), np.uint8)
    painter = _PAINTERS[int(rng.choice(len(_PAINTERS), p=_WEIGHTS))]
    painter(image, horizon, rng)
    if rng.random() < 0.45:
        image = cv2.GaussianBlur(image, (0, 0), float(rng.uniform(0.8, 3.2)))
    return image


def noise_texture(
    rng: np.random.Generator, width: int, height: int, cell: int, strength: float
) -> NDArray[np.float32]:
    """Return smooth noise (height, width, 1) about 0: two octaves, the coarser `cell` pixels."""
    total = np.zeros((height, width), np.float32)
    for size, share in ((cell, 0.65), (max(cell // 4, 2), 0.35)):
        grid = rng.random((height // size + 2, width // size + 2), dtype=np.float32) - 0.5
        total += share * cv2.resize(grid, (width, height), interpolation=cv2.INTER_CUBIC)
    return (2 * strength * total)[..., None]


def _room(image: Image, horizon: int, rng: np.random.Generator) -> None:
    height, width = image.shape[:2]
    wall, floor = _muted(rng), _muted(rng, 12)
    _gradient(image[:horizon], tint(wall, 1.08), tint(wall, 0.88))
    _gradient(image[horizon:], tint(floor, 0.7), tint(floor, 1.0))
    if rng.random() < 0.35:
        step = int(rng.integers(12, 36))
        for x in range(int(rng.integers(step)), width, step):
            cv2.line(image, (x, 0), (x, horizon - 1), tint(wall, 0.93), 1 + step // 10)
    vanishing = float(rng.uniform(0.2, 0.8)) * width
    for x in np.linspace(-2 * width, 3 * width, int(rng.integers(14, 34))):
        top = vanishing + (x - vanishing) * 0.3
        _line(image, (top, horizon), (x, height), tint(floor, 0.72), 1)
    for _ in range(int(rng.integers(1, 5))):
        _framed_picture(image, horizon, rng)
    cv2.rectangle(image, (0, horizon - 3), (width, horizon + 2), tint(wall, 0.6), -1)


def _framed_picture(image: Image, horizon: int, rng: np.random.Generator) -> None:
    x, y = rng.uniform(0, image.shape[1]), rng.uniform(0, 0.6 * horizon)
    w, h = rng.uniform(18, 90), rng.uniform(0.2, 0.65) * horizon
    _box(image, (x, y), (x + w, y + h), tint(_vivid(rng), 0.6))
    _box(image, (x + 3, y + 3), (x + w - 3, y + h - 3), _muted(rng))
    if rng.random() < 0.5:
        _line(image, (x + w / 2, y), (x + w / 2, y + h), (90, 90, 90), 2)
        _line(image, (x, y + h / 2), (x + w, y + h / 2), (90, 90, 90), 2)


def _park(image: Image, horizon: int, rng: np.random.Generator) -> None:
    height, width = image.shape[:2]
    sky = (rng.uniform(200, 250), rng.uniform(170, 220), rng.uniform(110, 215))
    grass = (rng.uniform(40, 95), rng.uniform(105, 170), rng.uniform(60, 140))
    _gradient(image[:horizon], sky, (240.0, 240.0, 236.0))
    hill = tint(grass, 0.72)
    xs = np.linspace(0, width, 24)
    for shade, amplitude in ((1.3, 0.3), (1.0, 0.16)):
        wave = np.sin(xs / width * rng.uniform(3, 11) + rng.uniform(0, 6)) * 0.5 + 0.5
        top = horizon - amplitude * horizon * wave
        corners = np.concatenate([np.stack([xs, top], 1), [[width, horizon], [0, horizon]]])
        cv2.fillPoly(image, [corners.astype(np.int32)], tint(hill, shade), cv2.LINE_AA)
    for _ in range(int(rng.integers(0, 7))):
        _tree(image, horizon, rng)
    ground = image[horizon:]
    _gradient(ground, tint(grass, 0.86), tint(grass, 1.08))
    _add(ground, noise_texture(rng, width, height - horizon, 14, 26))


def _tree(image: Image, horizon: int, rng: np.random.Generator) -> None:
    x, base = rng.uniform(0, image.shape[1]), horizon + rng.uniform(0, 8)
    size = rng.uniform(0.2, 0.55) * horizon
    _line(image, (x, base), (x, base - size), (40, 62, 86), max(int(size / 10), 2))
    crown = (rng.uniform(30, 70), rng.uniform(80, 140), rng.uniform(40, 130))
    for _ in range(5):
        center = (int(x + rng.normal(0, size / 4)), int(base - size + rng.normal(0, size / 5)))
        color = tint(crown, float(rng.uniform(0.8, 1.15)))
        cv2.circle(image, center, int(size * rng.uniform(0.2, 0.36)), color, -1, cv2.LINE_AA)


def _street(image: Image, horizon: int, rng: np.random.Generator) -> None:
    height, width = image.shape[:2]
    level = float(rng.uniform(90, 165))
    grey = (level, level, level)
    _gradient(image[:horizon], (230.0, 205.0, 170.0), (236.0, 232.0, 226.0))
    x = -rng.uniform(0, 40)
    while x < width:
        w, top = rng.uniform(40, 130), rng.uniform(-0.3, 0.55) * horizon
        facade = _muted(rng)
        _box(image, (x, top), (x + w, horizon), facade)
        pane = tint(facade, 0.55) if rng.random() < 0.7 else (200.0, 214.0, 224.0)
        step = rng.uniform(14, 26)
        for row in np.arange(top + 6, horizon - 8, step * 1.2):
            for column in np.arange(x + 5, x + w - step * 0.55, step):
                _box(image, (column, row), (column + step * 0.5, row + step * 0.7), pane)
        x += w
    _gradient(image[horizon:], tint(grey, 0.85), tint(grey, 1.1))
    _add(image[horizon:], noise_texture(rng, width, height - horizon, 8, 14))
    kerb = horizon + int(rng.uniform(0.1, 0.4) * (height - horizon))
    _line(image, (0, kerb), (width, kerb + rng.uniform(-14, 14)), tint(grey, 1.35), 3)


def _studio(image: Image, horizon: int, rng: np.random.Generator) -> None:
    color, low = _muted(rng), _muted(rng) if rng.random() < 0.5 else None
    _gradient(image, tint(color, 1.12), low or tint(color, 0.72))
    if rng.random() < 0.5:
        height, width = image.shape[:2]
        _add(image, noise_texture(rng, width, height, 90, 40))


def _stripes(image: Image, horizon: int, rng: np.random.Generator) -> None:
    height, width = image.shape[:2]
    image[:] = _muted(rng)
    slant, step = rng.uniform(-1.2, 1.2) * height, int(rng.integers(12, 60))
    color = _muted(rng)
    for x in range(-2 * height, width + 2 * height, step):
        _line(image, (x, 0), (x + slant, height), color, max(step // 3, 2))
    _gradient(image[horizon:], tint(color, 0.6), tint(color, 0.95))


def _clutter(image: Image, horizon: int, rng: np.random.Generator) -> None:
    height, width = image.shape[:2]
    _gradient(image, _muted(rng), _muted(rng))
    for _ in range(int(rng.integers(10, 34))):
        x, y = rng.uniform(-20, width), rng.uniform(-20, height)
        w, h = rng.uniform(8, 90, size=2)
        color = _vivid(rng) if rng.random() < 0.4 else _muted(rng)
        shape = rng.random()
        if shape < 0.4:
            _box(image, (x, y), (x + w, y + h), color)
        elif shape < 0.65:
            center, axes = (int(x), int(y)), (int(w / 2), int(h / 2))
            cv2.ellipse(image, center, axes, rng.uniform(0, 180), 0, 360, color, -1, cv2.LINE_AA)
        elif shape < 0.85:
            # Limb-like bars, so that a bar alone does not make an arm.
            _line(image, (x, y), (x + w, y + rng.uniform(-h, h)), color, int(rng.integers(3, 14)))
        else:
            corners = rng.uniform((x, y), (x + w, y + h), size=(3, 2)).astype(np.int32)
            cv2.fillConvexPoly(image, corners, color, cv2.LINE_AA)
    _add(image, noise_texture(rng, width, height, 40, 22))


def _texture(image: Image, horizon: int, rng: np.random.Generator) -> None:
    height, width = image.shape[:2]
    first, second = np.asarray(_muted(rng)), np.asarray(_muted(rng))
    blend = np.clip(noise_texture(rng, width, height, int(rng.integers(16, 90)), 0.6) + 0.5, 0, 1)
    image[:] = first + (second - first) * blend


_PAINTERS: tuple[Callable[[Image, int, np.random.Generator], None], ...] = (
    _room, _park, _street, _studio, _stripes, _clutter, _texture,
)  # fmt: skip
_WEIGHTS = (0.24, 0.22, 0.17, 0.1, 0.06, 0.13, 0.08)


def _gradient(region: Image, top: Color, bottom: Color) -> None:
    share = np.linspace(0.0, 1.0, len(region), dtype=np.float32)[:, None, None]
    rows = np.asarray(top, np.float32) * (1 - share) + np.asarray(bottom, np.float32) * share
    region[:] = np.clip(rows, 0, 255).astype(np.uint8)


def _add(region: Image, offsets: NDArray[np.float32]) -> None:
    region[:] = np.clip(region + offsets, 0, 255)


def _box(image: Image, low: tuple[float, float], high: tuple[float, float], color: Color) -> None:
    cv2.rectangle(image, (int(low[0]), int(low[1])), (int(high[0]), int(high[1])), color, -1)


def _line(
    image: Image,
    start: tuple[float, float],
    end: tuple[float, float],
    color: Color,
    width: int,
) -> None:
    first, last = (int(start[0]), int(start[1])), (int(end[0]), int(end[1]))
    cv2.line(image, first, last, color, width, cv2.LINE_AA)


def _muted(rng: np.random.Generator, spread: float = 20) -> Color:
    level = rng.uniform(80, 225)
    blue, green, red = np.clip(level + rng.normal(0, spread, 3), 20, 245).tolist()
    return blue, green, red


def _vivid(rng: np.random.Generator) -> Color:
    blue, green, red = rng.uniform(20, 240, 3).tolist()
    return blue, green, red
