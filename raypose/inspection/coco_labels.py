"""COCO-keypoints JSON to `Labels`, whatever is wrong with it.

A dataset refuses a file with a broken entry; here the entry becomes a finding and the rest is read.
"""

from __future__ import annotations

import math
import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from raypose.datasets.coco_annotations import (
    check_order,
    flat_keypoints,
    pose_categories,
    read_json,
    skeleton_of,
)
from raypose.datasets.coco_fields import field_problems
from raypose.errors import ConfigError, DataError
from raypose.inspection.finding import Finding, file_findings
from raypose.inspection.labels import LabelledImage, Labels
from raypose.structures import Skeleton

Entry = Mapping[str, Any]
_KIND_OF_PART = {
    "images": "image-entry",
    "annotations": "annotation-entry",
    "categories": "annotation-file",
}


class _Row(NamedTuple):
    """An annotation that can be used: position of its image, entry, box xywh, keypoints xyv."""

    image: int
    entry: Entry
    box: list[float]
    points: list[float]


def read_coco_labels(
    path: str,
    *,
    split: str,
    image_folder: str,
    skeleton: Skeleton | None = None,
    keypoint_fields: Sequence[str] = ("keypoints",),
    whole_boxes: bool = True,
    color_type: str = "color",
) -> tuple[Labels | None, list[Finding]]:
    """Read a file.

    Args:
        path: the JSON file.
        split: what to call it.
        image_folder: folder that the file names start from.
        skeleton: what the keypoints are; by default what the file's categories say.
        keypoint_fields: fields of an annotation that hold its keypoints, one after another.
        whole_boxes: whether boxes are meant to end at the borders of the image, for which images
            must say their size.
        color_type: how images are decoded.

    Returns:
        What could be read, None if nothing, and what is wrong with the rest.
    """
    findings: list[Finding] = []
    try:
        content, lost_ids = _well_typed(read_json(path), path, findings)
        categories = pose_categories(content, path)
        skeleton = skeleton or skeleton_of(categories, path)
    except (DataError, ConfigError) as error:
        return None, [*findings, *file_findings(error, path)]
    findings += _check_categories(categories, skeleton, path)
    images, places = _read_images(content["images"], path, image_folder, whole_boxes, findings)
    named = {entry.get("id") for entry in content["images"]} | lost_ids
    known = {category.get("id") for category in content.get("categories") or []}
    rows: list[_Row] = []
    for entry in content["annotations"]:
        image_id = entry.get("image_id")
        if image_id not in places:
            if image_id not in named:
                message = f"no image has the id {image_id}"
                findings.append(_about(entry, path, "unknown-image", message))
            continue
        if any(field not in entry for field in keypoint_fields):
            continue  # a box alone is for detectors, datasets pass it over too
        points = [value for field in keypoint_fields for value in flat_keypoints(entry[field])]
        problem = _problem_of(entry, points, skeleton.num_keypoints)
        if problem is not None:
            findings.append(_about(entry, path, *problem))
            continue
        if known and entry["category_id"] not in known:
            message = f"no category has the id {entry['category_id']}"
            findings.append(_about(entry, path, "unknown-category", message))
        rows.append(_Row(places[image_id], entry, entry["bbox"], points))
    findings += _clashes((row.entry["id"] for row in rows), "annotation", path)
    return _labels(rows, images, path, split, skeleton, whole_boxes, color_type), findings


def _well_typed(content: Any, path: str, findings: list[Finding]) -> tuple[Any, set[Any]]:
    """Return a file without its entries of wrong types, and the ids of images among those."""
    broken: dict[str, set[int]] = {part: set() for part in _KIND_OF_PART}
    for problem in field_problems(content):
        if problem.position is not None:
            broken[problem.part].add(problem.position)
            kind = _KIND_OF_PART[problem.part]
            place = {"file": path, "id": problem.entry, "message": problem.message}
            findings.append(Finding(kind=kind, **place))
    if not findings:
        return content, set()
    left = dict(content)
    for part, positions in broken.items():
        if positions:
            kept = (entry for i, entry in enumerate(content[part]) if i not in positions)
            left[part] = list(kept)
    lost = (content["images"][i] for i in broken["images"])
    ids = (entry.get("id") for entry in lost if isinstance(entry, Mapping))
    return left, {item for item in ids if isinstance(item, (int, float, str))}


