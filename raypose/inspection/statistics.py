"""Numbers of labelled data: how much there is, of what, and how large.

M instances, K keypoints.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from raypose.config import Config
from raypose.inspection.labels import Labels
from raypose.inspection.sources import Source
from raypose.ops.image_headers import image_size
from raypose.ops.warps import fix_aspect_ratio

Crop = tuple[float, tuple[int, int]]
"""Padding of boxes and input size (w, h) of a pipeline that crops them."""

PERCENTILES = (5, 25, 50, 75, 95)
_MOST_SIZES = 5
_HEADER = 1 << 16


def source_statistics(source: Source, config: Config | None = None) -> dict[str, Any]:
    """Return the numbers of all annotation files and of each split in all.

    Args:
        source: what was read.
        config: says which crops are made of the boxes.

    Returns:
        Plain data: `splits`, the numbers of each file; `totals`, those of a split of several
        files; `notes`, what has no such numbers.
    """
    splits = {}
    groups: dict[str, list[Labels]] = {}
    for labels in source.labels:
        name = labels.split.split(".")[0] if config is not None else labels.split
        crop = None if config is None else _crop_of(config, name)
        splits[labels.split] = split_statistics(labels, crop)
        groups.setdefault(name, []).append(labels)
    totals = {
        name: {
            "files": len(parts),
            "images": sum(len(labels.images) for labels in parts),
            "instances": sum(int((~labels.crowd).sum()) for labels in parts),
        }
        for name, parts in groups.items()
        if len(parts) > 1
    }
    return {"splits": splits, "totals": totals, "notes": list(source.notes)}


def split_statistics(labels: Labels, crop: Crop | None = None) -> dict[str, Any]:
    """Return the numbers of one annotation file.

    Args:
        labels: what it says.
        crop: padding and input size, where crops are made of its boxes.

    Returns:
        Plain data. Lists of five are percentiles, the 5th, 25th, 50th, 75th and 95th. `crop_scale`
        is input pixels for each pixel of the image: above 1 crops are enlarged.
    """
    people = ~labels.crowd
    sizes = labels.box_sizes()[people]
    sizes = sizes[np.isfinite(sizes).all(axis=1) & (sizes > 0).all(axis=1)]
    labelled, visibility = labels.labelled[people], labels.visibility[people]
    per_image = np.bincount(labels.image_index[people], minlength=len(labels.images))
    pictures = _image_sizes(labels)
    numbers: dict[str, Any] = {
        "file": labels.file,
        "images": len(labels.images),
        "images_without_instances": int((per_image == 0).sum()),
        "image_sizes": _most_common(pictures),
        "image_width": _percentiles(pictures[:, 0]),
        "image_height": _percentiles(pictures[:, 1]),
        "instances": int(people.sum()),
        "crowds": int(labels.crowd.sum()),
        "instances_per_image": _counts(per_image),
        "sigmas": labels.skeleton.sigmas is not None,
        "areas_missing": int((~(labels.areas[people] > 0)).sum()),
        "keypoints_labelled": float(labelled.mean()) if labelled.size else 0.0,
        "keypoints": {
            name: {
                "labelled": int(labelled[:, index].sum()),
                "share": float(labelled[:, index].mean()) if len(labelled) else 0.0,
                "visible": int((visibility[:, index] > 1).sum()),
                "hidden": int((visibility[:, index] == 1).sum()),
            }
            for index, name in enumerate(labels.skeleton.keypoint_names)
        },
        "keypoints_per_instance": _percentiles(labelled.sum(axis=1)),
        "box_width": _percentiles(sizes[:, 0]),
        "box_height": _percentiles(sizes[:, 1]),
        "box_aspect_ratio": _percentiles(sizes[:, 0] / sizes[:, 1]),
    }
    if crop is not None and len(sizes):
        padding, (width, height) = crop
        extents = fix_aspect_ratio((sizes * padding).astype(np.float32), width / height)
        scales = width / extents[:, 0]
        numbers["input_size"] = [width, height]
        numbers["crop_scale"] = _percentiles(scales)
        numbers["crops_enlarged"] = float((scales > 1).mean())
    return numbers


def _crop_of(config: Config, split: str) -> Crop | None:
    """Return padding and input size of the crops of a split, None if it crops no boxes."""
    section = getattr(config.data_options, split)
    steps: dict[str, Mapping[str, Any]] = {
        str(step["type"]).rsplit(".", 1)[-1]: step for step in section.pipeline
    }
    if "TopdownAffine" not in steps or "WholeImageBBox" in steps:
        return None
    padding = steps.get("GetBBoxCenterScale", {}).get("padding", 1.25)
    width, height = steps["TopdownAffine"]["input_size"]
    return float(padding), (int(width), int(height))


def _image_sizes(labels: Labels) -> npt.NDArray[np.int64]:
    """Return (I, 2), (w, h) of the images as the file says, else as their own headers do."""
    found = (image.size or _size_in_header(image.path) for image in labels.images)
    return np.array([size for size in found if size is not None], np.int64).reshape(-1, 2)


def _size_in_header(path: str) -> tuple[int, int] | None:
    try:
        with open(path, "rb") as file:
            return image_size(file.read(_HEADER))
    except OSError:
        return None


def _most_common(sizes: npt.NDArray[np.int64]) -> dict[str, int]:
    """Return how many images have each of the most common sizes, and how many have others."""
    counts = Counter(f"{width} x {height}" for width, height in sizes.tolist())
    common = dict(counts.most_common(_MOST_SIZES))
    others = len(sizes) - sum(common.values())
    return {**common, "others": others} if others else common


def _percentiles(values: npt.NDArray[Any]) -> list[float]:
    return np.percentile(values, PERCENTILES).tolist() if len(values) else []


def _counts(per_image: Sequence[int] | npt.NDArray[np.int64]) -> dict[str, int]:
    """Return how many images have 0, 1, 2, ... instances, from 10 on together."""
    capped = np.minimum(per_image, 10)
    counts = np.bincount(capped, minlength=1) if len(capped) else np.zeros(0, np.int64)
    return {
        "10 or more" if number == 10 else str(number): int(count)
        for number, count in enumerate(counts)
        if count
    }
