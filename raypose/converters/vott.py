"""VoTT json exports: rectangles, and points that are keypoints by their tag. Read only.

Source of the format: https://github.com/microsoft/VoTT, "Exporting labels", VoTT JSON.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from raypose.converters.checked import list_of, mapping_of, name_of, number_of
from raypose.converters.formats import Format
from raypose.converters.grouping import LooseBox, LoosePoint, group_points
from raypose.converters.labels import LabelledImage, LabelSet
from raypose.converters.pictures import FilePicture, find_picture
from raypose.converters.skeleton_files import make_skeleton
from raypose.datasets.coco_annotations import read_json
from raypose.errors import DataError


def read_vott(source: Path, images: Path | None = None) -> LabelSet:
    """Read an export by its file or folder.

    A region of one point is a keypoint, its tag the name; a rectangle is an instance. Keypoints
    come in the order of the project's tags where the file has them, else of their first use.

    Args:
        source: the json, or a folder with one.
        images: folder of the pictures, that of the json by default.

    Raises:
        DataError: with file, asset, region and reason.
    """
    path = _file_of(source)
    content = read_json(str(path))
    if not _is_vott(content):
        raise DataError(f"{path}: not an export of VoTT, it has no 'assets' with regions")
    regions = {key: _regions(entry, path) for key, entry in content["assets"].items()}
    used = {tag for found in regions.values() for tag, _, is_box in found if not is_box}
    order = [
        name_of(
            mapping_of(tag, f"{path}: tags.{number}").get("name"), f"{path}: tags.{number}.name"
        )
        for number, tag in enumerate(list_of(content.get("tags"), f"{path}: tags"))
    ]
    order += [tag for found in regions.values() for tag, _, is_box in found if not is_box]
    names = [name for name in dict.fromkeys(order) if name in used]
    if not names:
        raise DataError(f"{path}: no region is a point")
    skeleton = make_skeleton("object", names, path)
    labelled = []
    for key, found in regions.items():
        asset = content["assets"][key]["asset"]
        where = f"{path}: asset {key}"
        file = _picture_of(asset, images or path.parent, where)
        points = [
            LoosePoint(name=tag, x=box[0], y=box[1]) for tag, box, is_box in found if not is_box
        ]
        boxes = [LooseBox(category=tag, box=box) for tag, box, is_box in found if is_box]
        labelled.append(
            LabelledImage(
                name=file.name,
                picture=FilePicture(file),
                instances=group_points(points, boxes, names, skeleton.name, where),
            )
        )
    return LabelSet(skeleton=skeleton, images=labelled)


def _picture_of(asset: Mapping[str, Any], folder: Path, where: str) -> Path:
    """Return the picture of an asset, whose name may be encoded as in an address."""
    name = str(asset.get("name") or urlsplit(str(asset.get("path"))).path).rsplit("/", 1)[-1]
    if (folder / name).is_file():
        return folder / name
    return find_picture(unquote(name), [folder], where)


_Region = tuple[str, tuple[float, float, float, float], bool]


def _regions(entry: Mapping[str, Any], path: Path) -> list[_Region]:
    """Return tag, box xyxy and whether it is a rectangle; a point is a box without extent."""
    found = []
    name = f"{path}: asset {entry['asset'].get('name')}: regions"
    for number, item in enumerate(list_of(entry.get("regions"), name)):
        where = f"{name}.{number}"
        region = mapping_of(item, where)
        tags = list_of(region.get("tags"), f"{where}.tags")
        if len(tags) != 1:
            raise DataError(f"{where}.tags: one tag expected, got {tags}")
        corners = [
            mapping_of(corner, f"{where}.points.{i}")
            for i, corner in enumerate(list_of(region.get("points"), f"{where}.points"))
        ]
        if not corners:
            raise DataError(f"{where}.points: a point or more expected")
        xs, ys = (
            [
                number_of(corner.get(axis), f"{where}.points.{i}.{axis}")
                for i, corner in enumerate(corners)
            ]
            for axis in "xy"
        )
        box = (min(xs), min(ys), max(xs), max(ys))
        found.append((name_of(tags[0], f"{where}.tags.0"), box, len(corners) > 1))
    return found


def _file_of(source: Path) -> Path:
    if not source.is_dir():
        return source
    for file in sorted(source.glob("*.json")):
        if _is_vott(read_json(str(file))):
            return file
    raise DataError(f"{source}: no json of VoTT in this folder")


def _is_vott(content: Any) -> bool:
    assets = content.get("assets") if isinstance(content, Mapping) else None
    return (
        isinstance(assets, Mapping)
        and bool(assets)
        and all(
            isinstance(entry, Mapping) and isinstance(entry.get("asset"), Mapping)
            for entry in assets.values()
        )
    )


def _recognises(source: Path) -> bool:
    files = sorted(source.glob("*.json")) if source.is_dir() else [source]
    return any(file.suffix == ".json" and _is_vott(read_json(str(file))) for file in files)


FORMAT = Format(name="vott", title="VoTT export (JSON)", recognises=_recognises, read=read_vott)
