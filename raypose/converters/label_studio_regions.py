"""Regions of Label Studio's tasks, and the labelling interface that takes them.

Source of the format: https://labelstud.io/guide/task_format and /guide/predictions. Places and
sizes are in per cent of the image.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from xml.sax.saxutils import quoteattr

from raypose.structures import Skeleton

KEYPOINTS = "keypointlabels"
RECTANGLES = "rectanglelabels"
IMAGE = "image"
_POINT_SIZE = 0.6
_DIGITS = 4


def labelling_interface(skeleton: Skeleton, categories: Iterable[str]) -> str:
    """Return the labelling interface of a project for these keypoints and boxes, XML."""
    points = "".join(
        f"    <Label value={quoteattr(name)} background='#{r:02x}{g:02x}{b:02x}'/>\n"
        for name, (r, g, b) in zip(skeleton.keypoint_names, skeleton.keypoint_colors, strict=True)
    )
    boxes = "".join(f"    <Label value={quoteattr(name)}/>\n" for name in categories)
    return (
        "<View>\n"
        f'  <Image name="{IMAGE}" value="$image"/>\n'
        f'  <RectangleLabels name="box" toName="{IMAGE}">\n{boxes}  </RectangleLabels>\n'
        f'  <KeyPointLabels name="keypoint" toName="{IMAGE}">\n{points}  </KeyPointLabels>\n'
        "</View>\n"
    )


def box_region(
    name: str, category: str, xywh: Iterable[float], size: tuple[int, int]
) -> dict[str, Any]:
    """Return the region of a rectangle.

    Args:
        name: its id, that its keypoints refer to.
        category: what is in it.
        xywh: left, top, width and height in pixels.
        size: (w, h) of the image.
    """
    left, top, wide, high = xywh
    across, down = 100 / size[0], 100 / size[1]
    return {
        **_region(size),
        "id": name,
        "from_name": "box",
        "type": RECTANGLES,
        "value": {
            "x": round(left * across, _DIGITS),
            "y": round(top * down, _DIGITS),
            "width": round(wide * across, _DIGITS),
            "height": round(high * down, _DIGITS),
            "rotation": 0,
            RECTANGLES: [category],
        },
    }


def point_region(
    box: str, keypoint: str, x: float, y: float, size: tuple[int, int]
) -> dict[str, Any]:
    """Return the region of a keypoint.

    Args:
        box: id of its rectangle.
        keypoint: its name.
        x: pixels.
        y: pixels.
        size: (w, h) of the image.
    """
    return {
        **_region(size),
        "id": f"{box}-{keypoint}",
        "parentID": box,
        "from_name": "keypoint",
        "type": KEYPOINTS,
        "value": {
            "x": round(x * 100 / size[0], _DIGITS),
            "y": round(y * 100 / size[1], _DIGITS),
            "width": _POINT_SIZE,
            KEYPOINTS: [keypoint],
        },
    }


def _region(size: tuple[int, int]) -> dict[str, Any]:
    return {
        "to_name": IMAGE,
        "original_width": size[0],
        "original_height": size[1],
        "image_rotation": 0,
    }
