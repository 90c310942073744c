"""Libraries that only some formats need."""

from __future__ import annotations

import sys

import pytest

from raypose.converters.extras import require
from raypose.errors import RayposeError


def test_a_library_that_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    assert require("json", "read JSON") is sys.modules["json"]
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(RayposeError, match=r"h5py is needed to read SLEAP files: pip install 'ray"):
        require("h5py", "read SLEAP files")
