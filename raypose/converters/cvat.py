"""CVAT for images 1.1 (XML): skeletons, and points in boxes; read, written, and its elements.

Source of the format: https://docs.cvat.ai/docs/dataset_management/formats/xml_format.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree
from xml.sax.saxutils import escape, quoteattr

import numpy as np

from raypose.converters.formats import Format
from raypose.converters.grouping import LooseBox, LoosePoint, group_points
from raypose.converters.labels import Instance, LabelledImage, LabelSet
from raypose.converters.pictures import FilePicture, find_picture, picture_name, save_pictures
from raypose.converters.skeleton_files import make_skeleton
from raypose.errors import DataError
from raypose.structures import Skeleton

XML_LEAD = "<?xml version='1.0' encoding='utf-8'?>\n<annotations>\n  <version>1.1</version>\n"
XML_END = "</annotations>\n"
# Extent of the picture of a skeleton, in which CVAT wants per cent.
_PICTURE = 100
_EDGE = re.compile(r'data-node-from="(\d+)"[^>]*data-node-to="(\d+)"')
_FILE = "annotations.xml"


def meta_element(skeleton: Skeleton, categories: Iterable[str], mode: str) -> str:
    """Return the element `meta`: `annotation` of images or `interpolation` of a video."""
    parts = []
    for name in categories:
        parts.append(f"<label><name>{escape(name)}</name><type>skeleton</type></label>")
        parts += [
            f"<label><name>{escape(point)}</name><type>points</type>"
            f"<parent>{escape(name)}</parent></label>"
            for point in skeleton.keypoint_names
        ]
    labels = "".join(parts)
    return f"  <meta><task><mode>{mode}</mode><labels>{labels}</labels></task></meta>\n"


def image_element(number: int, name: str, size: tuple[int, int], shapes: str) -> str:
    """Return the element of an image of size (w, h) with its shapes."""
    return (
        f'  <image id="{number}" name={quoteattr(name)} width="{size[0]}" height="{size[1]}">\n'
        f"{shapes}  </image>\n"
    )


def skeleton_element(label: str, source: str, points: str) -> str:
    """Return a skeleton on an image; `source` is `auto` or `manual`."""
    return (
        f'    <skeleton label={quoteattr(label)} source="{source}" z_order="0">\n'
        f"{points}    </skeleton>\n"
    )


def point_element(
    name: str,
    x: float,
    y: float,
    *,
    source: str,
    outside: bool,
    occluded: bool,
    more: str = "",
) -> str:
    """Return a keypoint of a skeleton; `outside` is one that is not there."""
    return (
        f'      <points label={quoteattr(name)} source="{source}"{more} outside="{outside:d}" '
        f'occluded="{occluded:d}" points="{x:.2f},{y:.2f}"/>\n'
    )


def label_definition(skeleton: Skeleton, name: str) -> dict[str, Any]:
    """Return a label of a task: the keypoints in two columns, which people may rearrange."""
    names = skeleton.keypoint_names
    rows = (len(names) + 1) // 2
    places = [
        (
            _PICTURE * (1 + 2 * (index // rows)) / 4,
            _PICTURE * (1 + index % rows) / (rows + 1),
        )
        for index in range(len(names))
    ]
    lines = "".join(
        f'<line x1="{places[a][0]:.1f}" y1="{places[a][1]:.1f}" x2="{places[b][0]:.1f}" '
        f'y2="{places[b][1]:.1f}" data-type="edge" data-node-from="{a + 1}" '
        f'data-node-to="{b + 1}"></line>'
        for a, b in skeleton.links
    )
    circles = "".join(
        f'<circle r="1.5" cx="{x:.1f}" cy="{y:.1f}" data-type="element node" '
        f'data-element-id="{index}" data-node-id="{index}" data-label-name={quoteattr(point)}>'
        "</circle>"
        for index, (point, (x, y)) in enumerate(zip(names, places, strict=True), start=1)
    )
    sublabels = [{"name": point, "type": "points", "attributes": []} for point in names]
    return {
        "name": name,
        "type": "skeleton",
        "attributes": [],
        "sublabels": sublabels,
        "svg": lines + circles,
    }


def read_cvat(source: Path, images: Path | None = None) -> LabelSet:
    """Read an export by its XML file or the folder that its archive was unpacked to.

    Skeletons are instances. Points outside of skeletons go together by `group_id`, else by the
    box that they lie in; a shape of several points is an instance whose keypoints are numbered.
    A point that is `occluded` is hidden, one that is `outside` not labelled.

    Args:
        source: the file or folder.
        images: folder of the pictures; beside the file or in `images` there by default.

    Raises:
        DataError: with file, image and reason.
    """
    path = _xml_of(source)
    try:
        root = ElementTree.parse(path).getroot()
    except OSError as error:
        raise DataError(f"{path}: {error.strerror or error}") from error
    except ElementTree.ParseError as error:
        raise DataError(f"{path}: not an XML file: {error}") from error
    if root.tag != "annotations":
        raise DataError(f"{path}: the element annotations expected, got {root.tag}")
    if root.find("track") is not None:
        raise DataError(f"{path}: tracks of a video; export it as 'CVAT for images 1.1'")
    skeleton = _skeleton(root, path)
    folders = [images] if images is not None else [path.parent / "images", path.parent]
    labelled = []
    for element in root.iterfind("image"):
        name = element.get("name")
        where = f"{path}: image {element.get('id')} {name}"
        if not name:
            raise DataError(f"{where}: it has no name")
        file = find_picture(name, folders, where)
        subset = element.get("subset")
        labelled.append(
            LabelledImage(
                name=picture_name(file, folders),
                picture=FilePicture(file),
                instances=_instances(element, skeleton, where),
                split=None if subset in (None, "", "default") else str(subset).lower(),
            )
        )
    return LabelSet(skeleton=skeleton, images=labelled)


def write_cvat(labels: LabelSet, out: Path, link: bool = False) -> None:
    """Write `annotations.xml`, `labels.json` for the task's constructor, and the pictures.

    Args:
        labels: what to write.
        out: the folder.
        link: link to pictures that are files.

    Raises:
        DataError: if a picture cannot be read.
    """
    out.mkdir(parents=True, exist_ok=True)
    categories = labels.categories()
    definitions = [label_definition(labels.skeleton, name) for name in categories]
    (out / "labels.json").write_text(json.dumps(definitions, indent=2), encoding="utf-8")
    with (out / _FILE).open("w", encoding="utf-8") as file:
        file.write(XML_LEAD + meta_element(labels.skeleton, categories, "annotation"))
        for number, image in enumerate(labels.images):
            shapes = "".join(_shape(each, labels.skeleton) for each in image.instances)
            file.write(image_element(number, image.name, image.picture.size, shapes))
        file.write(XML_END)
    save_pictures(((i.picture, out / "images" / i.name) for i in labels.images), link)


def _shape(instance: Instance, skeleton: Skeleton) -> str:
    named = zip(skeleton.keypoint_names, instance.keypoints, instance.visibility, strict=True)
    points = "".join(
        point_element(
            name,
            x if seen else 0.0,
            y if seen else 0.0,
            source="manual",
            outside=not seen,
            occluded=bool(seen == 1),
        )
        for name, (x, y), seen in named
    )
    return skeleton_element(instance.category, "manual", points)


def _skeleton(root: ElementTree.Element, path: Path) -> Skeleton:
    """Return the skeleton: of the task's labels where they say it, else of what is used."""
    names: list[str] = []
    links: list[tuple[int, int]] = []
    name = "object"
    labels = list(root.iterfind("meta//label"))
    parents = list(
        dict.fromkeys(text for label in labels if (text := label.findtext("parent")) is not None)
    )
    if parents:
        name = parents[0]
        below = {
            parent: [str(e.findtext("name")) for e in labels if e.findtext("parent") == parent]
            for parent in parents
        }
        names = below[name]
        for parent, theirs in below.items():
            if theirs != names:
                raise DataError(
                    f"{path}: the skeletons {name!r} and {parent!r} have different points"
                )
        drawing = next((e.findtext("svg") for e in labels if e.findtext("name") == name), None)
        links = [(int(a) - 1, int(b) - 1) for a, b in _EDGE.findall(drawing or "")]
    else:
        for element in root.iterfind("image/points"):
            count = len(str(element.get("points")).split(";"))
            used = (
                [str(element.get("label"))]
                if count == 1
                else [f"{element.get('label')}_{number}" for number in range(1, count + 1)]
            )
            names += [each for each in used if each not in names]
    if not names:
        raise DataError(f"{path}: no skeleton and no points in it")
    ends = [[names[a], names[b]] for a, b in links if max(a, b) < len(names)]
    return make_skeleton(name, names, path, links=ends)


