"""The skeleton of a category of a COCO json."""

from __future__ import annotations

from pathlib import Path

from raypose.datasets.coco_annotations import pose_categories, read_json
from raypose.errors import DataError, did_you_mean
from raypose.structures import Skeleton


def category_skeleton(path: str | Path, category: str | None = None) -> Skeleton:
    """Return the skeleton of a category.

    Where the file says nothing of flips, names that differ in their side alone (`left_ear` and
    `right_ear`) mirror each other.

    Args:
        path: the JSON file.
        category: its name; not needed where only one has keypoints.

    Raises:
        DataError: if the file has no such category, or none with names of keypoints.
        ConfigError: if it contradicts itself.
    """
    found = [c for c in pose_categories(read_json(str(path)), str(path)) if c.get("keypoints")]
    if not found:
        raise DataError(f"{path}: none of its categories has 'keypoints', a list of names")
    names = [str(entry.get("name")) for entry in found]
    if category is None and len(found) > 1:
        raise DataError(
            f"{path}: several categories have keypoints; choose one by --category: "
            f"{', '.join(names)}"
        )
    if category is not None and category not in names:
        raise DataError(
            f"{path}: no category '{category}' has keypoints, only {', '.join(names)}."
            f"{did_you_mean(category, names)}"
        )
    return Skeleton.from_coco_category(found[0 if category is None else names.index(category)])
