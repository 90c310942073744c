"""Shards: what is to be annotated, cut into pieces of work.

The pieces and their names follow from the input alone, so that a job that was interrupted finds
again what it has done.
"""

from __future__ import annotations

import json
import math
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from raypose.errors import DataError
from raypose.inference.sources import (
    IMAGE_SUFFIXES,
    VIDEO_SUFFIXES,
    count_frames,
    is_video,
    list_images,
)

Boxes = tuple[tuple[float, float, float, float], ...]


@dataclass(frozen=True, kw_only=True)
class Shard:
    """Some images of a folder, or a range of frames of a video.

    Attributes:
        index: position of the shard in its job.
        root: folder that `sources` are relative to.
        sources: image files, or the one video file; with forward slashes.
        start: first frame, for a video.
        stop: frame after the last one, for a video; None for images.
        boxes: for each image its boxes xyxy, where they are given.
    """

    index: int
    root: str
    sources: tuple[str, ...]
    start: int = 0
    stop: int | None = None
    boxes: tuple[Boxes, ...] | None = None

    @property
    def is_video(self) -> bool:
        """Return whether this is a range of frames."""
        return self.stop is not None

    @property
    def part_name(self) -> str:
        """Return the name of the file with the answers, the same in every run."""
        content = json.dumps([self.sources, self.start, self.stop, self.boxes]).encode()
        return f"part-{self.index:06d}-{zlib.crc32(content):08x}.parquet"

    def __len__(self) -> int:
        return len(self.sources) if self.stop is None else self.stop - self.start

    def to_json(self) -> str:
        """Return the shard as text, to travel."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Shard:
        """Rebuild the shard from `to_json()`."""
        values = json.loads(text)
        boxes = values["boxes"]
        if boxes is not None:
            boxes = tuple(tuple(tuple(box) for box in each) for each in boxes)
        return cls(**{**values, "sources": tuple(values["sources"]), "boxes": boxes})


def plan_shards(
    source: Path, shard_size: int, boxes: Mapping[str, Boxes] | None = None
) -> list[Shard]:
    """Cut an image folder (with all folders below it), an image or a video into shards.

    Args:
        source: the folder or file.
        shard_size: images or frames of one shard.
        boxes: for images, the boxes to use by relative path instead of a detector's; images
            without an entry have nobody in them.

    Raises:
        DataError: if there is nothing there that can be annotated, or boxes are given that belong
            to none of the images.
    """
    if source.is_dir():
        images = [path.relative_to(source).as_posix() for path in list_images(source)]
        return _cut_images(source, images, shard_size, boxes)
    if not source.is_file():
        raise DataError(f"{source}: no such file or folder")
    if source.suffix.lower() in IMAGE_SUFFIXES:
        return _cut_images(source.parent, [source.name], shard_size, boxes)
    if not is_video(source):
        known = ", ".join(sorted(IMAGE_SUFFIXES | VIDEO_SUFFIXES))
        raise DataError(f"{source}: a folder of images, an image or a video expected ({known})")
    if boxes is not None:
        raise DataError(f"{source}: boxes are taken for images, not for a video")
    frames = count_frames(source)
    return [
        Shard(
            index=index,
            root=str(source.parent.resolve()),
            sources=(source.name,),
            start=start,
            stop=min(start + shard_size, frames),
        )
        for index, start in enumerate(range(0, frames, shard_size))
    ]


def _cut_images(
    root: Path, images: Sequence[str], shard_size: int, boxes: Mapping[str, Boxes] | None
) -> list[Shard]:
    if boxes is not None and not boxes.keys() & set(images):
        example = next(iter(boxes), "none")
        raise DataError(
            f"{root}: none of the boxes belongs to an image here; they name '{example}', "
            f"the images are called like '{images[0]}'"
        )
    shards = []
    for index, start in enumerate(range(0, len(images), shard_size)):
        chosen = tuple(images[start : start + shard_size])
        shards.append(
            Shard(
                index=index,
                root=str(root.resolve()),
                sources=chosen,
                boxes=None if boxes is None else tuple(boxes.get(name, ()) for name in chosen),
            )
        )
    return shards


def read_boxes(path: Path) -> dict[str, Boxes]:
    """Read the boxes of each image from a COCO json (`bbox` is xywh there).

    Returns:
        Boxes xyxy by the `file_name` of the image.

    Raises:
        DataError: if the file is no COCO json.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        names = {image["id"]: str(image["file_name"]) for image in content["images"]}
        found: dict[str, list[tuple[float, float, float, float]]] = {n: [] for n in names.values()}
        for item in content["annotations"]:
            x, y, width, height = (float(value) for value in item["bbox"])
            if not all(map(math.isfinite, (x, y, width, height))):
                raise ValueError(f"annotation {item.get('id')}: bbox {item['bbox']}")
            found[names[item["image_id"]]].append((x, y, x + width, y + height))
    except (OSError, ValueError, KeyError, TypeError) as error:
        reason = f"'{error.args[0]}' is missing" if isinstance(error, KeyError) else str(error)
        raise DataError(f"{path}: boxes are read from a COCO json; {reason}") from error
    return {name: tuple(boxes) for name, boxes in found.items()}