def _instances(image: ElementTree.Element, skeleton: Skeleton, where: str) -> list[Instance]:
    found, points, boxes = [], [], []
    for element in image:
        label = str(element.get("label"))
        if element.tag == "skeleton":
            found.append(_of_skeleton(element, skeleton, where))
        elif element.tag == "box":
            left, top = _number(element, "xtl", where), _number(element, "ytl", where)
            box = (left, top, _number(element, "xbr", where), _number(element, "ybr", where))
            group = _group(element)
            boxes.append(LooseBox(category=label, box=box, group=group))
        elif element.tag == "points" and element.get("outside") != "1":
            places = _places(element, where)
            if len(places) > 1:
                names = [f"{label}_{number}" for number in range(1, len(places) + 1)]
                keypoints = np.full((skeleton.num_keypoints, 2), np.nan)
                keypoints[[skeleton.keypoint_names.index(name) for name in names]] = places
                found.append(Instance.of(keypoints, label))
                continue
            _check_known(label, skeleton, where)
            x, y = places[0]
            points.append(
                LoosePoint(
                    name=label,
                    x=x,
                    y=y,
                    visibility=1 if element.get("occluded") == "1" else 2,
                    group=_group(element),
                )
            )
    if not points:
        # Boxes round skeletons say no more than these do.
        return found if found else group_points([], boxes, [*skeleton.keypoint_names], "", where)
    return found + group_points(points, boxes, skeleton.keypoint_names, skeleton.name, where)


