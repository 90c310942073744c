"""Line charts as inline SVG, from a few lines of our own: no plotting library, no script.

Colours come from the page's CSS variables `--series-0` to `--series-3`, so that a chart follows its
page into dark mode.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

from raypose.visualization.axes import Axes, svg_picture, svg_text

Points = Sequence[tuple[float, float]]

NUM_COLORS = 4
"""Lines of a chart that differ in colour."""
# Points of a line that still can be told apart; a long run has logged many more.
_MAX_POINTS = 400


@dataclass(frozen=True, kw_only=True)
class Chart:
    """A line chart.

    Attributes:
        title: what it shows.
        x_label: what runs to the right ("epoch").
        series: name of each line -> its points (x, y), in order of x; points that are not finite
            are left out, and neighbours of a long line become their mean.
        log: draw y by factors; left out where a value is not above 0.
    """

    title: str
    x_label: str
    series: Mapping[str, Points]
    log: bool = False

    def to_svg(self) -> str:
        """Return the chart as an `<svg>` element; one without points says so."""
        lines = {
            name: _thinned(finite)
            for name, points in self.series.items()
            if (finite := [p for p in points if math.isfinite(p[0]) and math.isfinite(p[1])])
        }
        if not lines:
            return svg_picture(self.title, svg_text("tick", 260, 125, "no data yet"))
        xs = [x for points in lines.values() for x, _ in points]
        ys = [y for points in lines.values() for _, y in points]
        axes = Axes.around(xs, ys, self.log and min(ys) > 0)
        drawn = [
            _line(name, [axes.place(x, y) for x, y in points], index % NUM_COLORS)
            for index, (name, points) in enumerate(lines.items())
        ]
        return svg_picture(self.title, axes.to_svg(self.x_label) + "".join(drawn))

    def to_legend(self) -> str:
        """Return the names of the lines with their colours and last values, as HTML."""
        entries = []
        for index, (name, points) in enumerate(self.series.items()):
            last = f" <b>{points[-1][1]:.3g}</b>" if points else ""
            color = f"var(--series-{index % NUM_COLORS})"
            entries.append(f'<span><i style="background:{color}"></i>{escape(name)}{last}</span>')
        return "".join(entries)


def _thinned(points: Points) -> Points:
    if len(points) <= _MAX_POINTS:
        return points
    starts = [round(i * len(points) / _MAX_POINTS) for i in range(_MAX_POINTS + 1)]
    groups = [points[start:end] for start, end in itertools.pairwise(starts)]
    return [
        (sum(x for x, _ in group) / len(group), sum(y for _, y in group) / len(group))
        for group in groups
    ]


def _line(name: str, places: list[tuple[float, float]], color: int) -> str:
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    x, y = places[-1]
    style = f"stroke:var(--series-{color})"
    return (
        f'<polyline class="line" style="{style}" points="{path}"><title>{escape(name)}</title>'
        f'</polyline><circle class="end-dot" style="fill:var(--series-{color})" '
        f'cx="{x:.1f}" cy="{y:.1f}" r="4"/>'
    )
