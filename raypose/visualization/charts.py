"""Line charts as inline SVG, from a few lines of our own: no plotting library, no script.

Colours come from the page's CSS variables `--series-0` to `--series-3` and classes `grid` and
`tick`, so that a chart follows its page into dark mode.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

Points = Sequence[tuple[float, float]]

_WIDTH, _HEIGHT = 520, 250
_LEFT, _RIGHT, _TOP, _BOTTOM = 50, 16, 14, 40
_NUM_COLORS = 4


@dataclass(frozen=True, kw_only=True)
class Chart:
    """A line chart.

    Attributes:
        title: what it shows.
        x_label: what runs to the right ("epoch").
        series: name of each line -> its points (x, y), in order of x; points that are not finite
            are left out.
    """

    title: str
    x_label: str
    series: Mapping[str, Points]

    def to_svg(self) -> str:
        """Return the chart as an `<svg>` element; one without points says so."""
        lines = {
            name: finite
            for name, points in self.series.items()
            if (finite := [p for p in points if math.isfinite(p[0]) and math.isfinite(p[1])])
        }
        content = _draw(lines, self.x_label) if lines else _text("tick", 260, 125, "no data yet")
        label = escape(self.title, quote=True)
        return (
            f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{label}" '
            f'xmlns="http://www.w3.org/2000/svg">{content}</svg>'
        )

    def to_legend(self) -> str:
        """Return the names of the lines with their colours and last values, as HTML."""
        entries = []
        for index, (name, points) in enumerate(self.series.items()):
            last = f" <b>{points[-1][1]:.3g}</b>" if points else ""
            color = f"var(--series-{index % _NUM_COLORS})"
            entries.append(f'<span><i style="background:{color}"></i>{escape(name)}{last}</span>')
        return "".join(entries)


def nice_ticks(low: float, high: float, count: int = 6) -> list[float]:
    """Return about `count` round values that span `low` to `high`.

    Their step is 1, 2 or 5 times a power of ten; the first is at most `low`, the last at least
    `high`.
    """
    span = max(high - low, abs(high) * 1e-6, 1e-9)
    rough = span / max(count - 1, 1)
    power = 10.0 ** math.floor(math.log10(rough))
    step = power * next(factor for factor in (1, 2, 5, 10) if factor * power >= 0.999 * rough)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [round(index * step, 12) for index in range(first, max(last, first + 1) + 1)]


@dataclass(frozen=True)
class _Axes:
    """Maps values to the plane of the picture."""

    x: tuple[float, float]
    y: tuple[float, float]

    def place(self, x: float, y: float) -> tuple[float, float]:
        across = (x - self.x[0]) / (self.x[1] - self.x[0])
        up = (y - self.y[0]) / (self.y[1] - self.y[0])
        width, height = _WIDTH - _LEFT - _RIGHT, _HEIGHT - _TOP - _BOTTOM
        return _LEFT + across * width, _TOP + (1 - up) * height


def _draw(lines: Mapping[str, Points], x_label: str) -> str:
    xs = [x for points in lines.values() for x, _ in points]
    ys = [y for points in lines.values() for _, y in points]
    y_ticks = nice_ticks(min(ys), max(ys))
    axes = _Axes((min(xs), max(max(xs), min(xs) + 1e-9)), (y_ticks[0], y_ticks[-1]))
    parts = []
    for tick in y_ticks:
        _, y = axes.place(axes.x[0], tick)
        parts.append(
            f'<line class="grid" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
        )
        parts.append(_text("tick end", _LEFT - 8, y + 4, f"{tick:.6g}"))
    for tick in nice_ticks(*axes.x, count=7):
        if axes.x[0] <= tick <= axes.x[1]:
            parts.append(_text("tick", axes.place(tick, 0)[0], _HEIGHT - 22, f"{tick:.6g}"))
    parts.append(_text("tick", (_LEFT + _WIDTH - _RIGHT) / 2, _HEIGHT - 4, x_label))
    for index, (name, points) in enumerate(lines.items()):
        parts.append(_line(name, [axes.place(x, y) for x, y in points], index % _NUM_COLORS))
    return "".join(parts)


def _line(name: str, places: list[tuple[float, float]], color: int) -> str:
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    x, y = places[-1]
    style = f"stroke:var(--series-{color})"
    return (
        f'<polyline class="line" style="{style}" points="{path}"><title>{escape(name)}</title>'
        f'</polyline><circle class="end-dot" style="fill:var(--series-{color})" '
        f'cx="{x:.1f}" cy="{y:.1f}" r="4"/>'
    )


def _text(kind: str, x: float, y: float, text: str) -> str:
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}">{escape(text)}</text>'
