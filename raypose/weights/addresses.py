"""Addresses of files: `https:`, `http:` and `file:`."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import unquote, urlsplit
from urllib.request import url2pathname

from raypose.errors import CheckpointError

_ADDRESS = re.compile(r"(https?|file)://")


def is_address(source: str | Path) -> bool:
    """Return whether this is an address, not a path."""
    return isinstance(source, str) and _ADDRESS.match(source) is not None


def file_name_of(url: str) -> str:
    """Return the name of the file at an address.

    Raises:
        CheckpointError: if this is no address of a file.
    """
    name = unquote(urlsplit(url).path).rpartition("/")[2]
    if not is_address(url) or not name or name.startswith("."):
        raise CheckpointError(f"'{url}' is no address of a file (https://..., http:// or file://)")
    return name


def path_in(url: str) -> Path:
    """Return the local path in a `file:` address."""
    return Path(url2pathname(urlsplit(url).path))
