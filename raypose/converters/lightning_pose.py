"""Lightning Pose data folders: a csv of labels for each view, and the config that names them.

Source of the format: Lightning Pose's documentation, "Organizing your data".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from raypose.converters.checked import list_of, mapping_of, name_of, read_yaml
from raypose.converters.deeplabcut import place_images
from raypose.converters.dlc_table import LabelTable, read_csv, write_csv
from raypose.converters.formats import Format
from raypose.converters.labels import Instance, LabelledImage, LabelSet
from raypose.converters.pictures import FilePicture, find_picture, save_pictures
from raypose.converters.skeleton_files import make_skeleton
from raypose.errors import DataError

_LABELED = "labeled-data"
_SCORER = "raypose"
_TABLE = "CollectedData.csv"


def read_lightning_pose(source: Path, images: Path | None = None) -> LabelSet:
    """Read a data folder, its config or a csv of labels.

    Of several views, rows of the same number show the same moment. Pictures in which nothing is
    labelled are left out.

    Args:
        source: the folder, with a config (`data.csv_file`) in it or in `configs`, the config, or
            a csv.
        images: folder that the paths of pictures start from, that of the csv by default.

    Raises:
        DataError: if a file is broken or a picture is not there.
    """
    config = _layout(source)
    folders = [config.root] if images is None else [images]
    tables = {view: (path, read_csv(path)) for view, path in config.files.items()}
    (first, table), *_ = tables.values()
    parts = [part for _, part in table.columns]
    count = len(table.pictures)
    names = config.keypoints or parts
    if sorted(names) != sorted(parts):
        raise DataError(f"{first}: its body parts are not the config's data.keypoint_names")
    skeleton = make_skeleton("animal", names, first)
    points = {view: table.of("", names) for view, (_, table) in tables.items()}
    for path, table in tables.values():
        if len(table.pictures) != count:
            raise DataError(f"{path}: {count} rows expected, as in {first}: views go row by row")
    # Nothing in one view of a moment is an animal that this camera does not see.
    seen = np.array([np.isfinite(found).any(axis=(1, 2)) for found in points.values()])
    is_blank = ~np.any(seen, axis=0)
    labelled = []
    for number, (view, (path, table)) in enumerate(tables.items()):
        for row, name in enumerate(table.pictures):
            if is_blank[row]:
                continue
            picture = find_picture(name, folders, f"{path}: row {row + 1}")
            instances = [Instance.of(points[view][row], skeleton.name)] if seen[number, row] else []
            labelled.append(
                LabelledImage(
                    name=name.removeprefix(f"{_LABELED}/"),
                    picture=FilePicture(picture),
                    instances=instances,
                    view=view or None,
                    moment=f"{row:06d}" if view else None,
                )
            )
    blank = int(is_blank.sum()) * len(tables)
    notes = [f"{blank} pictures in which nothing is labelled"] if blank else []
    return LabelSet(skeleton=skeleton, images=labelled, notes=notes)


def write_lightning_pose(labels: LabelSet, out: Path, link: bool = False) -> None:
    """Write a csv for each view, the pictures and `config.yaml` with the section `data`.

    Args:
        labels: what to write, one instance a picture at most.
        out: the folder.
        link: link to pictures that are files.

    Raises:
        DataError: if a picture shows several instances or cannot be read.
    """
    out.mkdir(parents=True, exist_ok=True)
    names = list(labels.skeleton.keypoint_names)
    crowded = next((image for image in labels.images if len(image.instances) > 1), None)
    if crowded is not None:
        raise DataError(
            f"{crowded.name}: Lightning Pose knows one animal a picture, here are "
            f"{len(crowded.instances)}"
        )
    paths = {
        id(image): f"{_LABELED}/{folder}/{file}"
        for folder, images in place_images(labels).items()
        for file, image in images
    }
    views = list(dict.fromkeys(image.view for image in labels.images if image.view))
    files = [f"{view}.csv" for view in views] or [_TABLE]
    moments = list(dict.fromkeys(image.moment for image in labels.images)) if views else []
    for view, file in zip(views or [None], files, strict=True):
        members = [image for image in labels.images if image.view == view]
        if views:
            by_moment = {image.moment: image for image in members}
            lacking = [moment for moment in moments if moment not in by_moment]
            if lacking:
                raise DataError(f"the view {view} lacks the moment {lacking[0]}, others have it")
            members = [by_moment[moment] for moment in moments]
        points = np.full((len(members), len(names), 2), np.nan)
        for row, image in enumerate(members):
            for instance in image.instances:
                points[row] = instance.keypoints
        table = LabelTable(
            columns=[("", name) for name in names],
            pictures=[paths[id(image)] for image in members],
            points=points,
        )
        write_csv(table, out / file, _SCORER, False)
    data: dict[str, Any] = {
        "data_dir": str(out.resolve()),
        "video_dir": "videos",
        "csv_file": files if views else files[0],
        "keypoint_names": names,
        "num_keypoints": len(names),
    }
    if views:
        data["view_names"] = views
    text = yaml.safe_dump({"data": data}, sort_keys=False)
    (out / "config.yaml").write_text(text, encoding="utf-8")
    save_pictures(((i.picture, out / paths[id(i)]) for i in labels.images), link)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Layout:
    """What lies where: the csv of each view ("" if there is one only), and their keypoints.

    `keypoints` is empty where no config names them.
    """

    root: Path
    files: dict[str, Path]
    keypoints: list[str]


def _layout(source: Path) -> _Layout:
    if source.suffix == ".csv":
        return _Layout(root=source.parent, files={"": source}, keypoints=[])
    path = _config_of(source) if source.is_dir() else source
    if path is None:
        return _Layout(root=source, files={"": source / _TABLE}, keypoints=[])
    data = mapping_of(read_yaml(path).get("data"), f"{path}: data")
    where = f"{path}: data.keypoint_names"
    keypoints = [name_of(each, where) for each in list_of(data.get("keypoint_names"), where)]
    files, names = data.get("csv_file"), [""]
    if isinstance(files, list):
        where = f"{path}: data.view_names"
        names = [name_of(view, where) for view in list_of(data.get("view_names"), where)]
        if len(names) != len(files):
            raise DataError(f"{where}: as many names as data.csv_file has expected, got {names}")
    else:
        files = [files]
    files = [name_of(file, f"{path}: data.csv_file") for file in files]
    # The folder may have moved since, or lie apart from its config.
    folders = [source if source.is_dir() else path.parent, Path(str(data.get("data_dir")))]
    root = next((f for f in folders if (f / files[0]).is_file()), folders[0])
    paths = {view: root / file for view, file in zip(names, files, strict=True)}
    return _Layout(root=root, files=paths, keypoints=keypoints)


def _config_of(folder: Path) -> Path | None:
    for path in (*sorted(folder.glob("*.yaml")), *sorted(folder.glob("configs/*.yaml"))):
        if _is_config(path):
            return path
    return None


def _is_config(path: Path) -> bool:
    try:
        data = read_yaml(path).get("data")
    except DataError:
        return False
    return isinstance(data, Mapping) and bool(data.get("csv_file"))


def _recognises(source: Path) -> bool:
    if source.is_dir():
        return (source / _TABLE).is_file() or _config_of(source) is not None
    if source.suffix in (".yaml", ".yml"):
        return _is_config(source)
    if source.suffix != ".csv":
        return False
    with source.open(encoding="utf-8", errors="replace") as file:
        return file.readline().startswith("scorer")


FORMAT = Format(
    name="lightning-pose",
    title="Lightning Pose data folder",
    recognises=_recognises,
    read=read_lightning_pose,
    write=write_lightning_pose,
)