def _of_skeleton(element: ElementTree.Element, skeleton: Skeleton, where: str) -> Instance:
    keypoints = np.full((skeleton.num_keypoints, 2), np.nan)
    visibility = np.zeros(skeleton.num_keypoints, np.int64)
    for point in element.iterfind("points"):
        name = str(point.get("label"))
        _check_known(name, skeleton, where)
        if point.get("outside") != "1":
            index = skeleton.keypoint_names.index(name)
            keypoints[index] = _places(point, where)[0]
            visibility[index] = 1 if point.get("occluded") == "1" else 2
    return Instance.of(keypoints, str(element.get("label")), visibility)


def _check_known(name: str, skeleton: Skeleton, where: str) -> None:
    if name not in skeleton.keypoint_names:
        raise DataError(f"{where}: points: the labels of the task have no {name!r}")


def _places(element: ElementTree.Element, where: str) -> list[tuple[float, float]]:
    text = str(element.get("points"))
    try:
        places = [tuple(map(float, pair.split(","))) for pair in text.split(";")]
    except ValueError:
        places = [()]
    if any(len(place) != 2 for place in places):
        raise DataError(f"{where}: points {element.get('label')}: 'x,y;x,y' expected, got {text!r}")
    return places  # type: ignore[return-value]


def _number(element: ElementTree.Element, key: str, where: str) -> float:
    try:
        return float(str(element.get(key)))
    except ValueError:
        raise DataError(
            f"{where}: box: {key}: a number expected, got {element.get(key)!r}"
        ) from None


def _group(element: ElementTree.Element) -> str | None:
    group = element.get("group_id")
    return None if group in (None, "", "0") else group


def _xml_of(source: Path) -> Path:
    if not source.is_dir():
        return source
    files = [path for path in sorted(source.glob("*.xml")) if _is_cvat(path)]
    if not files:
        raise DataError(f"{source}: no XML of CVAT in this folder")
    return files[0]


def _is_cvat(path: Path) -> bool:
    with path.open("rb") as file:
        return b"<annotations" in file.read(4096)


def _recognises(source: Path) -> bool:
    files = sorted(source.glob("*.xml")) if source.is_dir() else [source]
    return any(path.suffix == ".xml" and _is_cvat(path) for path in files)


FORMAT = Format(
    name="cvat",
    title="CVAT for images 1.1 (XML)",
    recognises=_recognises,
    read=read_cvat,
    write=write_cvat,
    keeps=frozenset({"categories", "hidden keypoints"}),
)
