"""DeepLabCut projects: `config.yaml` and `labeled-data/VIDEO/CollectedData_SCORER.csv` or `.h5`.

Source of the format: DeepLabCut's documentation, "Standard user guide" and "Multi-animal user
guide".
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from raypose.converters.checked import list_of, name_of, read_yaml
from raypose.converters.dlc_hdf import read_hdf
from raypose.converters.dlc_table import SINGLE, LabelTable, read_csv, write_csv
from raypose.converters.formats import Format
from raypose.converters.labels import Instance, LabelledImage, LabelSet
from raypose.converters.pictures import FilePicture, find_picture, save_pictures
from raypose.converters.skeleton_files import make_skeleton
from raypose.errors import DataError
from raypose.structures import Skeleton

_LABELED = "labeled-data"
_SCORER = "raypose"
_MULTI = "MULTI!"


def read_deeplabcut(source: Path, images: Path | None = None) -> LabelSet:
    """Read a project by its folder or its `config.yaml`.

    A picture's place is looked up below `labeled-data`, whatever computer the project is from.
    Body parts that are there once beside several animals (`uniquebodyparts`) are left out, and so
    are pictures in which nothing is labelled.

    Args:
        source: folder or `config.yaml`.
        images: folder that has `labeled-data` of the pictures, that of the project by default.

    Raises:
        DataError: if a file is broken or a picture is not there.
    """
    config_path = source / "config.yaml" if source.is_dir() else source
    config = read_yaml(config_path)
    root = config_path.parent
    parts = _names(config, _parts_key(config), config_path)
    unique_parts = _names(config, "uniquebodyparts", config_path)
    if not parts:
        raise DataError(f"{config_path}: {_parts_key(config)}: names of body parts expected")
    skeleton = _skeleton(config, parts, config_path)
    # Elsewhere the names of individuals are places for any of them.
    is_identity = bool(config.get("identity"))
    tables = _tables(root, str(config.get("scorer", "")))
    if not tables:
        raise DataError(f"{root}: no CollectedData_*.csv or .h5 in a folder of {_LABELED}")
    labelled, blank, unique = [], 0, False
    for path, table in tables:
        _check_parts(table, parts, unique_parts, path)
        individuals = list(dict.fromkeys(name for name, _ in table.columns if name != SINGLE))
        unique |= any(name == SINGLE for name, _ in table.columns)
        found = {name: table.of(name, parts) for name in individuals}
        for row, name in enumerate(table.pictures):
            instances = [
                Instance.of(points[row], skeleton.name, track=individual if is_identity else None)
                for individual, points in found.items()
                if np.isfinite(points[row]).any()
            ]
            if not instances:
                blank += 1
                continue
            video, file_name = path.parent.name, name.rsplit("/", 1)[-1]
            folder = (images or root) / _LABELED / video
            picture = find_picture(file_name, [folder], f"{path}: {name}")
            labelled.append(
                LabelledImage(
                    name=f"{video}/{file_name}",
                    picture=FilePicture(picture),
                    instances=instances,
                    video=video,
                    frame=_frame_number(file_name),
                )
            )
    notes = [f"{blank} pictures in which nothing is labelled"] if blank else []
    if unique:
        notes.append(f"the body parts of no animal: {', '.join(unique_parts)}")
    return LabelSet(skeleton=skeleton, images=labelled, notes=notes)


def write_deeplabcut(labels: LabelSet, out: Path, link: bool = False) -> None:
    """Write a project; `deeplabcut.convertcsv2h5` makes its h5 files from the csv.

    A project of several animals is written where pictures show several or tracks say who is who.

    Args:
        labels: what to write.
        out: folder of the project.
        link: link to pictures that are files.

    Raises:
        DataError: if a picture cannot be read.
    """
    names = list(labels.skeleton.keypoint_names)
    individuals, is_identity = _individuals(labels)
    placed = place_images(labels)
    for folder, images in placed.items():
        (out / _LABELED / folder).mkdir(parents=True, exist_ok=True)
        table = _table(folder, images, individuals, is_identity, names)
        write_csv(table, out / _LABELED / folder / f"CollectedData_{_SCORER}.csv", _SCORER, True)
    config: dict[str, Any] = {
        "Task": labels.skeleton.name,
        "scorer": _SCORER,
        "multianimalproject": bool(individuals),
        "project_path": str(out.resolve()),
        "video_sets": {f"videos/{folder}.mp4": {} for folder in placed},
        "bodyparts": _MULTI if individuals else names,
    }
    if individuals:
        config.update(individuals=individuals, multianimalbodyparts=names, uniquebodyparts=[])
        config.update(identity=is_identity)
    config["skeleton"] = [[names[a], names[b]] for a, b in labels.skeleton.links]
    (out / "config.yaml").write_text(yaml.safe_dump(config, sort_keys=False), encoding="utf-8")
    save_pictures(
        (
            (image.picture, out / _LABELED / folder / file)
            for folder, images in placed.items()
            for file, image in images
        ),
        link,
    )


def place_images(labels: LabelSet) -> dict[str, list[tuple[str, LabelledImage]]]:
    """Return the images by folder of `labeled-data`, each with its file name there.

    Raises:
        DataError: if two would have the same place.
    """
    placed: dict[str, dict[str, LabelledImage]] = {}
    for image in labels.images:
        folder, _, file = image.name.rpartition("/")
        members = placed.setdefault(folder.replace("/", "_") or "images", {})
        if file in members:
            raise DataError(f"{members[file].name} and {image.name} would be the same file")
        members[file] = image
    return {folder: list(members.items()) for folder, members in placed.items()}


def _parts_key(config: Mapping[str, Any]) -> str:
    return "multianimalbodyparts" if config.get("multianimalproject") else "bodyparts"


def _names(config: Mapping[str, Any], key: str, path: Path) -> list[str]:
    where = f"{path}: {key}"
    names = list_of(config.get(key), where)
    return [name_of(name, f"{where}.{number}") for number, name in enumerate(names)]


def _skeleton(config: Mapping[str, Any], parts: list[str], path: Path) -> Skeleton:
    links = []
    for number, link in enumerate(list_of(config.get("skeleton"), f"{path}: skeleton")):
        ends = list_of(link, f"{path}: skeleton.{number}")
        # A line may go on through several parts; a new project has an example of parts that it
        # does not have.
        links += [list(pair) for pair in pairwise(ends) if all(end in parts for end in pair)]
    return make_skeleton(str(config.get("Task") or "animal"), parts, path, links=links)


def _tables(root: Path, scorer: str) -> list[tuple[Path, LabelTable]]:
    """Return the tables of all videos: csv, which people mend, before h5."""
    found = []
    for folder in sorted(path for path in (root / _LABELED).glob("*") if path.is_dir()):
        for name in (f"CollectedData_{scorer}", "CollectedData_*"):
            files = [*sorted(folder.glob(f"{name}.csv")), *sorted(folder.glob(f"{name}.h5"))]
            if files:
                read = read_csv if files[0].suffix == ".csv" else read_hdf
                found.append((files[0], read(files[0])))
                break
    return found


def _check_parts(table: LabelTable, parts: list[str], unique_parts: list[str], path: Path) -> None:
    known = {*parts, *unique_parts}
    strange = [part for _, part in table.columns if part not in known]
    if strange:
        raise DataError(
            f"{path}: bodyparts: {strange[0]!r} is none of the project's ({', '.join(parts)})"
        )


def _frame_number(file_name: str) -> int | None:
    """Return the number in names such as img0042.png, which DeepLabCut extracts frames to."""
    digits = file_name.rsplit(".", 1)[0].removeprefix("img")
    return int(digits) if digits.isdecimal() else None


def _individuals(labels: LabelSet) -> tuple[list[str], bool]:
    """Return the names of the animals, none for a single one, and whether they say who is who."""
    tracks = labels.tracks()
    most = max((len(image.instances) for image in labels.images), default=0)
    if most <= 1 and len(tracks) <= 1:
        return [], False
    if tracks and all(each.track for image in labels.images for each in image.instances):
        return tracks, True
    return [f"individual{number}" for number in range(1, most + 1)], False


def _table(
    folder: str,
    images: list[tuple[str, LabelledImage]],
    individuals: list[str],
    is_identity: bool,
    names: list[str],
) -> LabelTable:
    owners = individuals or [""]
    points = np.full((len(images), len(owners), len(names), 2), np.nan)
    for row, (_, image) in enumerate(images):
        for number, instance in enumerate(image.instances):
            place = owners.index(str(instance.track)) if is_identity else number
            if np.isfinite(points[row, place]).any():
                raise DataError(f"{image.name}: the track {instance.track} is there twice")
            points[row, place] = instance.keypoints
    return LabelTable(
        columns=[(owner, name) for owner in owners for name in names],
        pictures=[f"{_LABELED}/{folder}/{file}" for file, _ in images],
        points=points.reshape(len(images), -1, 2),
    )


def _recognises(source: Path) -> bool:
    folder = source if source.is_dir() else source.parent
    is_config = source.is_dir() or source.name == "config.yaml"
    return (
        is_config
        and (folder / "config.yaml").is_file()
        and (folder / _LABELED).is_dir()
        and any((folder / _LABELED).glob("*/CollectedData_*"))
    )


FORMAT = Format(
    name="deeplabcut",
    title="DeepLabCut project",
    recognises=_recognises,
    read=read_deeplabcut,
    write=write_deeplabcut,
    keeps=frozenset({"tracks"}),
)
