"""Formats of labelled data sets by name: what reads, writes and recognises each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from raypose.converters.labels import LabelSet
from raypose.errors import DataError, RayposeError, did_you_mean

Read = Callable[[Path, Path | None], LabelSet]
"""Read a file or folder; the second is the folder of the pictures where the labels lie apart."""

Write = Callable[[LabelSet, Path, bool], None]
"""Write below a folder; the last says whether to link to pictures instead of copying them."""

Extra = Literal["boxes", "categories", "hidden keypoints", "splits", "tracks"]


@dataclass(frozen=True, kw_only=True)
class Format:
    """A format.

    Attributes:
        name: what a user types.
        title: what it is.
        recognises: tells whether a file or folder looks like one, without reading much of it.
        read: reads one, None where that cannot be done.
        write: writes one, None likewise.
        keeps: what beside places of keypoints it can say of labels.
    """

    name: str
    title: str
    recognises: Callable[[Path], bool]
    read: Read | None = None
    write: Write | None = None
    keeps: frozenset[Extra] = frozenset()


FORMATS: dict[str, Format] = {}
"""All formats, by name."""


def register_format(entry: Format) -> Format:
    """Make a format known; formats that came first recognise their files first.

    Raises:
        RayposeError: if there is one of this name.
    """
    if entry.name in FORMATS:
        raise RayposeError(f"there is a format {entry.name!r} already")
    FORMATS[entry.name] = entry
    return entry


def reader_of(name: str) -> Read:
    """Return what reads a format.

    Raises:
        RayposeError: if nothing does.
    """
    read = None if name not in FORMATS else FORMATS[name].read
    if read is None:
        raise RayposeError(_unknown(name, "read", [f.name for f in FORMATS.values() if f.read]))
    return read


def writer_of(name: str) -> Write:
    """Return what writes a format.

    Raises:
        RayposeError: if nothing does.
    """
    write = None if name not in FORMATS else FORMATS[name].write
    if write is None:
        raise RayposeError(_unknown(name, "write", [f.name for f in FORMATS.values() if f.write]))
    return write


def guess_format(source: Path) -> str:
    """Return the format of a file or folder by what it looks like.

    Raises:
        RayposeError: if it does not exist or looks like none.
        DataError: if it looks like none and a file in it is broken.
    """
    if not source.exists():
        beside = [path.name for path in source.parent.glob("*")] if source.parent.is_dir() else []
        raise RayposeError(f"no such file or folder: {source}.{did_you_mean(source.name, beside)}")
    broken: DataError | None = None
    for entry in FORMATS.values():
        try:
            if entry.read is not None and entry.recognises(source):
                return entry.name
        except DataError as error:
            # A file of a folder may be of something else.
            broken = broken or error
    if broken is not None:
        raise broken
    readable = ", ".join(entry.name for entry in FORMATS.values() if entry.read)
    raise RayposeError(f"{source} looks like no format that is known; say --from {readable}")


def _unknown(name: str, verb: str, names: list[str]) -> str:
    return f"no format {name!r} to {verb}; there are {', '.join(names)}.{did_you_mean(name, names)}"
