"""The sha256 that publishers put into the names of their files, first eight digits of it."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

_BEFORE_DATE = re.compile(r"[-_]([0-9a-f]{8})[-_]\d{8}\.pth$")
_AT_END = re.compile(r"[-_](?!20\d{6}\.)([0-9a-f]{8})\.pth$")


def digest_in_name(name: str, without_date: bool = False) -> str | None:
    """Return the digest that a name promises, None if it has none.

    Args:
        name: such as `hrnet_w32_coco_256x192-c78dce93_20200708.pth`.
        without_date: also read `hrnet_w32-36af842e.pth`. Eight hexadecimal digits alone may be
            anything in the name of a private file, but not on the publishers' hosts. A date is
            no digest.
    """
    found = _BEFORE_DATE.search(name) or (_AT_END.search(name) if without_date else None)
    return found[1] if found else None


def sha256_of(path: Path) -> str:
    """Return the sha256 of a file, 64 hexadecimal digits."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
