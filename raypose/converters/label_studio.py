"""Label Studio: tasks with keypoints and rectangles, read and written."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit
from xml.etree import ElementTree

from raypose.converters.checked import list_of, mapping_of, name_of, number_of
from raypose.converters.formats import Format
from raypose.converters.grouping import LooseBox, LoosePoint, group_points
from raypose.converters.label_studio_regions import (
    IMAGE,
    KEYPOINTS,
    RECTANGLES,
    box_region,
    labelling_interface,
    point_region,
)
from raypose.converters.labels import Box, LabelledImage, LabelSet
from raypose.converters.pictures import FilePicture, find_picture, picture_name, save_pictures
from raypose.converters.skeleton_files import make_skeleton
from raypose.datasets.coco_annotations import read_json
from raypose.errors import DataError

_TASKS = "label_studio.json"
_INTERFACE = "label_studio.xml"
# What Label Studio puts before the name of a file that was uploaded.
_UPLOAD = re.compile(r"^[0-9a-f]{8}-")


def read_label_studio(source: Path, images: Path | None = None) -> LabelSet:
    """Read an export (JSON) by its file or folder.

    Keypoints belong to the rectangle that they are children of or lie in. Their order is that of
    the labelling interface where its XML lies beside the export, else that of the first use.
    Of a task that several people have labelled, the first is taken; tasks that nobody has are
    left out.

    Args:
        source: the json, or a folder with one.
        images: folder of the pictures; beside the json or in `images` there by default.

    Raises:
        DataError: with file, task and reason.
    """
    path = _tasks_file(source)
    tasks = read_json(str(path))
    if not _are_tasks(tasks):
        raise DataError(f"{path}: a list of tasks with 'data' and 'annotations' expected")
    wheres = [f"{path}: task {task.get('id', i)}" for i, task in enumerate(tasks)]
    finished = [_finished(task, where) for task, where in zip(tasks, wheres, strict=True)]
    regions = [
        _regions(found[0], where) if found else None
        for found, where in zip(finished, wheres, strict=True)
    ]
    used = (r.label for found in regions for r in found or () if r.size is None)
    names = _interface_names(path) or list(dict.fromkeys(used))
    if not names:
        raise DataError(f"{path}: no task has a keypoint")
    skeleton = make_skeleton("object", names, path)
    folders = [images] if images is not None else [path.parent / "images", path.parent]
    labelled = []
    for task, found, where in zip(tasks, regions, wheres, strict=True):
        if found is None:
            continue
        file = _picture_of(task, folders, where)
        picture = FilePicture(file)
        points, boxes = _loose(found, picture.size, names, where)
        labelled.append(
            LabelledImage(
                name=picture_name(file, folders),
                picture=picture,
                instances=group_points(points, boxes, names, skeleton.name, where),
            )
        )
    blank = sum(found is None for found in regions)
    several = sum(len(found) > 1 for found in finished)
    notes = [f"{blank} tasks that nobody has labelled"] if blank else []
    notes += [f"all but the first labels of {several} tasks"] if several else []
    return LabelSet(skeleton=skeleton, images=labelled, notes=notes)


def write_label_studio(labels: LabelSet, out: Path, link: bool = False) -> None:
    """Write tasks with annotations, the labelling interface and the pictures.

    `data.image` is the path below the folder; what stands before it is up to the project's
    storage.

    Args:
        labels: what to write.
        out: folder of `label_studio.json`, `label_studio.xml` and `images/`.
        link: link to pictures that are files.

    Raises:
        DataError: if a picture cannot be read.
    """
    out.mkdir(parents=True, exist_ok=True)
    names = labels.skeleton.keypoint_names
    tasks = []
    for image in labels.images:
        size = image.picture.size
        result = []
        for number, each in enumerate(image.instances):
            box = f"instance-{number}"
            left, top, right, bottom = each.box(size)
            xywh = (left, top, right - left, bottom - top)
            result.append(box_region(box, each.category, xywh, size))
            result += [
                point_region(box, name, float(x), float(y), size)
                for name, (x, y), seen in zip(names, each.keypoints, each.visibility, strict=True)
                if seen
            ]
        data = {IMAGE: f"images/{image.name}"}
        tasks.append({"data": data, "annotations": [{"result": result}]})
    (out / _TASKS).write_text(json.dumps(tasks), encoding="utf-8")
    interface = labelling_interface(labels.skeleton, labels.categories())
    (out / _INTERFACE).write_text(interface, encoding="utf-8")
    save_pictures(((i.picture, out / "images" / i.name) for i in labels.images), link)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Region:
    """A keypoint, or a rectangle: then it has a size. Per cent of the image, degrees."""

    label: str
    x: float
    y: float
    size: tuple[float, float] | None
    rotation: float
    own_id: str
    parent: str | None

    def box(self, image: tuple[int, int]) -> Box:
        """Return the box xyxy in pixels; of a turned rectangle the extent."""
        across, down = image[0] / 100, image[1] / 100
        wide, high = self.size or (0.0, 0.0)
        # A rectangle turns about its first corner, clockwise.
        c, s = math.cos(math.radians(self.rotation)), math.sin(math.radians(self.rotation))
        corners = [
            (self.x * across + i * wide * across * c - j * high * down * s)
            for i in (0, 1)
            for j in (0, 1)
        ]
        sides = [
            (self.y * down + i * wide * across * s + j * high * down * c)
            for i in (0, 1)
            for j in (0, 1)
        ]
        return min(corners), min(sides), max(corners), max(sides)


def _finished(task: Mapping[str, Any], where: str) -> list[Mapping[str, Any]]:
    found = [
        mapping_of(entry, f"{where}: annotations.{number}")
        for number, entry in enumerate(task["annotations"])
    ]
    return [entry for entry in found if not entry.get("was_cancelled", False)]


def _regions(entry: Mapping[str, Any], where: str) -> list[_Region]:
    """Return keypoints and rectangles of an annotation."""
    found = []
    for number, item in enumerate(list_of(entry.get("result"), f"{where}: result")):
        region = mapping_of(item, f"{where}: result.{number}")
        kind = region.get("type")
        if kind not in (KEYPOINTS, RECTANGLES):
            continue
        if region.get("image_rotation"):
            raise DataError(
                f"{where}: result.{number}.image_rotation: labels on a turned image cannot be read"
            )
        at = f"{where}: result.{number}.value"
        value = mapping_of(region.get("value"), at)
        labels = list_of(value.get(kind), f"{at}.{kind}")
        if len(labels) != 1:
            raise DataError(f"{at}.{kind}: one label expected, got {labels}")
        x, y = (number_of(value.get(key), f"{at}.{key}") for key in "xy")
        size = None
        if kind == RECTANGLES:
            sides = "width", "height"
            wide, high = (number_of(value.get(key), f"{at}.{key}") for key in sides)
            size = wide, high
        parent = region.get("parentID")
        found.append(
            _Region(
                label=name_of(labels[0], f"{at}.{kind}.0"),
                x=x,
                y=y,
                size=size,
                rotation=number_of(value.get("rotation", 0), f"{at}.rotation"),
                own_id=str(region.get("id")),
                parent=None if parent is None else str(parent),
            )
        )
    return found


def _loose(
    regions: list[_Region], size: tuple[int, int], names: Sequence[str], where: str
) -> tuple[list[LoosePoint], list[LooseBox]]:
    points, boxes = [], []
    parents = {region.parent for region in regions}
    for region in regions:
        if region.size is not None:
            group = region.own_id if region.own_id in parents else None
            boxes.append(LooseBox(category=region.label, box=region.box(size), group=group))
            continue
        if region.label not in names:
            raise DataError(f"{where}: the labelling interface has no keypoint {region.label!r}")
        x, y, *_ = region.box(size)
        points.append(LoosePoint(name=region.label, x=x, y=y, group=region.parent))
    return points, boxes


def _picture_of(task: Mapping[str, Any], folders: list[Path], where: str) -> Path:
    """Return the picture of a task, whatever storage its address is of."""
    data = task["data"]
    address = data.get(IMAGE) or next((v for v in data.values() if isinstance(v, str)), "")
    split = urlsplit(str(address))
    local = parse_qs(split.query).get("d")
    path = unquote(local[0] if local else split.path).lstrip("/")
    parts = path.split("/")
    names = ["/".join(parts[start:]) for start in range(len(parts))]
    for name in (*names, _UPLOAD.sub("", parts[-1])):
        for folder in folders:
            if (folder / name).is_file():
                return folder / name
    return find_picture(path, folders, where)


def _interface_names(path: Path) -> list[str]:
    """Return the keypoints of the labelling interface beside an export, none without one."""
    for file in sorted(path.parent.glob("*.xml")):
        try:
            root = ElementTree.parse(file).getroot()
        except ElementTree.ParseError:
            continue
        found = [str(e.get("value")) for e in root.iterfind(".//KeyPointLabels/Label")]
        if found:
            return found
    return []


def _tasks_file(source: Path) -> Path:
    if not source.is_dir():
        return source
    for file in sorted(source.glob("*.json")):
        if _are_tasks(read_json(str(file))):
            return file
    raise DataError(f"{source}: no json of Label Studio in this folder")


def _are_tasks(content: Any) -> bool:
    return (
        isinstance(content, list)
        and bool(content)
        and all(
            isinstance(task, dict)
            and isinstance(task.get("data"), dict)
            and isinstance(task.get("annotations"), list)
            for task in content
        )
    )


def _recognises(source: Path) -> bool:
    files = sorted(source.glob("*.json")) if source.is_dir() else [source]
    return any(f.suffix == ".json" and _are_tasks(read_json(str(f))) for f in files)


FORMAT = Format(
    name="label-studio",
    title="Label Studio export (JSON)",
    recognises=_recognises,
    read=read_label_studio,
    write=write_label_studio,
    keeps=frozenset({"boxes", "categories"}),
)
