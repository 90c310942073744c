"""`docs/extending.md` as files: every block that names one is what a reader would type into it."""

from __future__ import annotations

import re
from pathlib import Path

PAGE = Path(__file__).resolve().parents[2] / "docs" / "extending.md"
_BLOCK = re.compile(r"^```(?:python|yaml)\n# (?P<name>\S+)\n(?P<text>.*?)^```$", re.M | re.S)


def write_tutorial(folder: Path) -> list[Path]:
    """Write the files of the tutorial into a folder and return them.

    A block keeps its line with the name, so that line numbers are those of a reader's file.
    """
    files = []
    for block in _BLOCK.finditer(PAGE.read_text(encoding="utf-8")):
        path = folder / block["name"]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"# {block['name']}\n{block['text']}", encoding="utf-8")
        files.append(path)
    return files
