"""Every metric against what MMPose 1.3.2 computes over small synthetic data sets."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.reference.adapter_metrics import metric

GOLDENS = Path(__file__).parents[1] / "goldens" / "evaluation"
TABLE = json.loads(gzip.decompress((GOLDENS / "metrics.json.gz").read_bytes()))


@pytest.fixture(scope="module")
def arrays() -> dict[str, np.ndarray]:
    with np.load(GOLDENS / "metrics.npz") as file:
        return dict(file)


@pytest.mark.parametrize("case", TABLE["cases"], ids=[case["id"] for case in TABLE["cases"]])
def test_metric(
    case: dict[str, Any],
    arrays: dict[str, np.ndarray],
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    cfg = _resolve(case["cfg"], arrays)
    if "ann_file" in cfg:
        file = tmp_path / "annotations.json"
        file.write_text(json.dumps(TABLE["annotations"][cfg["ann_file"]]))
        cfg["ann_file"] = str(file)

    got = metric(case["metric"], cfg, _resolve(TABLE["samples"][case["samples"]], arrays))

    relative, absolute = case["tolerance"]
    assert case["want"]
    for name, want in case["want"].items():
        assert got[name] == pytest.approx(want, abs=absolute + relative * abs(want)), name
    assert capfd.readouterr() == ("", "")


def _resolve(value: Any, arrays: dict[str, np.ndarray]) -> Any:
    if isinstance(value, dict):
        if "$" in value:
            array = arrays[value["$"]]
            return array[value["at"]].copy() if "at" in value else array.copy()
        return {key: _resolve(item, arrays) for key, item in value.items()}
    if isinstance(value, list):
        return [_resolve(item, arrays) for item in value]
    return value
