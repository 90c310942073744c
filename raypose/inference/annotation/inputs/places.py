"""Where the inputs are, and what their pictures are called in the answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from raypose.errors import DataError, did_you_mean
from raypose.inference.annotation import storage
from raypose.inference.annotation.inputs.glob_pattern import split_glob


@dataclass(frozen=True)
class Place:
    """An input: a folder, a glob in it, or a file in it.

    Attributes:
        root: the folder.
        name: the file, else empty.
        pattern: the glob, if it is one.
        prefix: what names relative to the folder begin with in the answers.
    """

    root: str
    name: str = ""
    pattern: str | None = None
    prefix: str = ""


def places_of(inputs: Sequence[storage.Location]) -> list[Place]:
    """Return where inputs are, each once.

    The pictures of one input are named relative to it. Of several inputs, they are named relative
    to the deepest folder that has all of these.

    Raises:
        DataError: if there is no such file or folder; names one with a similar name.
    """
    places = [_place_of(each) for each in dict.fromkeys(map(storage.absolute, inputs))]
    if len(places) == 1:
        return places
    common = _common_folder([place.root for place in places])
    named = []
    for place in places:
        below = None if common is None else storage.relative(place.root, common)
        prefix = storage.shown(place.root) if below is None else below
        named.append(replace(place, prefix=f"{prefix}/" if prefix else ""))
    return named


def _place_of(location: str) -> Place:
    glob = _as_glob(location)
    if glob is not None:
        return glob
    if storage.is_folder(location):
        return Place(location)
    root, name = storage.split(location)
    if not storage.exists(location):
        near = did_you_mean(name, _names_in(root)) if storage.exists(root) else ""
        raise DataError(f"{storage.shown(location)}: no such file or folder.{near}")
    return Place(root, name)


def _as_glob(location: str) -> Place | None:
    if storage.is_local(location):
        # A name may have brackets in it.
        found = None if Path(location).exists() else split_glob(location)
        return None if found is None else Place(found[0], pattern=found[1])
    place, options = storage.split_options(location)
    scheme, _, path = place.partition("://")
    found = split_glob(path)
    return None if found is None else Place(f"{scheme}://{found[0]}{options}", pattern=found[1])


def _names_in(root: str) -> list[str]:
    if storage.is_local(root):
        return [path.name for path in Path(root).iterdir()]
    return storage.list_files(root, recursive=False)


def _common_folder(roots: Sequence[str]) -> str | None:
    """Return the deepest folder that has all of some folders, if they are on one store."""
    common = roots[0]
    for root in roots[1:]:
        while storage.relative(root, common) is None:
            above = storage.split(common)[0]
            if above == common:
                return None
            common = above
    return common
