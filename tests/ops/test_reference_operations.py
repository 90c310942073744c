"""Every operation against what MMPose 1.3.2 computes.

The cases are those of the reference checks; `tests/reference/adapter_ops.py` maps names and
spaces. A value passes when |got - want| <= absolute + relative * max|want|.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.reference.adapter_ops import op

GOLDENS = Path(__file__).parents[1] / "goldens" / "ops"
CASES = json.loads((GOLDENS / "operations.json").read_text())


@pytest.fixture(scope="module")
def arrays() -> dict[str, np.ndarray]:
    with np.load(GOLDENS / "operations.npz") as file:
        return dict(file)


@pytest.mark.parametrize("case", CASES, ids=[case["id"] for case in CASES])
def test_operation(case: dict[str, Any], arrays: dict[str, np.ndarray]) -> None:
    got = op(case["op"], **_resolve(case["inputs"], arrays))

    prefix = f"{case['id']}/out:"
    fields = [name for name in arrays if name.startswith(prefix)]
    assert fields
    for name in fields:
        path = name.removeprefix(prefix)
        want = arrays[name].astype(np.float64)
        value = np.asarray(_at(got, path), np.float64)
        assert value.shape == want.shape or value.size == want.size == 1, path
        relative, absolute = case["tolerance"].get(path, case["tolerance"].get("", [1e-4, 1e-6]))
        limit = absolute + relative * np.abs(want).max(initial=0)
        np.testing.assert_allclose(
            value.reshape(want.shape), want, rtol=0, atol=limit, err_msg=path
        )


def _resolve(value: Any, arrays: dict[str, np.ndarray]) -> Any:
    if isinstance(value, dict):
        if "$" in value:
            return arrays[value["$"]].copy()
        return {key: _resolve(item, arrays) for key, item in value.items()}
    if isinstance(value, list):
        return [_resolve(item, arrays) for item in value]
    return value


def _at(value: Any, path: str) -> Any:
    for part in path.split(".") if path else ():
        value = value[int(part)] if isinstance(value, (list, tuple)) else value[part]
    return value
