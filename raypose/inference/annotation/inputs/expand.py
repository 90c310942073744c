"""What a user names, a folder, a glob, a file or a list, as what is found there."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from raypose.errors import DataError
from raypose.inference.annotation import storage
from raypose.inference.annotation.inputs.archives import ARCHIVE_SUFFIXES
from raypose.inference.annotation.inputs.coco import folder_of_images, has_boxes, read_boxes
from raypose.inference.annotation.inputs.glob_pattern import matcher
from raypose.inference.annotation.inputs.lists import LIST_SUFFIXES, read_list
from raypose.inference.annotation.inputs.options import InputOptions
from raypose.inference.annotation.inputs.places import Place, places_of
from raypose.inference.annotation.inputs.tables import holds_images
from raypose.inference.annotation.shards import Boxes
from raypose.inference.sources import VIDEO_SUFFIXES
from raypose.ops.image_files import IMAGE_SUFFIXES

_TABLES = frozenset({".parquet"})
_COCO = frozenset({".json"})
_IN_FOLDERS = IMAGE_SUFFIXES | VIDEO_SUFFIXES | ARCHIVE_SUFFIXES | _TABLES
_Kind = Literal["image", "video", "archive", "table"]


@dataclass(frozen=True, kw_only=True)
class Found:
    """Files of one kind in one folder.

    Attributes:
        kind: of the files.
        root: folder that the names are relative to.
        prefix: what the names begin with in the answers.
        names: of the files; of images also whole locations.
        boxes: for each image its boxes, where they are given.
        alone: whether an archive was named by itself, and its members keep their names.
    """

    kind: _Kind
    root: str
    prefix: str
    names: Sequence[str]
    boxes: Sequence[Boxes] | None = None
    alone: bool = False


def expand(
    inputs: Sequence[storage.Location], options: InputOptions, skip: storage.Location | None = None
) -> Iterator[Found]:
    """Yield what the inputs are, in their order.

    The pictures of one input are named relative to it. Of several inputs, they are named relative
    to the deepest folder that has all inputs.

    Args:
        inputs: folders, globs and files.
        options: how to read lists.
        skip: folder whose files are no input: that of the answers.

    Raises:
        DataError: if something is not there, cannot be annotated or has no pictures.
    """
    places = places_of(inputs)
    for place in places:
        yield from _expand_one(place, options, skip, alone=len(places) == 1)


def _expand_one(
    place: Place, options: InputOptions, skip: storage.Location | None, alone: bool
) -> Iterator[Found]:
    root, prefix, name = place.root, place.prefix, place.name
    location = storage.join(root, name)
    if not name:
        yield from _expand_folder(place, skip)
    elif _ends(name, _TABLES) and options.image_column is None and not holds_images(location):
        yield from _expand_list(place, options)
    elif _ends(name, _IN_FOLDERS):
        yield from _by_kind(root, [name], prefix, alone)
    elif _ends(name, LIST_SUFFIXES):
        yield from _expand_list(place, options)
    elif _ends(name, _COCO):
        yield from _expand_coco(place, options)
    else:
        raise DataError(f"{storage.shown(location)}: cannot be annotated; {_known()}")


def _expand_folder(place: Place, skip: storage.Location | None) -> Iterator[Found]:
    """Yield the images, videos and archives of a folder or glob; the tables if it has no others."""
    root, pattern = place.root, place.pattern
    where = storage.shown(root if pattern is None else storage.join(root, pattern))
    recursive = pattern is None or "/" in pattern or "**" in pattern
    names = storage.list_files(root, _IN_FOLDERS, recursive=recursive)
    own = None if skip is None else storage.relative(storage.absolute(skip), root)
    if own:
        names = [name for name in names if not name.startswith(f"{own}/")]
    if pattern is not None:
        fits = matcher(pattern)
        names = [name for name in names if fits(name)]
    if not names:
        what = "has nothing" if pattern is None else "fits nothing"
        raise DataError(f"{where}: {what} that can be annotated; {_known()}")
    pictures = [name for name in names if not _ends(name, _TABLES)]
    yield from _by_kind(root, pictures or names, place.prefix)


def _expand_list(place: Place, options: InputOptions) -> Iterator[Found]:
    location = storage.join(place.root, place.name)
    names, boxes = read_list(location, options.use_boxes)
    root = place.root if options.images is None else storage.absolute(options.images)
    strange = next((name for name in names if not _ends(name, IMAGE_SUFFIXES | VIDEO_SUFFIXES)), "")
    if strange or not names:
        what = f"'{strange}' is neither an image nor a video" if strange else "names no pictures"
        raise DataError(f"{storage.shown(location)}: {what}; {_known()}")
    if boxes is not None:
        yield Found(kind="image", root=root, prefix=place.prefix, names=names, boxes=boxes)
    else:
        yield from _by_kind(root, names, place.prefix)


def _expand_coco(place: Place, options: InputOptions) -> Iterator[Found]:
    location = storage.join(place.root, place.name)
    found = read_boxes(location)
    if not found:
        raise DataError(f"{storage.shown(location)}: names no pictures")
    yield Found(
        kind="image",
        root=folder_of_images(location, found, options.images),
        prefix=place.prefix,
        names=list(found),
        boxes=list(found.values()) if options.use_boxes and has_boxes(found) else None,
    )


def _by_kind(root: str, names: Sequence[str], prefix: str, alone: bool = False) -> Iterator[Found]:
    kinds: dict[_Kind, frozenset[str]] = {
        "image": IMAGE_SUFFIXES,
        "video": VIDEO_SUFFIXES,
        "archive": ARCHIVE_SUFFIXES,
        "table": _TABLES,
    }
    for kind, suffixes in kinds.items():
        of_kind = [name for name in names if _ends(name, suffixes)]
        if of_kind:
            yield Found(kind=kind, root=root, prefix=prefix, names=of_kind, alone=alone)


def _ends(name: str, suffixes: Collection[str]) -> bool:
    return name.lower().endswith(tuple(suffixes))


def _known() -> str:
    kinds = {
        "images": IMAGE_SUFFIXES,
        "videos": VIDEO_SUFFIXES,
        "tar files": ARCHIVE_SUFFIXES,
        "lists": LIST_SUFFIXES,
        "Parquet": _TABLES,
        "COCO": _COCO,
    }
    return "; ".join(f"{kind}: {', '.join(sorted(known))}" for kind, known in kinds.items())
