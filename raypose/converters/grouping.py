"""Loose keypoints to instances: by the rectangle that they lie in, where nothing else says it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from raypose.converters.labels import Box, Instance
from raypose.errors import DataError


@dataclass(frozen=True, slots=True, kw_only=True)
class LoosePoint:
    """A keypoint that says its name only.

    Attributes:
        name: of the keypoint.
        x: pixels.
        y: pixels.
        visibility: 1 hidden, 2 visible.
        group: what keypoints of one instance share, None where nothing says it.
    """

    name: str
    x: float
    y: float
    visibility: int = 2
    group: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LooseBox:
    """A rectangle.

    Attributes:
        category: of what is in it.
        box: xyxy in pixels.
        group: what keypoints of it share.
    """

    category: str
    box: Box
    group: str | None = None


def group_points(
    points: Sequence[LoosePoint],
    boxes: Sequence[LooseBox],
    names: Sequence[str],
    category: str,
    where: str,
) -> list[Instance]:
    """Return the instances of a picture.

    Keypoints with a group go together. One without lies in a rectangle, the smallest if several
    hold it; without any rectangle all of them are one instance. Rectangles without a keypoint
    are instances too.

    Args:
        points: keypoints.
        boxes: rectangles.
        names: K keypoint names, of which each point has one.
        category: of instances without a rectangle.
        where: file and picture, for messages.

    Raises:
        DataError: if an instance has a keypoint twice, or a keypoint lies in no rectangle.
    """
    members: dict[tuple[str, object], list[LoosePoint]] = {}
    owners: dict[tuple[str, object], LooseBox] = {}
    by_group = {box.group: box for box in boxes if box.group is not None}
    for number, box in enumerate(boxes):
        key = ("box", number) if box.group is None else ("group", box.group)
        owners[key] = box
        members.setdefault(key, [])
    for point in points:
        if point.group is not None and (point.group in by_group or not boxes):
            key = ("group", point.group)
        elif boxes:
            key = _smallest_around(point, owners, where)
        else:
            key = ("picture", 0)
        members.setdefault(key, []).append(point)
    return [
        _instance(found, owners.get(key), names, category, where) for key, found in members.items()
    ]


def _smallest_around(
    point: LoosePoint, owners: dict[tuple[str, object], LooseBox], where: str
) -> tuple[str, object]:
    around = []
    for key, owner in owners.items():
        left, top, right, bottom = owner.box
        if left <= point.x <= right and top <= point.y <= bottom:
            around.append(((right - left) * (bottom - top), key))
    if not around:
        raise DataError(
            f"{where}: the keypoint {point.name!r} at ({point.x:.1f}, {point.y:.1f}) lies in none "
            f"of the {len(owners)} rectangles, so nothing says whose it is"
        )
    return min(around, key=lambda pair: pair[0])[1]


def _instance(
    points: list[LoosePoint],
    box: LooseBox | None,
    names: Sequence[str],
    category: str,
    where: str,
) -> Instance:
    keypoints = np.full((len(names), 2), np.nan)
    visibility = np.zeros(len(names), np.int64)
    for point in points:
        index = names.index(point.name)
        if visibility[index]:
            raise DataError(
                f"{where}: an instance has the keypoint {point.name!r} twice; where a picture "
                "shows several, draw a rectangle round each"
            )
        keypoints[index] = point.x, point.y
        visibility[index] = point.visibility
    return Instance.of(
        keypoints,
        category if box is None else box.category,
        visibility,
        None if box is None else box.box,
    )
