"""The axes of a chart: round ticks, the grid, and where values lie in the picture.

Colours come from the page's CSS: classes `grid` and `tick`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

WIDTH, HEIGHT = 520, 250
_LEFT, _RIGHT, _TOP, _BOTTOM = 50, 16, 14, 40


@dataclass(frozen=True, kw_only=True)
class Axes:
    """Map values to the plane of the picture.

    Attributes:
        x: what the left and the right end are.
        y: what the lower and the upper end are; above 0 where `log`.
        log: the y axis goes by factors instead of differences.
    """

    x: tuple[float, float]
    y: tuple[float, float]
    log: bool = False

    @classmethod
    def around(cls, xs: Sequence[float], ys: Sequence[float], log: bool = False) -> Axes:
        """Return the axes that hold all of some values and end at a tick above and below."""
        ticks = log_ticks(min(ys), max(ys)) if log else nice_ticks(min(ys), max(ys))
        return cls(x=(min(xs), max(max(xs), min(xs) + 1e-9)), y=(ticks[0], ticks[-1]), log=log)

    def place(self, x: float, y: float) -> tuple[float, float]:
        """Return where in the picture a value is."""
        low, high, y = (math.log(v) if self.log else v for v in (*self.y, y))
        across = (x - self.x[0]) / (self.x[1] - self.x[0])
        up = (y - low) / (high - low)
        width, height = WIDTH - _LEFT - _RIGHT, HEIGHT - _TOP - _BOTTOM
        return _LEFT + across * width, _TOP + (1 - up) * height

    def to_svg(self, x_label: str) -> str:
        """Return grid, ticks and the name of the x axis as SVG elements."""
        parts = []
        for tick in log_ticks(*self.y) if self.log else nice_ticks(*self.y):
            _, y = self.place(self.x[0], tick)
            ends = f'x1="{_LEFT}" x2="{WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}"'
            parts.append(f'<line class="grid" {ends}/>')
            parts.append(svg_text("tick end", _LEFT - 8, y + 4, _short(tick)))
        for tick in nice_ticks(*self.x, count=7):
            if self.x[0] <= tick <= self.x[1]:
                x, _ = self.place(tick, self.y[0])
                parts.append(svg_text("tick", x, HEIGHT - 22, _short(tick)))
        parts.append(svg_text("tick", (_LEFT + WIDTH - _RIGHT) / 2, HEIGHT - 4, x_label))
        return "".join(parts)


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


def log_ticks(low: float, high: float) -> list[float]:
    """Return 1, 2 and 5 times powers of ten, or fewer of them, that span two values above 0."""
    for factors in ((1, 2, 5), (1,)):
        powers = range(math.floor(math.log10(low)) - 1, math.ceil(math.log10(high)) + 2)
        ticks = [factor * 10.0**power for power in powers for factor in factors]
        first = max(i for i, tick in enumerate(ticks) if tick <= low * 1.000001)
        last = min(i for i, tick in enumerate(ticks) if tick >= high * 0.999999)
        ticks = ticks[first : max(last, first + 1) + 1]
        if len(ticks) <= 8:
            break
    return ticks


def svg_picture(title: str, content: str) -> str:
    """Return an `<svg>` element of the size of a chart."""
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(title, quote=True)}" '
        f'xmlns="http://www.w3.org/2000/svg">{content}</svg>'
    )


def svg_text(kind: str, x: float, y: float, text: str) -> str:
    """Return a `<text>` element of a CSS class."""
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}">{escape(text)}</text>'


def _short(value: float) -> str:
    """Return a number as it fits beside an axis."""
    return f"{value:.0e}".replace("e-0", "e-") if 0 < abs(value) < 1e-4 else f"{value:.6g}"
