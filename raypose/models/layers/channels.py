"""Rounding of channel numbers."""

from __future__ import annotations


def make_divisible(value: float, divisor: int, min_ratio: float = 0.9) -> int:
    """Round a number of channels to a multiple of `divisor`, never below `min_ratio` of it."""
    rounded = max(divisor, int(value + divisor / 2) // divisor * divisor)
    return rounded + divisor if rounded < min_ratio * value else rounded
