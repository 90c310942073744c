"""The report of a run: one HTML file with the numbers, the curves and the drawn skeletons.

Pictures, charts and styles are inside the file: it opens anywhere, without a network or a script.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from importlib import resources
from pathlib import Path
from string import Template
from typing import Protocol


class Part(Protocol):
    """A part of a report, such as `Numbers`, `Charts` or `Gallery`."""

    def to_html(self) -> str:
        """Return it as well-formed HTML; nothing where there is nothing to show."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What a report shows, from top to bottom.

    Attributes:
        title: the page's heading.
        summary: a sentence or two under it.
        parts: the rest; empty ones are left out.
        footer: a line at the end, such as versions and the seed.
    """

    title: str
    summary: str
    parts: Sequence[Part] = ()
    footer: str = ""


def write_report(report: Report, path: str | Path) -> Path:
    """Write a report as one HTML file.

    Args:
        report: what to show.
        path: of the file; its folder is made if missing. A reader never sees half of it.

    Returns:
        The path.
    """
    folder = resources.files("raypose.visualization")
    shown = [part.to_html() for part in report.parts]
    page = Template(folder.joinpath("report.html").read_text(encoding="utf-8")).substitute(
        title=escape(report.title),
        summary=escape(report.summary),
        style=folder.joinpath("report.css").read_text(encoding="utf-8"),
        content="\n".join(part for part in shown if part),
        footer=escape(report.footer),
    )
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.partial")
    partial.write_text(page, encoding="utf-8")
    partial.replace(path)
    return path
