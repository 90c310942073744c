"""Numbers of the reference implementation, from files under `tests/goldens`.

Each kind is spread over `KIND.json` and `KIND_FAMILY.json`, with arrays in the `.npz` beside them.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

_ROOT = Path(__file__).parent / "goldens"


def read_cases(folder: str, kind: str) -> list[dict[str, Any]]:
    """Return the cases of all files of a kind."""
    cases: list[dict[str, Any]] = []
    for path in _files(folder, kind, "json"):
        cases += json.loads(path.read_text())
    for path in _files(folder, kind, "json.gz"):
        with gzip.open(path, "rt", encoding="utf-8") as file:
            cases += json.load(file)
    return cases


def read_arrays(folder: str, kind: str) -> dict[str, np.ndarray]:
    """Return the arrays of all files of a kind."""
    arrays: dict[str, np.ndarray] = {}
    for path in _files(folder, kind, "npz"):
        with np.load(path) as file:
            arrays.update(file)
    return arrays


def _files(folder: str, kind: str, suffix: str) -> Iterator[Path]:
    yield from sorted((_ROOT / folder).glob(f"{kind}.{suffix}"))
    yield from sorted((_ROOT / folder).glob(f"{kind}_*.{suffix}"))
