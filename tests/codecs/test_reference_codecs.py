"""Every codec and its pieces against what MMPose 1.3.2 computes.

Cases of the reference checks, and scenes of associative embedding that MMPose decoded; a big
expected array is thinned: `field#sub` holds its flattened values [::step]. A value passes when
|got - want| <= absolute + relative * max|want|.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.golden_files import read_arrays, read_cases
from tests.reference.adapter_codecs import codec_decode, codec_encode, codec_op

CASES = read_cases("codecs", "codecs")


@pytest.fixture(scope="module")
def arrays() -> dict[str, np.ndarray]:
    return read_arrays("codecs", "codecs")


@pytest.mark.parametrize("case", CASES, ids=[case["id"] for case in CASES])
def test_reference(case: dict[str, Any], arrays: dict[str, np.ndarray]) -> None:
    inputs = _resolve(case["inputs"], arrays)
    if "op" in case:
        got = codec_op(case["op"], **inputs)
    elif case["id"].endswith(".encode"):
        got = codec_encode(case["cfg"], inputs)
    else:
        got = codec_decode(case["cfg"], inputs)

    wanted = {field: arrays[name] for field, name in case["fields"].items()}
    paths = {field.partition("#")[0] for field in wanted}
    assert paths
    for path in paths:
        value = np.asarray(_at(got, path), np.float64)
        if path in wanted:
            want = wanted[path].astype(np.float64)
            assert value.shape == want.shape, path
        else:
            assert list(value.shape) == wanted[f"{path}#shape"].tolist(), path
            want = wanted[f"{path}#sub"].astype(np.float64)
            value = value.reshape(-1)[:: int(wanted[f"{path}#step"])]
        relative, absolute = case["tolerance"].get(path, case["tolerance"].get("", [1e-4, 1e-6]))
        limit = absolute + relative * np.abs(want[np.isfinite(want)]).max(initial=0)
        stable = np.ones(want.size, bool)
        stable[case["unstable"].get(path, [])] = False
        np.testing.assert_allclose(
            value.reshape(-1)[stable],
            want.reshape(-1)[stable],
            rtol=0,
            atol=limit,
            err_msg=path,
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
