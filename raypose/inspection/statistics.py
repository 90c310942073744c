"""Numbers of labelled data: how much there is, of what, and how large.

M instances, K keypoints.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from raypose.config import Config
from raypose.errors import RayposeError
from raypose.inspection.labels import Labels
from raypose.ops.warps import fix_aspect_ratio

_PERCENTILES = (5, 25, 50, 75, 95)


def split_statistics(
    labels: Labels, crop: tuple[float, tuple[int, int]] | None = None
) -> dict[str, Any]:
    """Return the numbers of one annotation file.

    Args:
        labels: what it says.
        crop: padding of boxes and input size (w, h), where crops are made of them.

    Returns:
        Plain data. Percentiles are the 5th, 25th, 50th, 75th and 95th. `crop_scale` is input
        pixels for each pixel of the image: above 1 crops are enlarged.
    """
    people = ~labels.crowd
    sizes = labels.box_sizes()[people]
    sizes = sizes[np.isfinite(sizes).all(axis=1) & (sizes > 0).all(axis=1)]
    labelled = labels.labelled[people]
    per_image = np.bincount(labels.image_index[people], minlength=len(labels.images))
    numbers: dict[str, Any] = {
        "file": labels.file,
        "images": len(labels.images),
        "images_without_instances": int((per_image == 0).sum()),
        "instances": int(people.sum()),
        "crowds": int(labels.crowd.sum()),
        "instances_per_image": _counts(per_image),
        "keypoints_labelled": float(labelled.mean()) if labelled.size else 0.0,
        "keypoints": {
            name: {
                "labelled": int(labelled[:, index].sum()),
                "share": float(labelled[:, index].mean()) if len(labelled) else 0.0,
                "hidden": int((labels.visibility[people][:, index] == 1).sum()),
            }
            for index, name in enumerate(labels.skeleton.keypoint_names)
        },
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


def crop_of(config: Config, split: str) -> tuple[float, tuple[int, int]] | None:
    """Return padding and input size of the crops of a split, None if it crops no boxes.

    Raises:
        RayposeError: if the split is not `train` or `val`.
    """
    name = split.split(".")[0]
    if name not in ("train", "val"):
        raise RayposeError(f"a split is 'train' or 'val', got {split!r}")
    section = getattr(config.data_options, name)
    steps: dict[str, Mapping[str, Any]] = {
        str(step["type"]).rsplit(".", 1)[-1]: step for step in section.pipeline
    }
    if "TopdownAffine" not in steps:
        return None
    padding = steps.get("GetBBoxCenterScale", {}).get("padding", 1.25)
    width, height = steps["TopdownAffine"]["input_size"]
    return float(padding), (int(width), int(height))


def statistics_lines(splits: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """Yield the numbers of all splits for people."""
    for name, numbers in splits.items():
        yield f"{name}: {numbers['file']}"
        empty, crowds = numbers["images_without_instances"], numbers["crowds"]
        yield f"  images                {numbers['images']}" + (
            f" ({empty} without instances)" if empty else ""
        )
        yield f"  instances             {numbers['instances']}" + (
            f" (and {crowds} crowds)" if crowds else ""
        )
        yield "  instances per image   " + ", ".join(
            f"{count} in {images}" for count, images in numbers["instances_per_image"].items()
        )
        for key, title in (
            ("box_width", "box width"),
            ("box_height", "box height"),
            ("box_aspect_ratio", "width / height"),
            ("crop_scale", "crop scale"),
        ):
            if numbers.get(key):
                values = "  ".join(f"{value:.4g}" for value in numbers[key])
                yield f"  {title:<22}{values}   (5, 25, 50, 75, 95 %)"
        if "crop_scale" in numbers:
            width, height = numbers["input_size"]
            yield (
                f"  crops enlarged        {numbers['crops_enlarged']:.1%} "
                f"to the input of {width} x {height}"
            )
        yield f"  keypoints labelled    {numbers['keypoints_labelled']:.1%}"
        width = max(len(keypoint) for keypoint in numbers["keypoints"])
        for keypoint, counts in numbers["keypoints"].items():
            line = f"    {keypoint:<{width}}  {counts['labelled']:>7} {counts['share']:>7.1%}"
            yield line + (f", {counts['hidden']} of them hidden" if counts["hidden"] else "")
        yield ""


def _percentiles(values: npt.NDArray[np.floating[Any]]) -> list[float]:
    return np.percentile(values, _PERCENTILES).tolist() if len(values) else []


def _counts(per_image: Sequence[int] | npt.NDArray[np.int64]) -> dict[str, int]:
    """Return how many images have 0, 1, 2, ... instances, from 10 on together."""
    capped = np.minimum(per_image, 10)
    counts = np.bincount(capped, minlength=1) if len(capped) else np.zeros(0, np.int64)
    return {
        "10 or more" if number == 10 else str(number): int(count)
        for number, count in enumerate(counts)
        if count
    }
