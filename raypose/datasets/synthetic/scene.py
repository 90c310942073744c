"""One synthetic picture: people on a background, what hides them, light and lens, annotations.

Everything about picture `index` follows from (seed, split, index), whoever draws it and when.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from raypose.datasets.synthetic.backgrounds import Image, sample_background
from raypose.datasets.synthetic.body import FloatArray
from raypose.datasets.synthetic.camera import sample_light
from raypose.datasets.synthetic.figure import Figure, sample_figure
from raypose.datasets.synthetic.props import sample_prop, shadow
from raypose.datasets.synthetic.shapes import Layer

_SIZES = ((320, 240), (384, 288), (400, 300), (480, 360), (480, 320), (320, 360))
_MIN_SHOWN = 0.55  # share of a silhouette that others and the border may not hide
_PROP = 255


@dataclass(frozen=True)
class PersonTruth:
    """What is known of one person in a picture.

    Attributes:
        keypoints: (17, 2) float64 image pixels; also of those outside the image.
        visibility: (17,) int64, 2 visible, 1 hidden, 0 outside the image.
        silhouette: (H, W) bool, the person's own pixels, whether or not something hides them.
        activity: what the person does.
    """

    keypoints: NDArray[np.float64]
    visibility: NDArray[np.int64]
    silhouette: NDArray[np.bool_]
    activity: str

    @property
    def bbox(self) -> tuple[int, int, int, int]:
        """Bounds of the silhouette: x, y, width, height in whole pixels."""
        columns = np.flatnonzero(self.silhouette.any(axis=0))
        rows = np.flatnonzero(self.silhouette.any(axis=1))
        x, y = int(columns[0]), int(rows[0])
        return x, y, int(columns[-1]) + 1 - x, int(rows[-1]) + 1 - y

    def to_coco(self) -> dict[str, Any]:
        """Return the COCO annotation, without its ids."""
        keypoints = np.column_stack([np.round(self.keypoints, 2), self.visibility])
        keypoints[self.visibility == 0] = 0
        height, width = self.silhouette.shape
        return {
            "category_id": 1,
            "iscrowd": 0,
            "bbox": list(self.bbox),
            "area": int(self.silhouette.sum()),
            "segmentation": {"size": [height, width], "counts": _run_lengths(self.silhouette)},
            "num_keypoints": int((self.visibility > 0).sum()),
            "keypoints": [
                int(value) if i % 3 == 2 else value
                for i, value in enumerate(keypoints.reshape(-1).tolist())
            ],
        }


@dataclass(frozen=True)
class Scene:
    """A picture (H, W, 3) uint8 BGR and the people in it, from far to near."""

    image: Image
    people: list[PersonTruth]


def render_scene(seed: int, index: int, split_name: str = "train") -> Scene:
    """Draw picture `index` of a split.

    Args:
        seed: of the whole set.
        index: number of the picture.
        split_name: a split of another name has other pictures.
    """
    rng = np.random.default_rng((seed, zlib.crc32(split_name.encode()), index))
    width, height = _SIZES[int(rng.integers(len(_SIZES)))]
    horizon = int(height * rng.uniform(0.35, 0.6))
    light = sample_light(rng)
    canvas = _Canvas(sample_background(rng, width, height, horizon))
    figures = _sample_figures(rng, height, light)
    for figure, ground in figures:
        canvas.place_person(rng, figure, ground)
    if rng.random() < 0.3:
        canvas.place_prop(rng)
    return Scene(_expose(canvas.image, rng), canvas.people())


class _Canvas:
    """A picture in the making; `owner` (H, W) tells who is seen at a pixel, 1-based."""

    def __init__(self, image: Image) -> None:
        self.image = image
        self.owner: NDArray[np.uint8] = np.zeros(image.shape[:2], np.uint8)
        self._placed: list[tuple[Figure, tuple[int, int], NDArray[np.bool_]]] = []

    def place_person(self, rng: np.random.Generator, figure: Figure, ground: int) -> None:
        """Paint a person where enough of everyone stays to be seen, or nowhere."""
        width = self.owner.shape[1]
        y = int(ground - figure.ground)
        for _ in range(8):
            x = int(rng.uniform(0.06, 0.94) * width)
            silhouette = self._silhouette(figure.layer, x, y)
            inside = silhouette.sum() / max(figure.layer.silhouette.sum(), 1)
            if inside >= _MIN_SHOWN and self._may_hide(silhouette):
                self._paint_person(figure, x, y, silhouette)
                return

    def place_prop(self, rng: np.random.Generator) -> None:
        """Paint something in front of the people, unless it would hide too much of one."""
        height, width = self.owner.shape
        prop = sample_prop(rng, height * float(rng.uniform(0.14, 0.34)))
        x, y = int(rng.uniform(0, width)), int(height * rng.uniform(0.9, 1.12))
        if self._may_hide(self._silhouette(prop, x, y)):
            self._paint(prop, x, y, _PROP)

    def people(self) -> list[PersonTruth]:
        """Return the annotations of everyone placed."""
        return [
            PersonTruth(
                keypoints=figure.keypoints + offset,
                visibility=self._visibility(figure, offset, number),
                silhouette=silhouette,
                activity=figure.activity,
            )
            for number, (figure, offset, silhouette) in enumerate(self._placed, start=1)
        ]

    def _visibility(
        self, figure: Figure, offset: tuple[int, int], number: int
    ) -> NDArray[np.int64]:
        height, width = self.owner.shape
        columns, rows = np.round(figure.keypoints + offset).astype(int).T
        inside = (columns >= 0) & (columns < width) & (rows >= 0) & (rows < height)
        owner = self.owner[np.clip(rows, 0, height - 1), np.clip(columns, 0, width - 1)]
        seen = figure.shown & (owner == number)
        return np.where(inside, np.where(seen, 2, 1), 0)

    def _may_hide(self, silhouette: NDArray[np.bool_]) -> bool:
        return all(
            np.count_nonzero((self.owner == number) & ~silhouette) >= _MIN_SHOWN * own.sum()
            for number, (_, _, own) in enumerate(self._placed, start=1)
        )

    def _silhouette(self, layer: Layer, x: int, y: int) -> NDArray[np.bool_]:
        mask = np.zeros(self.owner.shape, bool)
        target, source = _overlap(layer, x, y, mask.shape)
        mask[target] = layer.silhouette[source]
        return mask

    def _paint(self, layer: Layer, x: int, y: int, owner: int) -> None:
        target, source = _overlap(layer, x, y, self.owner.shape)
        cover = layer.bgra[source]
        if cover.size == 0:
            return
        through = cv2.merge([255 - cover[..., 3]] * 3)
        behind = cv2.multiply(self.image[target], through, scale=1 / 255)
        self.image[target] = cv2.add(behind, np.ascontiguousarray(cover[..., :3]))
        self.owner[target][cover[..., 3] >= 128] = owner

    def _paint_person(self, figure: Figure, x: int, y: int, silhouette: NDArray[np.bool_]) -> None:
        self._shade_ground(figure, x, y)
        self._placed.append((figure, (x, y), silhouette))
        person = (figure.layer, len(self._placed))
        layers = [person]
        if figure.seat is not None:
            layers.insert(1 if figure.seat_in_front else 0, (figure.seat, _PROP))
        for layer, owner in layers:
            self._paint(layer, x, y, owner)

    def _shade_ground(self, figure: Figure, x: int, y: int) -> None:
        """Darken the ground under a person."""
        width = int(figure.layer.bgra.shape[1] * 1.15)
        mask = shadow(width, max(width // 4, 3))
        left = x + figure.layer.origin[0] - width // 15
        top = int(y + figure.ground) - mask.shape[0] // 2
        rows = _window(top, mask.shape[0], self.owner.shape[0])
        columns = _window(left, width, self.owner.shape[1])
        part = mask[rows.start - top : rows.stop - top, columns.start - left : columns.stop - left]
        region = self.image[rows, columns]
        region[:] = region * part[..., None]


def _sample_figures(
    rng: np.random.Generator, height: int, light: FloatArray
) -> list[tuple[Figure, int]]:
    """Draw one to four people and the rows they stand on, from far to near."""
    count = int(rng.choice((1, 2, 3, 4), p=(0.36, 0.32, 0.2, 0.12)))
    sizes = np.sort(rng.uniform(0.5, 1.05, 1) if count == 1 else rng.uniform(0.4, 0.88, count))
    if rng.random() < 0.1:
        sizes[-1] = rng.uniform(1.1, 1.5)  # someone near, cut by the border
    return [
        (
            sample_figure(rng, float(size * height), light),
            int(height * (0.55 + 0.42 * size + rng.normal(0, 0.03))),
        )
        for size in sizes
    ]


def _overlap(
    layer: Layer, x: int, y: int, shape: tuple[int, ...]
) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    """Return the window of the image that a layer covers, and the layer's own window."""
    left, top = x + layer.origin[0], y + layer.origin[1]
    rows = _window(top, layer.labels.shape[0], shape[0])
    columns = _window(left, layer.labels.shape[1], shape[1])
    own_rows = slice(rows.start - top, rows.stop - top)
    return (rows, columns), (own_rows, slice(columns.start - left, columns.stop - left))


