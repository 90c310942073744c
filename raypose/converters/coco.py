"""COCO json of the keypoint task, read and written: a file for each split, and a config."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from raypose.converters.checked import list_of
from raypose.converters.coco_entries import area, category_entry, image_entry, triples, xywh
from raypose.converters.formats import Format
from raypose.converters.labels import Box, Instance, LabelledImage, LabelSet, numbered_names
from raypose.converters.pictures import (
    FilePicture,
    FramePicture,
    Picture,
    find_picture,
    picture_name,
    save_pictures,
)
from raypose.converters.skeleton_files import SKELETON_FILE, make_skeleton, write_skeleton
from raypose.datasets.coco_annotations import (
    CocoAnnotations,
    check_order,
    flat_keypoints,
    pose_categories,
    read_annotations,
    read_json,
    skeleton_of,
)
from raypose.datasets.coco_fields import check_fields
from raypose.errors import ConfigError, DataError
from raypose.structures import Skeleton

_DIGITS = 4
_SPLITS = ("train", "val", "test")
_RECIPE = "examples/openfield"
# For one animal a picture that nobody drew a box round: no detector would find it in a video.
_WHOLE_RECIPE = "examples/openfield_whole"
_LONG_SIDE = 256
_CONFIG = "config.yaml"
_IMAGES = "images"


def read_coco(source: Path, images: Path | None = None) -> LabelSet:
    """Read a file, or a folder with one for each split (`train.json`, `val.json`, ...).

    Crowds and annotations without keypoints are left out. A picture that is not there is taken
    from the video that its entry names, as `video` and `frame_id`.

    Args:
        source: the file or folder.
        images: folder of the pictures, near the file by default.

    Raises:
        DataError: if a file is broken or a picture is not there.
    """
    if source.is_dir():
        files = {path.stem: path for path in sorted(source.glob("*.json")) if _is_coco(path)}
        # Others beside these are no splits.
        files = {name: files[name] for name in _SPLITS if name in files} or files
        if not files:
            raise DataError(f"{source}: no COCO-keypoints json in this folder")
        parts = [_read_file(path, images, split) for split, path in files.items()]
    else:
        parts = [_read_file(source, images, None)]
    skeleton = parts[0].skeleton
    for part in parts[1:]:
        if part.skeleton.keypoint_names != skeleton.keypoint_names:
            raise DataError(f"{source}: its files have keypoints of different names or order")
    return LabelSet(
        skeleton=skeleton,
        images=[image for part in parts for image in part.images],
        is_unnamed=parts[0].is_unnamed,
        notes=[note for part in parts for note in part.notes],
    )


def write_coco(labels: LabelSet, out: Path, link: bool = False) -> None:
    """Write a json for each split, the pictures, the skeleton and a config to train with.

    Args:
        labels: what to write.
        out: folder of `train.json`, ..., `images/`, `skeleton.yaml` and `config.yaml`, whose
            `data_root` is the folder as it is given here.
        link: link to pictures that are files.

    Raises:
        DataError: if a picture cannot be read.
    """
    (out / _IMAGES).mkdir(parents=True, exist_ok=True)
    write_skeleton(labels.skeleton, out / SKELETON_FILE)
    names = {name: number for number, name in enumerate(labels.categories(), start=1)}
    tracks = _track_numbers(labels.tracks())
    categories = [category_entry(labels.skeleton, name, number) for name, number in names.items()]
    number, annotation_id = 0, 0
    for split, members in labels.splits().items():
        entries, annotations = [], []
        for image in members:
            number += 1
            size = image.picture.size
            name = f"{_IMAGES}/{image.name}"
            entries.append(image_entry(name, number, size, image.video, image.frame))
            annotations += [
                _annotation(each, number, names[each.category], size, tracks)
                for each in image.instances
                if each.is_labelled or each.bbox is not None
            ]
        for annotation in annotations:
            annotation_id += 1
            annotation["id"] = annotation_id
        with (out / f"{split}.json").open("w", encoding="utf-8") as file:
            json.dump(
                {"categories": categories, "images": entries, "annotations": annotations}, file
            )
    save_pictures(((i.picture, out / _IMAGES / i.name) for i in labels.images), link)
    _write_config(labels, out)


def _write_config(labels: LabelSet, out: Path) -> None:
    """Write a config over a recipe that comes with raypose, unless nothing is for training."""
    splits = labels.splits()
    if "train" not in splits:
        return
    whole = labels.is_one_without_boxes()
    lines = [
        f"_base_: {_WHOLE_RECIPE if whole else _RECIPE}",
        yaml.safe_dump({"data_root": out.as_posix()}).strip(),
        f"skeleton: {SKELETON_FILE}",
        f"model: {{head: {{out_channels: {labels.skeleton.num_keypoints}}}}}",
        f"train: {{epochs: {150 if whole else 100}, batch_size: 8}}",
    ]
    if whole:
        w, h = _input_size([image.picture.size for image in labels.images])
        lines.append(f"codec: {{input_size: [{w}, {h}], heatmap_size: [{w // 2}, {h // 2}]}}")
    if "val" not in splits:
        lines.append("data: {val: null}")
    (out / _CONFIG).write_text("\n".join(lines) + "\n", encoding="utf-8")


def _input_size(sizes: list[tuple[int, int]]) -> tuple[int, int]:
    """Return (w, h), multiples of 32, of about the shape of most pictures."""
    shape = float(np.exp(np.median([np.log(w / h) for w, h in sizes])))
    w, h = min(1.0, shape), min(1.0, 1 / shape)
    w, h = (max(32, 32 * round(side * _LONG_SIDE / 32)) for side in (w, h))
    return w, h


def _annotation(
    instance: Instance, image: int, category: int, size: tuple[int, int], tracks: dict[str, int]
) -> dict[str, Any]:
    box = xywh(instance.box(size))
    seen = instance.visibility.tolist()
    # What is not labelled lies at the origin, by the format.
    places = np.nan_to_num(instance.keypoints).tolist()
    entry = {
        "id": 0,
        "image_id": image,
        "category_id": category,
        "bbox": box,
        "area": area(box),
        "iscrowd": 0,
        "keypoints": triples(places, seen),
        "num_keypoints": sum(v > 0 for v in seen),
    }
    if instance.track is not None:
        entry["track_id"] = tracks[instance.track]
    return entry


def _track_numbers(names: list[str]) -> dict[str, int]:
    """Return numbers of tracks: the names where these are numbers, else in their order."""
    if all(name.isdecimal() and name == str(int(name)) for name in names):
        return {name: int(name) for name in names}
    return {name: number for number, name in enumerate(names, start=1)}


def _read_file(path: Path, images: Path | None, split: str | None) -> LabelSet:
    content = read_json(str(path))
    check_fields(content, str(path))
    categories = pose_categories(content, str(path))
    for number, entry in enumerate(categories):
        if "id" not in entry:
            raise DataError(f"{path}: categories.{number}: no id")
    skeleton, notes = _skeleton(categories, content["annotations"], path)
    check_order(skeleton, categories, str(path))
    names = {entry["id"]: str(entry.get("name", skeleton.name)) for entry in categories}
    found = read_annotations(content, str(path), skeleton.num_keypoints, clip_boxes=False)
    _check_visibility(found, path)
    folders = [images] if images is not None else _picture_folders(path)
    entries: Mapping[int, Mapping[str, Any]] = {entry["id"]: entry for entry in content["images"]}
    labelled = []
    for image in found.images:
        entry = entries[image.id]
        name, picture = _picture(image.file_name, entry, folders, f"{path}: image {image.id}")
        labelled.append(
            LabelledImage(
                name=name,
                picture=picture,
                instances=[],
                split=split,
                video=entry.get("video"),
                frame=entry.get("frame_id"),
            )
        )
    # They are single precision here, whose digits beyond these say nothing.
    keypoints = np.round(found.keypoints.astype(np.float64), _DIGITS)
    boxes = np.round(found.bboxes.astype(np.float64), _DIGITS)
    left_out = 0
    for index, place in enumerate(found.image_index):
        category = int(found.category_ids[index])
        if found.iscrowd[index] or category not in names:
            left_out += 1
            continue
        track = None if found.track_ids is None else str(found.track_ids[index])
        labelled[place].instances.append(
            Instance.of(
                keypoints[index],
                names[category],
                found.visibility[index],
                _box_or_none(boxes[index].tolist()),
                track,
            )
        )
    if left_out:
        notes.append(f"{path}: {left_out} crowds or instances without keypoints")
    is_unnamed = not any(entry.get("keypoints") for entry in categories)
    return LabelSet(skeleton=skeleton, images=labelled, is_unnamed=is_unnamed, notes=notes)


def _skeleton(
    categories: list[Mapping[str, Any]], annotations: list[Mapping[str, Any]], path: Path
) -> tuple[Skeleton, list[str]]:
    """Return the skeleton of a file, and what of it is left out.

    Without names, keypoints are numbered. Links that do not fit, such as those that some files
    count from 0, are left out: they are drawn and nothing else.
    """
    if not any(entry.get("keypoints") for entry in categories):
        lengths = (
            len(flat_keypoints(each["keypoints"])) for each in annotations if "keypoints" in each
        )
        names = numbered_names(next(lengths, 0) // 3)
        if not names:
            raise DataError(f"{path}: annotations: none of them has keypoints")
        name = categories[0].get("name") if categories else None
        return make_skeleton(str(name or "object"), names, path), []
    for number, entry in enumerate(categories):
        for key in ("skeleton", "flip_indices", "sigmas"):
            list_of(entry.get(key), f"{path}: categories.{number}.{key}")
    try:
        return skeleton_of(categories, str(path)), []
    except (ConfigError, TypeError) as error:
        problem = f"{path}: categories: {error}"
    try:
        bare = [{**entry, "skeleton": []} for entry in categories]
        return skeleton_of(bare, str(path)), [f"links, {problem}"]
    except (ConfigError, TypeError):
        raise DataError(problem) from None


def _picture(
    name: str, entry: Mapping[str, Any], folders: list[Path], where: str
) -> tuple[str, Picture]:
    """Return what a picture is called and its pixels: a file, or a frame of a video there is."""
    frame = entry.get("frame_id")
    if not any((folder / name).is_file() for folder in folders) and isinstance(frame, int):
        for video in (folder / str(entry.get("video")) for folder in folders):
            if video.is_file():
                return name.removeprefix(f"{_IMAGES}/"), FramePicture(video, frame)
    file = find_picture(name, folders, where)
    return picture_name(file, folders), FilePicture(file)


def _check_visibility(found: CocoAnnotations, path: Path) -> None:
    broken = ~np.isin(found.visibility, (0, 1, 2))
    if broken.any():
        index, keypoint = np.argwhere(broken)[0]
        raise DataError(
            f"{path}: annotation {found.ids[index]}: keypoints: the visibility of keypoint "
            f"{keypoint} is 0, 1 or 2, got {found.visibility[index, keypoint]:g}"
        )


def _box_or_none(box: list[float]) -> Box | None:
    left, top, right, bottom = box
    return (left, top, right, bottom) if right > left and bottom > top else None


def _picture_folders(path: Path) -> list[Path]:
    """Return where pictures of a json may lie: beside it, or in COCO's own arrangement."""
    here, above = path.parent, path.parent.parent
    set_name = path.stem.rpartition("_")[2]
    return [
        here,
        *(here / _IMAGES, above / set_name, above / _IMAGES / set_name, above / _IMAGES, above),
    ]


def _is_coco(path: Path) -> bool:
    if path.suffix != ".json":
        return False
    content = read_json(str(path))
    return isinstance(content, dict) and all(
        isinstance(content.get(key), list) for key in ("images", "annotations")
    )


def _recognises(source: Path) -> bool:
    return any(map(_is_coco, source.glob("*.json"))) if source.is_dir() else _is_coco(source)


FORMAT = Format(
    name="coco",
    title="COCO json of the keypoint task",
    recognises=_recognises,
    read=read_coco,
    write=write_coco,
    keeps=frozenset({"boxes", "categories", "hidden keypoints", "splits", "tracks"}),
)
