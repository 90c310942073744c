"""Annotation files whose instances are not where COCO has them, brought into COCO's form."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

Annotation = Mapping[str, Any]
# What a person's annotation says of the whole person and not of a part of it.
OF_THE_PERSON = ("num_keypoints", "area", "segmentation")


def rearranged(content: Any, convert: Callable[[Annotation], Iterable[Annotation]]) -> Any:
    """Return a file's content with every annotation replaced by those it is converted to.

    Args:
        content: the parsed file; what is not in COCO's form is returned as it is, to be refused
            by those who read it.
        convert: gives the instances of an annotation, with `bbox` and `keypoints`.
    """
    if not isinstance(content, Mapping) or not isinstance(content.get("annotations"), list):
        return content
    found = [instance for entry in content["annotations"] for instance in convert(entry)]
    return {**content, "annotations": found}


def part_of_person(entry: Annotation, part: str) -> Annotation | None:
    """Return the instance that a part of a COCO-WholeBody person is, None if it is not annotated.

    Args:
        entry: annotation of the person.
        part: what its fields begin with: `face`, `lefthand` or `righthand`.
    """
    keypoints = entry.get(f"{part}_kpts") or [0]
    if not entry.get(f"{part}_valid") or f"{part}_box" not in entry or max(keypoints) <= 0:
        return None
    kept = {key: value for key, value in entry.items() if key not in OF_THE_PERSON}
    return {**kept, "bbox": entry[f"{part}_box"], "keypoints": keypoints}


def box_around(center: Iterable[float], extent: float) -> list[float]:
    """Return the square box (x, y, w, h) of a center and the length of its sides."""
    x, y = center
    return [x - extent / 2, y - extent / 2, extent, extent]
