"""The report of a run: one HTML file with the numbers, the curves and the drawn skeletons.

Pictures, charts and styles are inside the file: it opens anywhere, without a network or a script.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from importlib import resources
from pathlib import Path
from string import Template
from typing import Any

import cv2
import numpy.typing as npt

from raypose.structures import Poses, Skeleton
from raypose.visualization.charts import Chart
from raypose.visualization.poses import draw_poses
from raypose.visualization.sheets import fit_inside

Image = npt.NDArray[Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """One step of what happened: "Trained", how long it took, and a line about it."""

    name: str
    seconds: float
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Number:
    """A result on a card of its own: "AP", "0.71", "COCO average precision"."""

    label: str
    value: str
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """A picture with its prediction and, where it is known, the truth.

    Attributes:
        image: (H, W, 3) uint8 BGR.
        prediction: image space.
        truth: image space; keypoints of score 0 are not annotated.
        caption: a line under the pictures.
        score: how good the prediction is, 0 to 1 (its OKS); shown as a badge.
    """

    image: Image
    prediction: Poses
    truth: Poses | None = None
    caption: str = ""
    score: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """A command to try next, with a line about what it does."""

    line: str
    about: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What a report shows, from top to bottom; empty parts are left out.

    Attributes:
        title: the page's heading.
        summary: a sentence or two under it.
        skeleton: what the drawn poses are made of.
        numbers: cards; the first is the largest.
        stages: the timeline.
        charts: training curves.
        examples: held-out pictures.
        worst: the pictures the model did worst on.
        commands: what to type next.
        footer: a line at the end, such as versions and the seed.
    """

    title: str
    summary: str
    skeleton: Skeleton
    numbers: Sequence[Number] = ()
    stages: Sequence[Stage] = ()
    charts: Sequence[Chart] = ()
    examples: Sequence[Example] = ()
    worst: Sequence[Example] = ()
    commands: Sequence[Command] = ()
    footer: str = ""


def write_report(report: Report, path: str | Path, *, score_threshold: float = 0.3) -> Path:
    """Write a report as one HTML file.

    Args:
        report: what to show.
        path: of the file; its folder is made if missing.
        score_threshold: predicted keypoints of a lower score are not drawn.

    Returns:
        The path.
    """
    parts = (
        _numbers(report.numbers),
        _timeline(report.stages),
        _charts(report.charts),
        _gallery(
            "Held-out pictures",
            "Never seen in training: the prediction beside the truth.",
            report.examples,
            report.skeleton,
            score_threshold,
        ),
        _gallery(
            "Where it fails",
            "The pictures with the lowest scores, worst first.",
            report.worst,
            report.skeleton,
            score_threshold,
        ),
        _commands(report.commands),
    )
    folder = resources.files("raypose.visualization")
    page = Template(folder.joinpath("report.html").read_text(encoding="utf-8")).substitute(
        title=escape(report.title),
        summary=escape(report.summary),
        style=folder.joinpath("report.css").read_text(encoding="utf-8"),
        content="\n".join(part for part in parts if part),
        footer=escape(report.footer),
    )
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(page, encoding="utf-8")
    return path


def _numbers(numbers: Sequence[Number]) -> str:
    cards = "".join(
        f'<div class="card"><span class="label">{escape(number.label)}</span>'
        f'<span class="value">{escape(number.value)}</span>'
        f'<span class="note">{escape(number.note)}</span></div>'
        for number in numbers
    )
    return f'<section class="cards">{cards}</section>' if cards else ""


def _timeline(stages: Sequence[Stage]) -> str:
    if not stages:
        return ""
    total = max(sum(stage.seconds for stage in stages), 1e-9)
    bars, rows = [], []
    for index, stage in enumerate(stages):
        color = f"background:var(--series-{index % 4})"
        title = escape(f"{stage.name}: {_duration(stage.seconds)}", quote=True)
        share = max(100 * stage.seconds / total, 0.5)
        bars.append(f'<i style="flex:{share:.2f};{color}" title="{title}"></i>')
        rows.append(
            f'<li><i style="{color}"></i><b>{escape(stage.name)}</b>'
            f"<time>{_duration(stage.seconds)}</time><span>{escape(stage.detail)}</span></li>"
        )
    heading = f"What happened <small>{_duration(total)} in all</small>"
    body = f'<div class="bar">{"".join(bars)}</div><ol class="stages">{"".join(rows)}</ol>'
    return _section(heading, body)


def _charts(charts: Sequence[Chart]) -> str:
    figures = "".join(
        f"<figure><figcaption>{escape(chart.title)}</figcaption>{chart.to_svg()}"
        f'<div class="legend">{chart.to_legend()}</div></figure>'
        for chart in charts
    )
    return _section("Training", f'<div class="charts">{figures}</div>') if figures else ""


def _gallery(
    heading: str,
    about: str,
    examples: Sequence[Example],
    skeleton: Skeleton,
    score_threshold: float,
) -> str:
    if not examples:
        return ""
    figures = []
    for example in examples:
        views = [("prediction", draw_poses(
            example.image, example.prediction, skeleton, score_threshold=score_threshold
        ))]  # fmt: skip
        if example.truth is not None:
            truth = draw_poses(
                example.image, example.truth, skeleton, score_threshold=0.01, draw_boxes=False
            )
            views.append(("truth", truth))
        pictures = "".join(
            f'<div><img src="{_data_url(image)}" alt="{name}" loading="lazy"/><em>{name}</em></div>'
            for name, image in views
        )
        caption = f"<span>{escape(example.caption)}</span>{_badge(example.score)}"
        figures.append(
            f'<figure><div class="pair">{pictures}</div><figcaption>{caption}</figcaption></figure>'
        )
    body = f'<p class="about">{escape(about)}</p><div class="gallery">{"".join(figures)}</div>'
    return _section(heading, body)


def _commands(commands: Sequence[Command]) -> str:
    blocks = "".join(
        f"<p>{escape(command.about)}</p><pre>{escape(command.line)}</pre>" for command in commands
    )
    return _section("Try next", f'<div class="commands">{blocks}</div>') if blocks else ""


def _section(heading: str, body: str) -> str:
    return f"<section><h2>{heading}</h2>{body}</section>"


def _badge(score: float | None) -> str:
    if score is None:
        return ""
    grade = "good" if score >= 0.75 else "fair" if score >= 0.5 else "poor"
    return f'<b class="badge {grade}">OKS {score:.2f}</b>'


def _duration(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.1f} s"
    return f"{int(seconds // 60)} min {round(seconds % 60):d} s"


def _data_url(image: Image) -> str:
    """Return a picture as a JPEG in a data URL, no larger than it is shown."""
    small = fit_inside(image, 480, 480) if max(image.shape[:2]) > 480 else image
    _, data = cv2.imencode(".jpg", small, (cv2.IMWRITE_JPEG_QUALITY, 86))
    return "data:image/jpeg;base64," + base64.b64encode(data.tobytes()).decode("ascii")
