"""Every loss and its gradient against what MMPose 1.3.2 computes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from raypose.registry import MODELS
from tests.golden_files import read_arrays, read_cases
from tests.models.drawn_weights import draw_weights

CASES = read_cases("models", "losses")


@pytest.fixture(scope="module")
def arrays() -> dict[str, np.ndarray]:
    return read_arrays("models", "losses")


@pytest.mark.parametrize("case", CASES, ids=[case["id"] for case in CASES])
def test_value_and_gradient(case: dict[str, Any], arrays: dict[str, np.ndarray]) -> None:
    loss: nn.Module = draw_weights(MODELS.build(case["cfg"])).eval()
    leaves: dict[str, Tensor] = {}
    args = [
        _tensors(arg, str(i), arrays, leaves if i in case["grad_of"] else None)
        for i, arg in enumerate(case["args"])
    ]

    results = loss(*args)

    parts = results if isinstance(results, tuple) else (results,)
    for i, part in enumerate(parts):
        name = str(i) if isinstance(results, tuple) else ""
        _agree(part, arrays[f"{case['id']}/out:{name}"], case["tolerance"].get("out", {}), name)
    if leaves:
        total = torch.stack([part.sum() for part in parts]).sum()
        gradients = torch.autograd.grad(total, list(leaves.values()))
        for name, gradient in zip(leaves, gradients, strict=True):
            want = arrays[f"{case['id']}/grad:{name}"]
            _agree(gradient, want, case["tolerance"].get("grad", {}), name)


def _tensors(
    value: Any, name: str, arrays: dict[str, np.ndarray], leaves: dict[str, Tensor] | None
) -> Any:
    if isinstance(value, list):
        return [_tensors(v, f"{name}.{i}", arrays, leaves) for i, v in enumerate(value)]
    if not isinstance(value, dict):
        return value
    tensor = torch.from_numpy(arrays[value["$"]].copy())
    if leaves is not None and tensor.is_floating_point():
        leaves[name] = tensor.requires_grad_()
    return tensor


def _agree(got: Tensor, want: np.ndarray, tolerance: dict[str, list[float]], name: str) -> None:
    relative, absolute = tolerance.get(name, tolerance.get("", [1e-4, 1e-6]))
    assert got.numel() == want.size
    limit = absolute + relative * float(np.abs(want).max(initial=0))
    np.testing.assert_allclose(
        got.detach().numpy().reshape(want.shape), want, rtol=0, atol=limit, err_msg=name
    )
