"""Data sets of Ultralytics' YOLO-pose: `data.yaml`, and a text file beside each picture's folder.

A line of a text file is an instance: class, box (cx, cy, w, h), then x, y and maybe a visibility
of each keypoint, places in parts of the picture's size.
Source of the format: https://docs.ultralytics.com/datasets/pose/.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from raypose.converters.checked import list_of, name_of, number_of, read_yaml
from raypose.converters.formats import Format
from raypose.converters.labels import Instance, LabelledImage, LabelSet, numbered_names
from raypose.converters.pictures import FilePicture, save_pictures
from raypose.converters.skeleton_files import make_skeleton
from raypose.errors import DataError
from raypose.ops.image_files import IMAGE_SUFFIXES
from raypose.structures import Skeleton

_DIGITS = 6


def read_yolo_pose(source: Path, images: Path | None = None) -> LabelSet:
    """Read a data set by its folder or its `data.yaml`.

    Args:
        source: the folder or file.
        images: folder that `train`, `val` and `test` start from, instead of `path`.

    Raises:
        DataError: with file, line and reason.
    """
    path = _config_of(source) if source.is_dir() else source
    if path is None:
        raise DataError(f"{source}: no YAML with kpt_shape in this folder")
    config = read_yaml(path)
    categories = _categories(config, path)
    skeleton, dims = _skeleton(config, categories, path)
    root = images or _root(config, path)
    labelled = []
    for split in ("train", "val", "test"):
        for file in _pictures(config.get(split), root, path, split):
            labels = _labels_of(file)
            picture = FilePicture(file)
            labelled.append(
                LabelledImage(
                    name=_name(file, split),
                    picture=picture,
                    instances=list(_instances(labels, picture, skeleton, dims, categories)),
                    split=split,
                )
            )
    if not labelled:
        raise DataError(f"{path}: train, val and test: no pictures below {root}")
    # Each split numbers its pictures by itself: then the split is part of their names.
    if len({image.name for image in labelled}) < len(labelled):
        labelled = [replace(image, name=f"{image.split}/{image.name}") for image in labelled]
    is_unnamed = not config.get("kpt_names")
    return LabelSet(skeleton=skeleton, images=labelled, is_unnamed=is_unnamed)


def write_yolo_pose(labels: LabelSet, out: Path, link: bool = False) -> None:
    """Write `data.yaml`, `images/SPLIT` and `labels/SPLIT`.

    Args:
        labels: what to write.
        out: folder of the data set.
        link: link to pictures that are files.

    Raises:
        DataError: if a picture cannot be read.
    """
    out.mkdir(parents=True, exist_ok=True)
    skeleton, categories = labels.skeleton, labels.categories()
    splits = labels.splits()
    content: dict[str, Any] = {
        "path": str(out.resolve()),
        **{split: f"images/{split}" for split in splits},
        "kpt_shape": [skeleton.num_keypoints, 3],
        "flip_idx": list(skeleton.flip_indices),
        "names": dict(enumerate(categories)),
        "kpt_names": {n: list(skeleton.keypoint_names) for n in range(len(categories))},
    }
    (out / "data.yaml").write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
    pictures = []
    for split, members in splits.items():
        for image in members:
            pictures.append((image.picture, out / "images" / split / image.name))
            file = (out / "labels" / split / image.name).with_suffix(".txt")
            if file.exists():
                raise DataError(f"{image.name}: another picture's labels are in {file} already")
            file.parent.mkdir(parents=True, exist_ok=True)
            size = image.picture.size
            lines = [_line(each, categories.index(each.category), size) for each in image.instances]
            file.write_text("".join(lines), encoding="utf-8")
    save_pictures(pictures, link)


def _line(instance: Instance, category: int, size: tuple[int, int]) -> str:
    width, height = size
    left, top, right, bottom = instance.box(size)
    numbers = [
        (left + right) / 2 / width,
        (top + bottom) / 2 / height,
        (right - left) / width,
        (bottom - top) / height,
    ]
    cells = [f"{number:.{_DIGITS}f}" for number in numbers]
    for (x, y), seen in zip(instance.keypoints, instance.visibility, strict=True):
        place = (x / width, y / height) if seen else (0.0, 0.0)
        cells += [*(f"{number:.{_DIGITS}f}" for number in place), str(seen)]
    return " ".join([str(category), *cells]) + "\n"


def _categories(config: Mapping[str, Any], path: Path) -> dict[int, str]:
    """Return the classes by number."""
    where, names = f"{path}: names", config.get("names")
    if isinstance(names, Mapping):
        return {int(number_of(key, where)): name_of(each, where) for key, each in names.items()}
    return {i: name_of(each, f"{where}.{i}") for i, each in enumerate(list_of(names, where))}


def _skeleton(
    config: Mapping[str, Any], categories: Mapping[int, str], path: Path
) -> tuple[Skeleton, int]:
    """Return the skeleton and how many numbers a keypoint has."""
    shape = config.get("kpt_shape")
    if (
        not isinstance(shape, list)
        or [type(n) for n in shape] != [int, int]
        or shape[1] not in (2, 3)
    ):
        raise DataError(
            f"{path}: kpt_shape: the number of keypoints and 2 or 3 expected, got {shape!r}"
        )
    count, dims = shape
    given = config.get("kpt_names")
    if isinstance(given, Mapping):
        given = next(iter(given.values()), None)
    names = [
        name_of(name, f"{path}: kpt_names.{i}")
        for i, name in enumerate(list_of(given, f"{path}: kpt_names"))
    ] or numbered_names(count)
    if len(names) != count:
        raise DataError(f"{path}: kpt_names: {count} names expected, got {len(names)}")
    flips = list_of(config.get("flip_idx"), f"{path}: flip_idx")
    if flips and (set(map(type, flips)) != {int} or sorted(flips) != list(range(count))):
        raise DataError(f"{path}: flip_idx: each number from 0 to {count - 1} once, got {flips}")
    swaps = {names[i]: names[j] for i, j in enumerate(flips)}
    name = next(iter(categories.values()), "object")
    return make_skeleton(name, names, path, swaps=swaps), dims


def _root(config: Mapping[str, Any], path: Path) -> Path:
    """Return what `train` starts from: `path` as it is or beside the file, else its folder."""
    given = config.get("path")
    if given is not None:
        for folder in (Path(str(given)), path.parent / str(given)):
            if folder.is_dir():
                return folder
    return path.parent


def _pictures(entry: Any, root: Path, path: Path, split: str) -> Iterator[Path]:
    """Yield the pictures of a split: of folders, or named in text files."""
    for name in [] if entry is None else entry if isinstance(entry, list) else [entry]:
        place = root / str(name)
        if place.is_dir():
            yield from (p for p in sorted(place.rglob("*")) if p.suffix.lower() in IMAGE_SUFFIXES)
        elif place.suffix == ".txt" and place.is_file():
            for number, line in enumerate(place.read_text(encoding="utf-8").splitlines(), 1):
                if line.strip():
                    file = place.parent / line.strip()
                    if not file.is_file():
                        raise DataError(f"{place}:{number}: no picture at {file}")
                    yield file
        else:
            raise DataError(f"{path}: {split}: no folder of pictures or list of them at {place}")


def _labels_of(picture: Path) -> Path:
    """Return the text file of a picture: `labels` in place of the last `images` of its path."""
    parts = list(picture.parts)
    places = [index for index, part in enumerate(parts) if part == "images"]
    if places:
        parts[places[-1]] = "labels"
    return Path(*parts).with_suffix(".txt")


def _name(picture: Path, split: str) -> str:
    """Return the path below `images/SPLIT`."""
    parts = picture.parts
    places = [index for index, part in enumerate(parts) if part == "images"]
    below = parts[places[-1] + 1 :] if places else parts[-1:]
    return "/".join(below[1:] if len(below) > 1 and below[0] == split else below)


def _instances(
    file: Path,
    picture: FilePicture,
    skeleton: Skeleton,
    dims: int,
    categories: Mapping[int, str],
) -> Iterator[Instance]:
    """Yield the instances of a text file; a picture without one shows none."""
    if not file.is_file():
        return
    width, height = picture.size
    expected = 5 + dims * skeleton.num_keypoints
    for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
        if not line.strip():
            continue
        try:
            cells = np.array(line.split(), np.float64)
        except ValueError as error:
            raise DataError(f"{file}:{number}: numbers expected: {error}") from error
        if len(cells) != expected:
            raise DataError(f"{file}:{number}: {expected} numbers expected, got {len(cells)}")
        if int(cells[0]) not in categories:
            raise DataError(f"{file}:{number}: names: the class {cells[0]:g} has none")
        cx, cy, w, h = cells[1:5] * (width, height, width, height)
        points = cells[5:].reshape(-1, dims)
        # Without a visibility, a keypoint in the corner is not labelled.
        seen = points[:, 2] if dims == 3 else 2 * (points != 0).any(axis=1)
        if not np.isin(seen, (0, 1, 2)).all():
            raise DataError(
                f"{file}:{number}: the visibility of a keypoint is 0, 1 or 2, got {seen.tolist()}"
            )
        yield Instance.of(
            points[:, :2] * (width, height),
            categories[int(cells[0])],
            seen,
            (cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2),
        )


def _config_of(folder: Path) -> Path | None:
    files = (path for suffix in ("yaml", "yml") for path in sorted(folder.glob(f"*.{suffix}")))
    return next((path for path in files if _is_config(path)), None)


def _is_config(path: Path) -> bool:
    try:
        return "kpt_shape" in read_yaml(path)
    except DataError:
        return False


def _recognises(source: Path) -> bool:
    if source.is_dir():
        return _config_of(source) is not None
    return source.suffix in (".yaml", ".yml") and _is_config(source)


FORMAT = Format(
    name="yolo-pose",
    title="YOLO-pose data set",
    recognises=_recognises,
    read=read_yolo_pose,
    write=write_yolo_pose,
    keeps=frozenset({"boxes", "categories", "hidden keypoints", "splits"}),
)
