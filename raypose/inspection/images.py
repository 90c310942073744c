"""Whether the images that labels are about are there, intact and of the size that is said."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from raypose.inspection.finding import Finding
from raypose.inspection.image_facts import ImageFacts
from raypose.inspection.labels import Labels


def check_images(labels: Labels, facts: Mapping[str, ImageFacts]) -> Iterator[Finding]:
    """Yield images that are missing, broken or of another size.

    Args:
        labels: of one annotation file.
        facts: what is known of each image file by its path.
    """
    for image in labels.images:
        known = facts[image.path]
        where = f"image {image.id}"
        if known.problem is not None:
            kind, message = known.problem
            yield Finding(kind=kind, file=image.path, id=where, message=message)
        elif image.size is not None and image.size != known.size:
            (width, height), (said_width, said_height) = known.size, image.size
            message = f"{width} x {height} pixels, {labels.file} says {said_width} x {said_height}"
            if known.size == image.size[::-1] and labels.color_type == "color":
                message += (
                    "; if its EXIF orientation turned it, LoadImage needs "
                    "color_type: color_ignore_orientation"
                )
            yield Finding(kind="image-size", file=image.path, id=where, message=message)
