"""Globs, for local folders and buckets alike: `pictures/**/*.jpg`."""

from __future__ import annotations

import fnmatch
import os
import re
from collections.abc import Callable

_MAGIC = re.compile(r"[*?\[]")


def split_glob(path: str) -> tuple[str, str] | None:
    """Return the folder that a glob begins with and the pattern below it; None if it is none."""
    parts = path.replace(os.sep, "/").split("/")
    for number, part in enumerate(parts):
        if _MAGIC.search(part):
            root = "/".join(parts[:number])
            return root or ("/" if path.startswith("/") else "."), "/".join(parts[number:])
    return None


def matcher(pattern: str) -> Callable[[str], bool]:
    """Return what tells whether a name, relative to the folder of the glob, fits.

    `*`, `?` and `[...]` stay within a part of the path; `**` is any number of folders.
    """
    parts = pattern.split("/")
    regex = ""
    for number, part in enumerate(parts):
        last = number == len(parts) - 1
        if part == "**":
            regex += ".*" if last else "(?:[^/]+/)*"
        else:
            regex += _part(part) + ("" if last else "/")
    compiled = re.compile(regex, re.DOTALL)
    return lambda name: compiled.fullmatch(name) is not None


def _part(part: str) -> str:
    """Translate a part without slashes; what `fnmatch` lets match anything stops at a slash."""
    regex = ""
    for piece in re.findall(r"\[!?\]?[^\]]*\]|\*+|\?|[^*?\[]+|\[", part):
        if piece.startswith("*"):
            regex += "[^/]*"
        elif piece == "?":
            regex += "[^/]"
        elif piece.startswith("[") and len(piece) > 1:
            regex += "(?!/)" + fnmatch.translate(piece).removeprefix("(?s:").removesuffix(r")\Z")
        else:
            regex += re.escape(piece)
    return regex
