"""Clean data of two splits, as content that a test may change before it is written."""

from __future__ import annotations

import pytest

from tests.inspection.walkers import Content, walkers


@pytest.fixture
def train() -> Content:
    """Forty walkers."""
    return walkers(40, seed=0, prefix="train")


@pytest.fixture
def val() -> Content:
    """Ten others."""
    return walkers(10, seed=1, prefix="val")
