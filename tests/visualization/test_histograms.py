"""Histograms: counts by hand, and bars as high as they."""

from __future__ import annotations

import math
from xml.etree import ElementTree as ET

import pytest

from raypose.visualization import Histogram

SVG = "{http://www.w3.org/2000/svg}"


def test_values_are_counted_and_far_ones_are_in_the_last_bin() -> None:
    values = [0.5] * 50 + [2.5] * 49 + [1000.0, math.nan, math.inf]
    edges, counts = Histogram(title="x", x_label="px", values=values).bins()
    assert edges[0] == 0
    assert edges[-1] == 2.5
    assert len(edges) == 31
    assert sum(counts) == 100
    assert counts[6] == 50  # 0.5 of 2.5 in 30 bins
    assert counts[-1] == 50


def test_bars_are_in_proportion() -> None:
    svg = Histogram(title="x", x_label="px", values=[0.0, 0.0, 1.0]).to_svg()
    bars = [bar for bar in ET.fromstring(svg).iter(f"{SVG}rect") if float(bar.attrib["height"])]
    first, last = (float(bar.attrib["height"]) for bar in bars)
    assert first == pytest.approx(2 * last, abs=0.2)


def test_legend_and_nothing_to_show() -> None:
    legend = Histogram(title="x", x_label="px", values=[1.0, 2.0, 6.0]).to_legend()
    assert "mean <b>3</b>" in legend
    assert "median <b>2</b>" in legend
    empty = Histogram(title="x", x_label="px", values=[math.nan])
    assert "no data yet" in empty.to_svg()
    assert empty.to_legend() == ""
