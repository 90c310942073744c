"""`check_labels`: every check on all that was read."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from raypose.inspection.boxes import check_areas, check_boxes
from raypose.inspection.finding import KINDS, Finding
from raypose.inspection.image_facts import read_all_image_facts
from raypose.inspection.images import check_images
from raypose.inspection.keypoints import (
    check_keypoint_places,
    check_never_labelled,
    check_visibility,
)
from raypose.inspection.labels import Labels
from raypose.inspection.limb_lengths import check_limb_lengths
from raypose.inspection.pose_table import pose_tables
from raypose.inspection.same_instance import check_same_instances
from raypose.inspection.same_picture import check_same_pictures
from raypose.inspection.sources import Source
from raypose.inspection.swapped_sides import check_swapped_sides

_CHECKS_OF_LABELS: tuple[Callable[[Labels], Iterable[Finding]], ...] = (
    check_boxes,
    check_areas,
    check_keypoint_places,
    check_visibility,
    check_never_labelled,
    check_same_instances,
)


def check_labels(
    source: Source,
    num_workers: int = 1,
    show: Callable[[str], None] | None = None,
) -> list[Finding]:
    """Read every image once and run all checks.

    Args:
        source: labels of all splits.
        num_workers: processes that read images.
        show: told how far it is.

    Returns:
        What was found, now and in reading the labels, errors first, in the order of `KINDS`.
    """
    all_labels = source.labels
    files = {image.path: labels.color_type for labels in all_labels for image in labels.images}
    facts = {fact.path: fact for fact in read_all_image_facts([*files.items()], num_workers, show)}
    found = [*source.findings]
    for labels in all_labels:
        found += check_images(labels, facts)
        for check in _CHECKS_OF_LABELS:
            found += check(labels)
    for table in pose_tables(all_labels):
        found += check_swapped_sides(table)
        found += check_limb_lengths(table)
    found += check_same_pictures(all_labels, facts)
    places = {kind: place for place, kind in enumerate(KINDS)}
    return sorted(found, key=lambda f: (f.severity != "error", places[f.kind]))
