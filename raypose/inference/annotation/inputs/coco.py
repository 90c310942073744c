"""COCO json: the images it lists and their boxes."""

from __future__ import annotations

import json
from typing import Any

from raypose.errors import DataError
from raypose.inference.annotation import storage
from raypose.inference.annotation.inputs.boxes import checked_boxes
from raypose.inference.annotation.inputs.images import is_whole
from raypose.inference.annotation.shards import Boxes

# Where the images are, seen from the json, if nobody says.
_USUAL_FOLDERS = ("", "images")


def read_boxes(location: storage.Location) -> dict[str, Boxes]:
    """Read the images of a COCO json with their boxes (`bbox` is xywh there).

    Returns:
        Boxes xyxy by the `file_name` of the image, both in the order of the file; none where the
        file has no annotations.

    Raises:
        DataError: if it is no COCO json.
    """
    try:
        content = json.loads(storage.read_bytes(location))
        names = {image["id"]: str(image["file_name"]) for image in content["images"]}
        found: dict[str, Boxes] = {name: [] for name in names.values()}
        for item in content.get("annotations", ()):
            boxes = checked_boxes([item["bbox"]], f"annotation {item.get('id')}: bbox")
            x, y, width, height = boxes[0]
            found[names[item["image_id"]]].append([x, y, x + width, y + height])
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        if isinstance(error, DataError) and not str(error).startswith("annotation "):
            raise  # of the file, not of what is in it
        reason = f"'{error.args[0]}' is missing" if isinstance(error, KeyError) else str(error)
        raise DataError(
            f"{storage.shown(location)}: boxes are read from a COCO json; {reason}"
        ) from error
    return found


def has_boxes(boxes: dict[str, Boxes]) -> bool:
    """Return whether a COCO json has any box; one without lists images for a detector."""
    return any(boxes.values())


def folder_of_images(location: str, names: Any, given: str | None) -> str:
    """Return the folder that the images of a COCO json are in.

    Args:
        location: the json.
        names: of the images.
        given: what the user says.

    Raises:
        DataError: if they are not beside the json and nobody says where.
    """
    if given is not None:
        return storage.absolute(given)
    folder = storage.split(location)[0]
    first = next(iter(names))
    if is_whole(first):
        return folder
    for name in _USUAL_FOLDERS:
        candidate = storage.join(folder, name) if name else folder
        if storage.exists(storage.join(candidate, first)):
            return candidate
    raise DataError(
        f"{storage.shown(location)}: '{first}' is neither beside it nor in images/ beside it; "
        "name the folder of the images with --images"
    )
