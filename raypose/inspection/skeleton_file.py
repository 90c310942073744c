"""A skeleton YAML from a category of a COCO json."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from raypose.datasets.coco_annotations import pose_categories, read_json
from raypose.errors import ConfigError, DataError, did_you_mean
from raypose.inspection.sigmas import Sigmas
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


def skeleton_text(skeleton: Skeleton, sigmas: Sigmas | None = None) -> str:
    """Return the YAML of a skeleton, a line for each keypoint and each limb.

    Args:
        skeleton: what to write.
        sigmas: measured ones, in place of its own.

    Raises:
        ConfigError: if what was written does not load; it would be a bug.
    """
    definition = skeleton.to_dict()
    lines = [f"name: {_flow(definition['name'])}", "keypoints:"]
    for index, keypoint in enumerate(definition["keypoints"]):
        entry = {key: value for key, value in keypoint.items() if key != "weight"}
        if entry["swap"] == entry["name"]:
            del entry["swap"]
        if sigmas is not None:
            entry["sigma"] = round(float(sigmas.values[index]), 4)
        lines.append(f"  - {_flow(entry)}")
    if definition["links"]:
        lines.append("links:")
        lines += [f"  - {_flow(link)}" for link in definition["links"]]
    if sigmas is not None:
        count = int(sigmas.repeats.min())
        lines.insert(0, f"# sigmas: from labels that were repeated, at least {count} a keypoint")
    elif skeleton.sigmas is None:
        lines.insert(0, "# Without sigmas OKS, and with it CocoMetric, is not defined.")
    text = "\n".join(lines) + "\n"
    if Skeleton.load(yaml.safe_load(text)).keypoint_names != skeleton.keypoint_names:
        raise ConfigError(f"the skeleton '{skeleton.name}' cannot be written as YAML")
    return text


def _flow(value: Any) -> str:
    """Return a value as YAML on one line."""
    text = yaml.safe_dump(
        value, default_flow_style=True, sort_keys=False, width=10_000, allow_unicode=True
    )
    return text.removesuffix("\n").removesuffix("...").strip()
