"""Histograms as inline SVG; colours come from the page's CSS, as those of charts do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import numpy as np

from raypose.visualization.axes import Axes, nice_ticks, svg_picture, svg_text

_BINS = 30
# What lies beyond this share of the values is one bin at the end: a few wild ones would otherwise
# squeeze all others into the first bin.
_SHOWN = 0.98


@dataclass(frozen=True, kw_only=True)
class Histogram:
    """How often a value is how large.

    Attributes:
        title: what it shows.
        x_label: what the values are, with their unit.
        values: at least 0; those that are not finite are left out.
    """

    title: str
    x_label: str
    values: Sequence[float]

    def bins(self) -> tuple[list[float], list[int]]:
        """Return the edges of the bins, one more than there are counts, and the counts.

        The last bin also counts everything beyond its upper edge.
        """
        values = np.asarray(self.values, np.float64)
        values = values[np.isfinite(values)]
        top = nice_ticks(0.0, float(np.quantile(values, _SHOWN)))[-1] if len(values) else 1.0
        counts, edges = np.histogram(np.minimum(values, top), bins=_BINS, range=(0.0, top))
        return edges.tolist(), counts.tolist()

    def to_svg(self) -> str:
        """Return the histogram as an `<svg>` element; one without values says so."""
        edges, counts = self.bins()
        if not any(counts):
            return svg_picture(self.title, svg_text("tick", 260, 125, "no data yet"))
        axes = Axes.around(edges, [0.0, max(counts)])
        bars = []
        for low, high, count in zip(edges, edges[1:], counts, strict=False):
            (left, top), (right, bottom) = axes.place(low, count), axes.place(high, 0)
            beyond = " and more" if high == edges[-1] else ""
            note = f"{low:.3g} to {high:.3g}{beyond}: {count}"
            bars.append(
                f'<rect class="bin" x="{left + 0.5:.1f}" y="{top:.1f}" '
                f'width="{max(right - left - 1, 0.5):.1f}" height="{bottom - top:.1f}">'
                f"<title>{escape(note)}</title></rect>"
            )
        return svg_picture(self.title, axes.to_svg(self.x_label) + "".join(bars))

    def to_legend(self) -> str:
        """Return the mean and the quantiles of the values, as HTML."""
        values = np.asarray(self.values, np.float64)
        values = values[np.isfinite(values)]
        if not len(values):
            return ""
        quantiles = np.quantile(values, (0.5, 0.9, 0.99)).tolist()
        named = zip(("mean", "median", "90 %", "99 %"), [values.mean(), *quantiles], strict=True)
        return "".join(f"<span>{name} <b>{value:.3g}</b></span>" for name, value in named)
