"""A folder of weights and a server for one test each."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.weights.file_server import FileServer, serving


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of weights, empty; loopback may be used."""
    monkeypatch.setenv("RAYPOSE_WEIGHTS_DIR", str(tmp_path / "weights"))
    monkeypatch.delenv("RAYPOSE_OFFLINE", raising=False)
    monkeypatch.delenv("RAYPOSE_MIRRORS", raising=False)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    return tmp_path / "weights"


@pytest.fixture
def server() -> Iterator[FileServer]:
    """A server without files."""
    with serving({}) as running:
        yield running
