"""Charts: points where they belong in the SVG."""

from __future__ import annotations

import math
from xml.etree import ElementTree as ET

import pytest

from raypose.visualization import Chart

SVG = "{http://www.w3.org/2000/svg}"


def points_of(svg: str) -> list[list[tuple[float, float]]]:
    lines = ET.fromstring(svg).iter(f"{SVG}polyline")
    return [
        [
            (float(x), float(y))
            for x, y in (pair.split(",") for pair in line.attrib["points"].split())
        ]
        for line in lines
    ]


def test_points_are_placed_in_proportion() -> None:
    chart = Chart(title="AP", x_label="epoch", series={"AP": [(0, 0.0), (5, 0.5), (10, 1.0)]})
    (line,) = points_of(chart.to_svg())
    (x0, y0), (x1, y1), (x2, y2) = line
    assert x1 == pytest.approx((x0 + x2) / 2, abs=0.1)
    assert y1 == pytest.approx((y0 + y2) / 2, abs=0.1)
    assert x0 < x2
    assert y0 > y2  # up is a smaller y


def test_every_series_has_a_line_and_a_legend() -> None:
    series = {"loss <train>": [(1, 2.0), (2, 1.0)], "loss & val": [(1, 3.0), (2, 2.5)]}
    chart = Chart(title="Loss", x_label="epoch", series=series)
    assert len(points_of(chart.to_svg())) == 2
    assert "loss &lt;train&gt; <b>1</b>" in chart.to_legend()
    assert "loss &amp; val <b>2.5</b>" in chart.to_legend()


def test_gaps_are_skipped_and_an_empty_chart_says_so() -> None:
    chart = Chart(title="x", x_label="e", series={"a": [(1, 1.0), (2, math.nan), (3, 2.0)]})
    assert len(points_of(chart.to_svg())[0]) == 2
    assert "no data yet" in Chart(title="x", x_label="e", series={"a": []}).to_svg()


def test_one_point_is_enough() -> None:
    svg = Chart(title="x", x_label="e", series={"a": [(1, 0.5)]}).to_svg()
    assert len(list(ET.fromstring(svg).iter(f"{SVG}circle"))) == 1


def test_factors_are_equally_far_apart_on_a_log_axis() -> None:
    points = [(0, 1.0), (1, 10.0), (2, 100.0)]
    chart = Chart(title="x", x_label="e", series={"a": points}, log=True)
    ((_, y0), (_, y1), (_, y2)) = points_of(chart.to_svg())[0]
    assert y0 - y1 == pytest.approx(y1 - y2, abs=0.2)
    # Nothing at or below 0 has a place there.
    zero = Chart(title="x", x_label="e", series={"a": [(0, 0.0), (1, 10.0), (2, 20.0)]}, log=True)
    ((_, y0), (_, y1), (_, y2)) = points_of(zero.to_svg())[0]
    assert y0 - y1 == pytest.approx(y1 - y2, abs=0.2)


def test_neighbours_of_a_long_line_become_their_mean() -> None:
    chart = Chart(title="x", x_label="e", series={"a": [(i, float(i % 2)) for i in range(4000)]})
    (line,) = points_of(chart.to_svg())
    assert len(line) == 400
    assert len({y for _, y in line}) == 1
