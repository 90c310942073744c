"""The raw outputs of every head, and their gradients, against what MMPose 1.3.2 computes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from raypose.registry import MODELS
from tests.golden_files import read_arrays, read_cases
from tests.models.drawn_weights import INPUT_SEED, draw_weights, normal_input

CASES = read_cases("models", "heads")


@pytest.fixture(scope="module")
def arrays() -> dict[str, np.ndarray]:
    return read_arrays("models", "heads")


@pytest.mark.parametrize("case", CASES, ids=[case["id"] for case in CASES])
def test_state_dict_has_the_reference_keys(case: dict[str, Any]) -> None:
    with torch.device("meta"):
        head: nn.Module = MODELS.build(case["cfg"])

    parameters = dict(head.named_parameters())
    got = {
        key: ["p" if key in parameters else "b", list(value.shape)]
        for key, value in head.state_dict().items()
    }
    assert got == {key: entry[:2] for key, entry in case["keys"].items()}


@pytest.mark.parametrize("case", CASES, ids=[case["id"] for case in CASES])
def test_outputs_and_gradients(case: dict[str, Any], arrays: dict[str, np.ndarray]) -> None:
    head: nn.Module = draw_weights(MODELS.build(case["cfg"])).eval()
    feats = [
        normal_input(tuple(entry["shape"]), INPUT_SEED + i).requires_grad_()
        for i, entry in enumerate(case["inputs"][0])
    ]

    outputs = head(feats)

    parts = outputs if isinstance(outputs, tuple) else (outputs,)
    for i, part in enumerate(parts):
        name = str(i) if isinstance(outputs, tuple) else ""
        _agree(part, f"{case['id']}/out:{name}", arrays)
    torch.stack([part.double().square().mean() for part in parts]).sum().backward()
    squares = [p.grad.double().square().sum() for p in head.parameters() if p.grad is not None]
    norm = torch.stack(squares).sum().sqrt()
    assert norm.item() == pytest.approx(arrays[f"{case['id']}/grad:parameters"], rel=1e-3)
    assert feats[0].grad is not None
    want = arrays[f"{case['id']}/grad:inputs.0"]
    assert feats[0].grad.norm().item() == pytest.approx(want, rel=1e-3)


def _agree(got: Tensor, key: str, arrays: dict[str, np.ndarray]) -> None:
    """Compare with the array `key`, or with every `#step`-th of its values."""
    values = got.detach().numpy()
    if key in arrays:
        want = arrays[key]
    else:
        assert values.shape == tuple(arrays[f"{key}#shape"])
        values, want = values.reshape(-1)[:: int(arrays[f"{key}#step"])], arrays[f"{key}#sub"]
    limit = 1e-6 + 1e-4 * float(np.abs(want).max())
    np.testing.assert_allclose(values, want, rtol=0, atol=limit)
