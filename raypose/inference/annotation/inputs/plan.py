"""Cut what is to be annotated into shards."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial

from raypose.errors import DataError
from raypose.inference.annotation import storage
from raypose.inference.annotation.inputs.archives import plan_archive
from raypose.inference.annotation.inputs.expand import Found, expand
from raypose.inference.annotation.inputs.images import ImageShard, is_whole
from raypose.inference.annotation.inputs.options import InputOptions
from raypose.inference.annotation.inputs.tables import plan_table
from raypose.inference.annotation.inputs.videos import plan_video
from raypose.inference.annotation.shards import Boxes, Shard

# Files that are opened at the same time to see how long they are.
_OPENED = 8


def plan_shards(
    inputs: storage.Location | Sequence[storage.Location],
    shard_size: int,
    boxes: Mapping[str, Boxes] | None = None,
    *,
    options: InputOptions | None = None,
    skip: storage.Location | None = None,
) -> list[Shard]:
    """Cut what is to be annotated into shards.

    Args:
        inputs: image folders, with all folders below them, globs, images, videos, tar files,
            lists, COCO json, Parquet files; local or on a store.
        shard_size: images or frames of one shard.
        boxes: for images, the boxes to use by their names instead of a detector's; images
            without an entry have nobody in them.
        options: how the inputs are read.
        skip: folder whose files are no input: that of the answers.

    Raises:
        DataError: if there is nothing there that can be annotated, or boxes are given that belong
            to none of the images.
    """
    options = InputOptions() if options is None else options
    given = [inputs] if isinstance(inputs, storage.Location) else list(inputs)
    found = _merged(expand(given, options, skip))
    if boxes is not None:
        found = _with_boxes(list(found), boxes)
    shards = [
        replace(shard, index=index)
        for index, shard in enumerate(
            shard for each in found for shard in _cut(each, shard_size, options)
        )
    ]
    if not shards:
        names = ", ".join(storage.shown(each) for each in given)
        raise DataError(f"{names}: nothing is left to annotate; see --frames, or empty archives")
    return shards


def _cut(found: Found, shard_size: int, options: InputOptions) -> Iterator[Shard]:
    if found.kind == "image":
        for start in range(0, len(found.names), shard_size):
            part = slice(start, start + shard_size)
            boxes = None if found.boxes is None else found.boxes[part]
            yield ImageShard.of(found.root, found.prefix, found.names[part], boxes)
        return
    with ThreadPoolExecutor(_OPENED) as pool:
        cut = partial(_cut_file, found, shard_size, options)
        for shards in pool.map(cut, found.names):
            yield from shards


def _cut_file(found: Found, shard_size: int, options: InputOptions, name: str) -> Sequence[Shard]:
    whole = is_whole(name)
    location = name if whole else storage.join(found.root, name)
    prefix = "" if whole else found.prefix
    if found.kind == "video":
        source = storage.shown(name) if whole else name
        return plan_video(location, prefix, source, options, shard_size)
    if found.kind == "archive":
        return plan_archive(location, prefix if found.alone else f"{prefix}{name}/", shard_size)
    return plan_table(location, prefix, options, shard_size)


def _merged(found: Iterable[Found]) -> Iterator[Found]:
    """Yield what is found, images of one folder that follow each other together.

    A shell hands over `pictures/*.jpg` as thousands of inputs.
    """
    waiting: Found | None = None
    names: list[str] = []
    for each in found:
        if (
            waiting is not None
            and each.kind == "image"
            and each.boxes is None
            and (each.root, each.prefix) == (waiting.root, waiting.prefix)
        ):
            names += each.names
            continue
        if waiting is not None:
            yield replace(waiting, names=names)
            waiting = None
        if each.kind == "image" and each.boxes is None:
            waiting, names = each, list(each.names)
        else:
            yield each
    if waiting is not None:
        yield replace(waiting, names=names)


def _with_boxes(found: list[Found], boxes: Mapping[str, Boxes]) -> list[Found]:
    known = 0
    taken = []
    for each in found:
        if each.kind != "image":
            kind = {"video": "a video", "archive": "an archive", "table": "a table"}[each.kind]
            where = storage.shown(storage.join(each.root, each.names[0]))
            raise DataError(f"{where}: boxes are taken for images, not for {kind}")
        own = [boxes.get(each.prefix + name) for name in each.names]
        known += sum(value is not None for value in own)
        taken.append(replace(each, boxes=[value or [] for value in own]))
    if not known:
        example = next(iter(boxes), "none")
        raise DataError(
            f"{storage.shown(found[0].root)}: none of the boxes belongs to an image here; they "
            f"name '{example}', the images are called like '{found[0].prefix}{found[0].names[0]}'"
        )
    return taken
