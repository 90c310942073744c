"""Axes: round ticks that span the values."""

from __future__ import annotations

import pytest

from raypose.visualization.axes import Axes, log_ticks, nice_ticks


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0.0, 1.0, [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]),
        (0.03, 0.27, [0.0, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3]),
        (1, 14, [0, 5, 10, 15]),
        (-3, 3, [-4, -2, 0, 2, 4]),
    ],
)
def test_ticks_are_round_and_span_the_values(
    low: float, high: float, expected: list[float]
) -> None:
    assert nice_ticks(low, high) == pytest.approx(expected)


@pytest.mark.parametrize("value", [0.0, 5.0, 1e-7, -2e9])
def test_ticks_of_a_constant(value: float) -> None:
    ticks = nice_ticks(value, value)
    assert len(ticks) >= 2
    assert ticks[0] <= value <= ticks[-1]


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0.03, 0.4, [0.02, 0.05, 0.1, 0.2, 0.5]),
        (1.0, 100.0, [1, 2, 5, 10, 20, 50, 100]),
        (1e-6, 1.0, [1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 0.1, 1]),
        (3.0, 3.0, [2, 5]),
        (2.0, 2.0, [2, 5]),
    ],
)
def test_ticks_of_factors(low: float, high: float, expected: list[float]) -> None:
    assert log_ticks(low, high) == pytest.approx(expected)


def test_small_ticks_are_short() -> None:
    svg = Axes.around([0.0, 1.0], [2e-7, 8e-7]).to_svg("step")
    assert ">2e-7<" in svg
    assert ">step<" in svg
