"""Skeletons of labels: made from what a file says, and written for `skeleton:` of a config."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from raypose.errors import ConfigError, DataError
from raypose.structures import Skeleton

SKELETON_FILE = "skeleton.yaml"


def make_skeleton(
    name: str,
    keypoints: Sequence[str],
    source: object,
    *,
    links: Sequence[Sequence[str]] = (),
    swaps: dict[str, str] | None = None,
) -> Skeleton:
    """Return the skeleton that a file of labels describes.

    Args:
        name: of the kind of body.
        keypoints: K names.
        source: the file, for messages.
        links: pairs of names.
        swaps: mirror partners; those of keypoints that differ in their side alone by default.

    Raises:
        DataError: if a name is there twice or the definition contradicts itself.
    """
    swaps = swaps or {}
    entries = [
        {"name": each, **({"swap": swaps[each]} if each in swaps else {})} for each in keypoints
    ]
    definition = {"name": name, "keypoints": entries, "links": [list(link) for link in links]}
    try:
        return Skeleton.load(definition)
    except ConfigError as error:
        raise DataError("\n".join(f"{source}: {problem}" for problem in error.problems)) from error


def write_skeleton(skeleton: Skeleton, path: Path) -> None:
    """Write a skeleton, one keypoint a line, for people to edit; colours are left out."""
    definition = skeleton.to_dict()
    names = list(skeleton.keypoint_names)
    # What names say by themselves is not written.
    implied = Skeleton.load({"name": skeleton.name, "keypoints": names}).flip_indices
    left_out = {"color"} if set(skeleton.keypoint_weights) != {1.0} else {"color", "weight"}
    keypoints = []
    for index, entry in enumerate(definition["keypoints"]):
        is_implied = skeleton.flip_indices[index] == implied[index]
        strange = left_out | {"swap"} if is_implied else left_out
        keypoints.append({key: value for key, value in entry.items() if key not in strange})
    links = [entry["link"] for entry in definition["links"]]
    lines = [
        f"name: {_flow(skeleton.name)}",
        "keypoints:",
        *(f"  - {_flow(entry)}" for entry in keypoints),
        "links:" if links else "links: []",
        *(f"  - {_flow(link)}" for link in links),
    ]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _flow(value: Any) -> str:
    text = yaml.safe_dump(
        value, default_flow_style=True, sort_keys=False, allow_unicode=True, width=10**6
    )
    return text.removesuffix("\n").removesuffix("\n...")
