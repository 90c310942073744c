"""COCO-keypoints JSON as arrays, checked.

M instances in the order of their images, K keypoints. Everything that is wrong with a file is
reported at once, by the id of the annotation.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from raypose.datasets.base_dataset import check_problems
from raypose.errors import DataError
from raypose.structures import Skeleton

Floats = npt.NDArray[np.float32]
Integers = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class CocoImage:
    """One entry of `images`.

    Attributes:
        id: its number in the file.
        file_name: as written there.
        height: pixels, None where the file does not say.
        width: pixels, likewise.
        crowd_index: how crowded it is, where CrowdPose says so.
    """

    id: int
    file_name: str
    height: int | None
    width: int | None
    crowd_index: float | None

    @property
    def shape(self) -> tuple[int, int] | None:
        """Return (h, w) where the file says it."""
        return None if self.height is None or self.width is None else (self.height, self.width)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CocoAnnotations:
    """The instances of a file.

    Attributes:
        images: those that samples are made from, in the order of the file.
        image_index: (M,) position in `images`, ascending.
        ids: (M,) of the annotations.
        category_ids: (M,).
        bboxes: (M, 4) xyxy, clipped to the image unless asked not to.
        keypoints: (M, K, 2).
        visibility: (M, K) as in the file: 0 not labelled, 1 hidden, 2 visible.
        areas: (M,); 0.53 of the box where the file has none.
        iscrowd: (M,) bool.
        num_keypoints: (M,) labelled ones, as the file says.
        segmentations: M polygons, run lengths or None.
        track_ids: (M,), or None where the file has none.
    """

    images: list[CocoImage]
    image_index: Integers
    ids: Integers
    category_ids: Integers
    bboxes: Floats
    keypoints: Floats
    visibility: Floats
    areas: Floats
    iscrowd: npt.NDArray[np.bool_]
    num_keypoints: Integers
    segmentations: list[Any]
    track_ids: Integers | None

    def valid(self) -> npt.NDArray[np.bool_]:
        """Return (M,): no crowd, a box with an area, and a labelled keypoint."""
        extent = self.bboxes[:, 2:] - self.bboxes[:, :2]
        return (
            ~self.iscrowd
            & (self.num_keypoints != 0)
            & (extent > 0).all(axis=1)
            & (self.keypoints.max(axis=(1, 2), initial=0) > 0)
        )


def read_json(path: str) -> Any:
    """Read a JSON file.

    Raises:
        DataError: if it is not there or not JSON.
    """
    try:
        with open(path, encoding="utf-8") as file:
            return json.load(file)
    except OSError as error:
        raise DataError(f"{path}: {error.strerror or error}") from error
    except ValueError as error:
        raise DataError(f"{path}: not a JSON file: {error}") from error


def pose_categories(content: Any, path: str) -> list[Mapping[str, Any]]:
    """Return the categories that have keypoints; all of them if none says so.

    Raises:
        DataError: if this is no COCO-keypoints file.
    """
    missing = [
        key
        for key in ("images", "annotations")
        if not (isinstance(content, Mapping) and isinstance(content.get(key), list))
    ]
    if missing:
        raise DataError(
            f"{path}: not a COCO-keypoints file, it has no list of {' and of '.join(missing)}"
        )
    categories = content.get("categories") or []
    return [category for category in categories if category.get("keypoints")] or categories


def skeleton_of(categories: Sequence[Mapping[str, Any]], path: str) -> Skeleton:
    """Return the skeleton that the categories describe.

    Raises:
        DataError: if none has keypoint names.
    """
    for category in categories:
        if category.get("keypoints"):
            return Skeleton.from_coco_category(category)
    raise DataError(
        f"{path}: its categories name no keypoints; give a skeleton, such as 'skeleton: coco'"
    )


def check_order(skeleton: Skeleton, categories: Sequence[Mapping[str, Any]], path: str) -> None:
    """Check that a file does not have a skeleton's keypoints in another order.

    Raises:
        DataError: if it has; training would mix them up without a sign.
    """
    ours = skeleton.keypoint_names
    for category in categories:
        names = category.get("keypoints") or []
        if tuple(names) != ours and sorted(names) == sorted(ours):
            first = next(i for i, name in enumerate(names) if name != ours[i])
            raise DataError(
                f"{path}: category {category.get('name')!r} has the keypoints of the skeleton "
                f"'{skeleton.name}' in another order: keypoint {first} is '{names[first]}', "
                f"not '{ours[first]}'"
            )


def read_images(
    content: Mapping[str, Any], problems: list[str], sized: bool = True
) -> list[CocoImage]:
    """Read the entries of `images`; broken ones are reported and left out.

    Args:
        content: the parsed file.
        problems: gets what is wrong.
        sized: whether every image must say its height and width.
    """
    needed = ("id", "file_name", "height", "width") if sized else ("id", "file_name")
    images = []
    for entry in content["images"]:
        lacking = [key for key in needed if key not in entry]
        if lacking:
            problems.append(f"image {entry.get('id')}: no {' and no '.join(lacking)}")
            continue
        images.append(
            CocoImage(
                id=int(entry["id"]),
                file_name=str(entry["file_name"]),
                height=_size(entry, "height"),
                width=_size(entry, "width"),
                crowd_index=entry.get("crowdIndex"),
            )
        )
    problems += [f"image {i}: the id is there twice" for i in _twice(image.id for image in images)]
    return images


def read_annotations(
    content: Mapping[str, Any],
    path: str,
    num_keypoints: int,
    keypoint_fields: Sequence[str] = ("keypoints",),
    sample_interval: int = 1,
    clip_boxes: bool = True,
) -> CocoAnnotations:
    """Read images and annotations.

    Annotations without a box or without keypoints are passed over, as MMPose does.

    Args:
        content: the parsed file.
        path: what to call it in messages.
        num_keypoints: K.
        keypoint_fields: fields of an annotation that hold its keypoints, one after another.
        sample_interval: keep images whose id is a multiple of it.
        clip_boxes: cut boxes at the borders of the image; without it images need no size.

    Raises:
        DataError: with every image or annotation that is broken.
    """
    problems: list[str] = []
    images = read_images(content, problems, sized=clip_boxes)
    known = {image.id for image in images} | {entry.get("id") for entry in content["images"]}
    kept = [image for image in images if image.id % sample_interval == 0]
    place = {image.id: position for position, image in enumerate(kept)}
    entries: list[Mapping[str, Any]] = []
    boxes: list[list[float]] = []
    points: list[list[float]] = []
    for entry in content["annotations"]:
        image_id = entry.get("image_id")
        if image_id not in known:
            problems.append(f"annotation {entry.get('id')}: no image has the id {image_id}")
        if image_id not in place or any(f not in entry for f in ("bbox", *keypoint_fields)):
            continue
        flat = [value for field in keypoint_fields for value in flat_keypoints(entry[field])]
        found = _broken(entry, entry["bbox"], flat, num_keypoints)
        problems += [f"annotation {entry.get('id')}: {problem}" for problem in found]
        if not found:
            entries.append(entry)
            boxes.append(entry["bbox"])
            points.append(flat)
    problems += [f"annotation {i}: the id is there twice" for i in _twice(e["id"] for e in entries)]
    if content["annotations"] and kept and not entries and not problems:
        wanted = " and ".join(f"'{field}'" for field in ("bbox", *keypoint_fields))
        problems.append(f"none of its {len(content['annotations'])} annotations has {wanted}")
    check_problems(path, problems)
    return _to_arrays(kept, place, entries, boxes, points, num_keypoints, clip_boxes)


def _size(entry: Mapping[str, Any], side: str) -> int | None:
    return int(entry[side]) if side in entry else None


def flat_keypoints(values: Sequence[Any]) -> Sequence[Any]:
    """Return x, y, visibility, x, ... of keypoints, also where a file nests them in threes."""
    if values and isinstance(values[0], list):
        return [value for triple in values for value in triple]
    return values


def _broken(
    entry: Mapping[str, Any], box: Sequence[Any], flat: Sequence[Any], num_keypoints: int
) -> list[str]:
    """Say what is wrong with one annotation."""
    problems = [f"no '{key}'" for key in ("id", "category_id") if key not in entry]
    if len(box) != 4:
        problems.append(f"'bbox' is x, y, width and height, got {len(box)} numbers")
    if len(flat) != 3 * num_keypoints:
        problems.append(
            f"'keypoints' are {num_keypoints} times x, y, visibility, so {3 * num_keypoints} "
            f"numbers, got {len(flat)}"
        )
    for name, values in (("bbox", box), ("keypoints", flat)):
        try:
            # A sum is finite if its terms are, and this is four times faster than NumPy here.
            total = float(sum(values))
        except TypeError:
            problems.append(f"'{name}' holds something else than numbers")
        else:
            if total - total != 0:
                problems.append(f"'{name}' holds NaN or infinity")
    return problems


def _to_arrays(
    images: list[CocoImage],
    place: Mapping[int, int],
    entries: list[Mapping[str, Any]],
    boxes: list[list[float]],
    points: list[list[float]],
    num_keypoints: int,
    clip_boxes: bool,
) -> CocoAnnotations:
    image_index = np.array([place[e["image_id"]] for e in entries], np.int64)
    order = np.argsort(image_index, kind="stable")
    image_index = image_index[order]
    entries = [entries[i] for i in order]
    keypoints = np.array(points, np.float32).reshape(-1, num_keypoints, 3)[order]
    xywh = np.array(boxes, np.float64).reshape(-1, 4)[order]
    low, high = xywh[:, :2], xywh[:, :2] + xywh[:, 2:]
    if clip_boxes:
        sizes = np.array([(i.width, i.height) for i in images], np.float64).reshape(-1, 2)
        last = sizes[image_index] - 1
        low, high = np.clip(low, 0, last), np.clip(high, 0, last)
    guessed_area = np.maximum((high - low).prod(axis=1) * 0.53, 1)
    # A keypoint at the origin counts as not labelled where the file does not count them itself.
    guessed_count = np.count_nonzero(keypoints[..., :2].max(axis=2), axis=1)
    tracked = bool(entries) and all("track_id" in entry for entry in entries)
    return CocoAnnotations(
        images=images,
        image_index=image_index,
        ids=np.array([entry["id"] for entry in entries], np.int64),
        category_ids=np.array([entry["category_id"] for entry in entries], np.int64),
        bboxes=np.concatenate([low, high], axis=1).astype(np.float32),
        keypoints=keypoints[..., :2].copy(),
        visibility=keypoints[..., 2].copy(),
        areas=np.array(
            [e.get("area", guess) for e, guess in zip(entries, guessed_area, strict=True)],
            np.float32,
        ),
        iscrowd=np.array([bool(entry.get("iscrowd", 0)) for entry in entries], np.bool_),
        num_keypoints=np.array(
            [e.get("num_keypoints", n) for e, n in zip(entries, guessed_count, strict=True)],
            np.int64,
        ),
        segmentations=[entry.get("segmentation") for entry in entries],
        track_ids=np.array([e["track_id"] for e in entries], np.int64) if tracked else None,
    )


def _twice(ids: Any) -> list[Any]:
    return [item for item, count in Counter(ids).items() if count > 1]