def _window(start: int, length: int, limit: int) -> slice:
    """Return the part of `start .. start + length` within `0 .. limit`."""
    first = min(max(start, 0), limit)
    return slice(first, max(min(start + length, limit), first))


def _expose(image: Image, rng: np.random.Generator) -> Image:
    """Apply light, colour cast, blur and grain."""
    gain, gamma = rng.uniform(0.72, 1.15), rng.uniform(0.85, 1.2)
    levels = np.arange(256)[:, None] / 255.0
    curve = 255 * gain * levels**gamma * rng.normal(1.0, 0.04, 3) + rng.uniform(-10, 14)
    image = cv2.LUT(image, np.clip(curve, 0, 255).astype(np.uint8)[:, None])
    if rng.random() < 0.4:
        image = cv2.GaussianBlur(image, (0, 0), float(rng.uniform(0.4, 1.0)))
    height, width = image.shape[:2]
    grain = _grain()
    y, x = (int(rng.integers(grain.shape[i] - side)) for i, side in enumerate((height, width)))
    noise = grain[y : y + height, x : x + width] * np.float32(rng.uniform(0.5, 7.0))
    return cv2.add(image, noise, dtype=cv2.CV_8U)


@lru_cache(maxsize=1)
def _grain() -> NDArray[np.float32]:
    """Return the noise that pictures take their grain from: drawing it anew costs more than they.

    It is the same in every process, so pictures stay functions of (seed, split, index).
    """
    return np.random.default_rng(0).standard_normal((640, 640, 3), dtype=np.float32)


def _run_lengths(mask: NDArray[np.bool_]) -> list[int]:
    """Encode a mask (H, W) as COCO run lengths: column by column, pixels outside it first."""
    flat = mask.T.reshape(-1)
    changes = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    runs = np.diff(np.concatenate([[0], changes, [flat.size]])).tolist()
    return [0, *runs] if flat[0] else runs
