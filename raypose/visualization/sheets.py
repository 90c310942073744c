"""Contact sheets: many pictures with captions in one grid."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

Image = npt.NDArray[Any]

_CAPTION_HEIGHT = 18


def contact_sheet(
    images: Sequence[Image],
    captions: Sequence[str] | None = None,
    *,
    columns: int = 4,
    cell_size: tuple[int, int] = (240, 180),
    gap: int = 6,
    background: tuple[int, int, int] = (246, 246, 244),
) -> Image:
    """Lay pictures out in rows, each shrunk or grown to fit its cell without distortion.

    Args:
        images: (H, W, 3) uint8 BGR each, of any size.
        captions: a line under each picture.
        columns: pictures in a row.
        cell_size: (w, h) pixels of a picture's cell.
        gap: pixels between cells and around them.
        background: BGR.

    Returns:
        The sheet, (H, W, 3) uint8 BGR.

    Raises:
        ValueError: if there is no picture, or not one caption for each.
    """
    if not images:
        raise ValueError("a contact sheet needs at least one picture")
    if captions is not None and len(captions) != len(images):
        raise ValueError(f"{len(images)} pictures need as many captions, got {len(captions)}")
    columns = min(columns, len(images))
    rows = -(-len(images) // columns)
    width, height = cell_size
    pitch_x = width + gap
    pitch_y = height + gap + (_CAPTION_HEIGHT if captions else 0)
    sheet = np.empty((rows * pitch_y + gap, columns * pitch_x + gap, 3), np.uint8)
    sheet[:] = background
    for index, image in enumerate(images):
        x, y = gap + index % columns * pitch_x, gap + index // columns * pitch_y
        fitted = fit_inside(image, width, height)
        left, top = x + (width - fitted.shape[1]) // 2, y + (height - fitted.shape[0]) // 2
        sheet[top : top + fitted.shape[0], left : left + fitted.shape[1]] = fitted
        if captions is not None:
            place = (x + 2, y + height + _CAPTION_HEIGHT - 6)
            font = cv2.FONT_HERSHEY_SIMPLEX
            cv2.putText(sheet, captions[index], place, font, 0.38, (60, 60, 60), 1, cv2.LINE_AA)
    return sheet


def fit_inside(image: Image, width: int, height: int) -> Image:
    """Resize a picture, keeping its proportions, to the largest size within width x height."""
    scale = min(width / image.shape[1], height / image.shape[0])
    size = (max(round(image.shape[1] * scale), 1), max(round(image.shape[0] * scale), 1))
    if size == (image.shape[1], image.shape[0]):
        return image
    interpolation = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    return cv2.resize(image, size, interpolation=interpolation)
