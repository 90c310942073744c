"""Backbones, necks and the preprocessor against what MMPose 1.3.2 computes, with gradients."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from raypose.registry import MODELS
from tests.golden_files import read_arrays, read_cases
from tests.models.drawn_weights import INPUT_SEED, draw_weights, normal_input

CASES = read_cases("models", "parts")


@pytest.fixture(scope="module")
def arrays() -> dict[str, np.ndarray]:
    return read_arrays("models", "parts")


@pytest.mark.parametrize("case", CASES, ids=[case["id"] for case in CASES])
def test_outputs_and_gradients(case: dict[str, Any], arrays: dict[str, np.ndarray]) -> None:
    module: nn.Module = draw_weights(MODELS.build(case["cfg"])).eval()
    leaves: list[Tensor] = []

    def read(entry: Any) -> Any:
        if isinstance(entry, list):
            return tuple(read(item) for item in entry)
        if not isinstance(entry, dict):
            return entry
        if "$" in entry:
            return torch.from_numpy(arrays[entry["$"]])
        leaf = normal_input(tuple(entry["shape"]), INPUT_SEED + len(leaves))
        leaves.append(leaf.requires_grad_())
        return leaf

    outputs = module(*[read(entry) for entry in case["inputs"]])

    parts = named_parts(outputs)
    prefix = f"{case['id']}/out:"
    fields = {name[len(prefix) :].split("#")[0] for name in arrays if name.startswith(prefix)}
    assert set(parts) == fields
    for field, part in parts.items():
        agree(part, f"{prefix}{field}", arrays, tolerance(case, "out", field))
    if "grad" in case["checks"]:
        torch.stack([part.double().square().mean() for part in parts.values()]).sum().backward()
        # Of maps that are not selected there is no gradient; the others are counted through.
        for i, leaf in enumerate(leaf for leaf in leaves if leaf.grad is not None):
            check_norm(f"inputs.{i}", [leaf], case, arrays)
        check_norm("parameters", list(module.parameters()), case, arrays)


def named_parts(outputs: Any, name: str = "") -> dict[str, Tensor]:
    """Return tensors of nested sequences by their indices: `1.0` is `outputs[1][0]`."""
    if isinstance(outputs, Tensor):
        return {name: outputs}
    parts: dict[str, Tensor] = {}
    for i, item in enumerate(outputs):
        parts.update(named_parts(item, f"{name}.{i}" if name else str(i)))
    return parts


def check_norm(
    field: str, tensors: list[Tensor], case: Mapping[str, Any], arrays: Mapping[str, Any]
) -> None:
    key = f"{case['id']}/grad:{field}"
    grads = [t.grad.double().square().sum() for t in tensors if t.grad is not None]
    assert (key in arrays) == bool(grads)
    if grads:
        norm = torch.stack(grads).sum().sqrt()
        relative, absolute = tolerance(case, "grad", field)
        assert norm.item() == pytest.approx(float(arrays[key]), rel=relative, abs=absolute)


def tolerance(case: Mapping[str, Any], check: str, field: str) -> tuple[float, float]:
    """Relative and absolute: ten times what rounding makes of this case."""
    given = case["tolerance"].get(check, {})
    relative, absolute = given.get(field, given.get("", (1e-4, 1e-6)))
    return relative, absolute


def agree(
    got: Tensor, key: str, arrays: Mapping[str, np.ndarray], limits: tuple[float, float]
) -> None:
    """Compare with the array `key`, or with every `#step`-th of its values."""
    values = got.detach().numpy()
    if key in arrays:
        want = arrays[key]
    else:
        assert values.shape == tuple(arrays[f"{key}#shape"])
        values, want = values.reshape(-1)[:: int(arrays[f"{key}#step"])], arrays[f"{key}#sub"]
    limit = limits[1] + limits[0] * float(np.abs(want).max())
    np.testing.assert_allclose(values, want, rtol=0, atol=limit)
