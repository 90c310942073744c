"""Skeletons of labels: made from what a file says, and written for `skeleton:` of a config."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from raypose.errors import ConfigError, DataError
from raypose.structures import Skeleton, skeleton_text

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
    path.write_text(skeleton_text(skeleton, brief=True), encoding="utf-8")
