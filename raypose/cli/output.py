"""Where commands write what is for people: text files, lines of progress."""

from __future__ import annotations

import sys
from pathlib import Path


def write_text(text: str, out: Path | None) -> None:
    """Write to a file, whose folder is made, or to standard output."""
    if out is None:
        print(text, end="")
    else:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(text, encoding="utf-8")


def show_line(line: str) -> None:
    """Show a line of progress, which the next one replaces on a terminal."""
    end = "\r" if sys.stderr.isatty() else "\n"
    print(line, end=end, file=sys.stderr, flush=True)


def show_bytes(done: int, total: int | None) -> None:
    """Show how much of a download is done, on a terminal."""
    if sys.stderr.isatty():
        share = "" if not total else f" of {total / 1e6:.1f}"
        show_line(f"{done / 1e6:.1f}{share} MB")
