"""Parts of a report that are words and numbers: cards, a timeline, facts, tables, commands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

from raypose.visualization.charts import Chart
from raypose.visualization.histograms import Histogram


@dataclass(frozen=True, slots=True, kw_only=True)
class Number:
    """A result on a card of its own: "AP", "0.71", "COCO average precision"."""

    label: str
    value: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class Numbers:
    """Cards beside each other; the first stands out."""

    numbers: Sequence[Number]

    def to_html(self) -> str:
        """Return the cards."""
        cards = "".join(
            f'<div class="card"><span class="label">{escape(number.label)}</span>'
            f'<span class="value">{escape(number.value)}</span>'
            f'<span class="note">{escape(number.note)}</span></div>'
            for number in self.numbers
        )
        return f'<section class="cards">{cards}</section>' if cards else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """One step of what happened: "Trained", how long it took, and a line about it."""

    name: str
    seconds: float
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Timeline:
    """Stages one after the other, as a bar and as a list."""

    stages: Sequence[Stage]

    def to_html(self) -> str:
        """Return the bar and the list."""
        if not self.stages:
            return ""
        total = max(sum(stage.seconds for stage in self.stages), 1e-9)
        bars, rows = [], []
        for index, stage in enumerate(self.stages):
            color = f"background:var(--series-{index % 4})"
            title = escape(f"{stage.name}: {duration(stage.seconds)}", quote=True)
            share = max(100 * stage.seconds / total, 0.5)
            bars.append(f'<i style="flex:{share:.2f};{color}" title="{title}"></i>')
            rows.append(
                f'<li><i style="{color}"></i><b>{escape(stage.name)}</b>'
                f"<time>{duration(stage.seconds)}</time><span>{escape(stage.detail)}</span></li>"
            )
        heading = f"What happened <small>{duration(total)} in all</small>"
        body = f'<div class="bar">{"".join(bars)}</div><ol class="stages">{"".join(rows)}</ol>'
        return section(heading, body)


@dataclass(frozen=True, slots=True)
class Charts:
    """Charts and histograms under one heading."""

    heading: str
    charts: Sequence[Chart | Histogram]

    def to_html(self) -> str:
        """Return the charts with their legends."""
        figures = "".join(
            f"<figure><figcaption>{escape(chart.title)}</figcaption>{chart.to_svg()}"
            f'<div class="legend">{chart.to_legend()}</div></figure>'
            for chart in self.charts
        )
        return section(escape(self.heading), f'<div class="charts">{figures}</div>') * bool(figures)


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Rows of a name and some numbers.

    Attributes:
        heading: what it is about.
        about: a line below the heading.
        columns: names, that of the first column among them.
        rows: a name and the numbers of the other columns, None where there is none.
        bars: columns that are drawn as bars too, by their name, as long as their number is a share
            of the largest one.
    """

    heading: str
    columns: Sequence[str]
    rows: Sequence[tuple[str, Sequence[float | None]]]
    about: str = ""
    bars: Sequence[str] = ()

    def to_html(self) -> str:
        """Return the table."""
        if not self.rows:
            return ""
        head = "".join(f"<th>{escape(name)}</th>" for name in self.columns)
        largest = [
            max((abs(value) for value in column if value is not None), default=0.0)
            for column in zip(*(row for _, row in self.rows), strict=True)
        ]
        lines = []
        for name, row in self.rows:
            cells = [
                _cell(value, most if column in self.bars else None)
                for value, most, column in zip(row, largest, self.columns[1:], strict=True)
            ]
            lines.append(f"<tr><th>{escape(name)}</th>{''.join(cells)}</tr>")
        return section(
            escape(self.heading),
            (f'<p class="about">{escape(self.about)}</p>' if self.about else "")
            + f'<div class="wide"><table><thead><tr>{head}</tr></thead>'
            f"<tbody>{''.join(lines)}</tbody></table></div>",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """Pairs of a name and what it is, with a longer text that opens on a click.

    Attributes:
        heading: what they are about.
        facts: name -> value; empty values are left out.
        text_name: what the longer text is called.
        text: the longer text, none if empty.
    """

    heading: str
    facts: Mapping[str, str]
    text_name: str = ""
    text: str = ""

    def to_html(self) -> str:
        """Return the list and the text."""
        pairs = "".join(
            f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>"
            for name, value in self.facts.items()
            if value
        )
        if not pairs and not self.text:
            return ""
        details = (
            f"<details><summary>{escape(self.text_name)}</summary>"
            f"<pre>{escape(self.text)}</pre></details>"
        )
        body = f'<dl class="facts">{pairs}</dl>{details if self.text else ""}'
        return section(escape(self.heading), body)


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """A command to try next, with a line about what it does."""

    line: str
    about: str = ""


@dataclass(frozen=True, slots=True)
class Commands:
    """What to type next."""

    commands: Sequence[Command]

    def to_html(self) -> str:
        """Return the commands in blocks of their own."""
        blocks = "".join(
            f"<p>{escape(command.about)}</p><pre>{escape(command.line)}</pre>"
            for command in self.commands
        )
        return section("Try next", f'<div class="commands">{blocks}</div>') if blocks else ""


def section(heading: str, body: str) -> str:
    """Return a section of the page; both are HTML already."""
    return f"<section><h2>{heading}</h2>{body}</section>"


def duration(seconds: float) -> str:
    """Return a length of time as people say it."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"


def _cell(value: float | None, largest: float | None) -> str:
    if value is None or value != value:
        return "<td>-</td>"
    # What is smaller is nothing to anyone who reads a table.
    text = f"{value:d}" if isinstance(value, int) else f"{round(value, 4):.3g}"
    if largest is None:
        return f"<td>{text}</td>"
    share = 100 * abs(value) / max(largest, 1e-12)
    return f'<td>{text}<span class="meter"><i style="width:{share:.1f}%"></i></span></td>'
