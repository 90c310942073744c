"""Entries of a COCO json of the keypoint task.

Source of the format: https://cocodataset.org/#format-data. Beside its keys, categories may have
`flip_indices` and `sigmas`, annotations a `track_id` and images `video` and `frame_id`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from raypose.structures import Skeleton

_DIGITS = 3


def category_entry(skeleton: Skeleton, name: str, number: int) -> dict[str, Any]:
    """Return the entry of `categories` of a kind of instance."""
    entry = {
        "id": number,
        "name": name,
        "supercategory": name,
        "keypoints": list(skeleton.keypoint_names),
        # Counted from 1, as COCO does.
        "skeleton": [[first + 1, second + 1] for first, second in skeleton.links],
        "flip_indices": list(skeleton.flip_indices),
    }
    if skeleton.sigmas is not None:
        entry["sigmas"] = list(skeleton.sigmas)
    return entry


def image_entry(
    name: str,
    number: int,
    size: tuple[int, int],
    video: str | None = None,
    frame: int | None = None,
) -> dict[str, Any]:
    """Return the entry of `images` of a picture of size (w, h)."""
    entry: dict[str, Any] = {
        "id": number,
        "file_name": name,
        "width": size[0],
        "height": size[1],
    }
    if video is not None and frame is not None:
        entry.update(video=video, frame_id=frame)
    return entry


def xywh(box: Iterable[float]) -> list[float]:
    """Return a box xyxy as COCO has it, to a thousandth of a pixel."""
    left, top, right, bottom = box
    return [round(value, _DIGITS) for value in (left, top, right - left, bottom - top)]


def area(box: list[float]) -> float:
    """Return the area of a box xywh."""
    return round(box[2] * box[3], _DIGITS)


def triples(points: Iterable[Iterable[float]], third: Iterable[float]) -> list[float]:
    """Return keypoints as COCO has them: x, y and a third number, one after another."""
    return [
        value
        for (x, y, *_), last in zip(points, third, strict=True)
        for value in (round(x, _DIGITS), round(y, _DIGITS), last)
    ]