def _check_categories(categories: Sequence[Entry], skeleton: Skeleton, path: str) -> list[Finding]:
    found = []
    for category in categories:
        count = len(category.get("keypoints") or [])
        if count not in (0, skeleton.num_keypoints):
            where = f"category {category.get('name')!r}"
            message = f"{count} keypoints, '{skeleton.name}' has {skeleton.num_keypoints}"
            found.append(Finding(kind="keypoint-count", file=path, id=where, message=message))
    try:
        check_order(skeleton, categories, path)
    except DataError as error:
        found += file_findings(error, path, kind="keypoint-count")
    return found


def _read_images(
    listed: Sequence[Entry], path: str, folder: str, sized: bool, findings: list[Finding]
) -> tuple[list[LabelledImage], dict[Any, int]]:
    """Return the images, and the position of each by its id."""
    images: list[LabelledImage] = []
    ids: list[Any] = []
    for entry in listed:
        needed = ("id", "file_name", *(("width", "height") if sized else ()))
        lacking = [key for key in needed if key not in entry]
        if lacking:
            message = f"no {' and no '.join(lacking)}"
            where = f"image {entry.get('id')}"
            findings.append(Finding(kind="image-entry", file=path, id=where, message=message))
        if "id" not in entry or "file_name" not in entry:
            continue
        size = None
        if "width" in entry and "height" in entry:
            size = (int(entry["width"]), int(entry["height"]))
        ids.append(entry["id"])
        image_path = os.path.join(folder, entry["file_name"])
        images.append(LabelledImage(id=str(entry["id"]), path=image_path, size=size))
    findings += _clashes(ids, "image", path)
    return images, {image_id: position for position, image_id in enumerate(ids)}


def _problem_of(
    entry: Entry, points: Sequence[float], num_keypoints: int
) -> tuple[str, str] | None:
    """Return kind and text of what makes an annotation unusable."""
    lacking = [key for key in ("id", "category_id") if key not in entry]
    if lacking:
        return "annotation-entry", f"no {' and no '.join(lacking)}"
    if "bbox" not in entry:
        return "no-box", "it has keypoints and no 'bbox'"
    if len(entry["bbox"]) != 4:
        number = len(entry["bbox"])
        return "annotation-entry", f"'bbox' is x, y, width and height, got {number} numbers"
    for name, values in (("bbox", entry["bbox"]), ("keypoints", points)):
        if not math.isfinite(sum(values)):
            return "annotation-entry", f"'{name}' holds NaN or infinity"
    if len(points) != 3 * num_keypoints:
        wanted = f"{3 * num_keypoints} numbers of {num_keypoints} keypoints"
        return "keypoint-count", f"{wanted} expected, got {len(points)}"
    return None


def _about(entry: Entry, path: str, kind: str, message: str) -> Finding:
    return Finding(kind=kind, file=path, id=f"annotation {entry.get('id')}", message=message)


def _clashes(ids: Iterable[Any], name: str, path: str) -> list[Finding]:
    return [
        Finding(
            kind="id-clash",
            file=path,
            id=f"{name} {item}",
            message=f"the id is there {count} times",
        )
        for item, count in Counter(ids).items()
        if count > 1
    ]


def _labels(
    rows: Sequence[_Row],
    images: list[LabelledImage],
    path: str,
    split: str,
    skeleton: Skeleton,
    whole_boxes: bool,
    color_type: str,
) -> Labels:
    boxes = np.array([row.box for row in rows], np.float64).reshape(-1, 4)
    boxes[:, 2:] += boxes[:, :2]
    points = np.array([row.points for row in rows], np.float64)
    points = points.reshape(-1, skeleton.num_keypoints, 3)
    entries = [row.entry for row in rows]
    return Labels(
        split=split,
        file=path,
        skeleton=skeleton,
        images=images,
        image_index=np.array([row.image for row in rows], np.int64),
        ids=[str(entry["id"]) for entry in entries],
        category_ids=np.array([entry["category_id"] for entry in entries], np.int64),
        boxes=boxes,
        areas=np.array([entry.get("area", math.nan) for entry in entries], np.float64),
        keypoints=points[..., :2],
        visibility=points[..., 2],
        crowd=np.array([bool(entry.get("iscrowd", 0)) for entry in entries], np.bool_),
        stated_counts=np.array([entry.get("num_keypoints", -1) for entry in entries], np.int64),
        whole_boxes=whole_boxes,
        color_type=color_type,
    )
