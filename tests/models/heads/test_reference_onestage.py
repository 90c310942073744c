"""Whole one-stage models, raw outputs, losses and people, against what MMPose 1.3.2 computes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from raypose.registry import MODELS
from raypose.structures import CropTransform, PoseBatch
from tests.golden_files import read_arrays, read_cases
from tests.models.drawn_weights import draw_weights, normal_input

CASES = {case["id"]: case for case in read_cases("models", "onestage")}
Arrays = Mapping[str, np.ndarray]


@pytest.fixture(scope="module")
def arrays() -> Arrays:
    return read_arrays("models", "onestage")


def build(case: Mapping[str, Any], arrays: Arrays, **head: Any) -> Any:
    """Return the model with drawn weights and the running statistics of the reference."""
    cfg = {**case["model"], "head": {**case["model"]["head"], **head}}
    model = draw_weights(MODELS.build(cfg)).eval()
    prefix = f"{case['id']}/bn:"
    statistics = {
        key.removeprefix(prefix): torch.from_numpy(values)
        for key, values in arrays.items()
        if key.startswith(prefix)
    }
    assert not model.load_state_dict(statistics, strict=False).unexpected_keys
    return model


def batch_of(case: Mapping[str, Any], arrays: Arrays, images: int | None = None) -> PoseBatch:
    crops = [
        CropTransform.from_box(meta["input_center"], meta["input_scale"], tuple(meta["input_size"]))
        for meta in case["metas"][:images]
    ]
    targets = {
        name: torch.from_numpy(np.stack([arrays[target[name]] for target in case["targets"]]))
        for name in (case["targets"] or [{}])[0]
    }
    return PoseBatch(
        inputs=normal_input(tuple(case["input_shape"]))[:images], transforms=crops, targets=targets
    )


def check(case: Mapping[str, Any], name: str, field: str, got: Any, arrays: Arrays) -> None:
    """Compare a field of a check, or every so many-th value of it."""
    options = case["checks"][name]
    key = f"{case['id']}/{name}:{field}"
    values = np.asarray(got, np.float64)
    if key in arrays:
        want = arrays[key].astype(np.float64)
        assert values.shape == want.shape
    else:
        assert values.shape == tuple(arrays[f"{key}#shape"])
        want = arrays[f"{key}#sub"].astype(np.float64)
        values = values.reshape(-1)[:: int(arrays[f"{key}#step"])]
    given = options["tolerance"]
    relative, absolute = given.get(field, given.get("", (1e-4, 1e-6)))
    stable = np.ones(want.size, bool)
    stable[options["unstable"].get(field, [])] = False
    limit = absolute + relative * np.abs(want).max()
    if name == "grad":  # tolerances are of one CPU; the kernels of others sum in another order
        limit *= 2
    np.testing.assert_allclose(
        values.reshape(-1)[stable], want.reshape(-1)[stable], rtol=0, atol=limit, err_msg=field
    )


@pytest.mark.parametrize("name", ["yoloxpose_tiny", "rtmo_t"])
def test_losses_and_gradients(name: str, arrays: Arrays) -> None:
    case = CASES[name]
    model: nn.Module = build(case, arrays, use_aux_loss=True)

    losses = model.loss(batch_of(case, arrays))  # type: ignore[operator]

    fields = [key.split(":")[1] for key in arrays if key.startswith(f"{name}/loss_aux:")]
    assert sorted(losses) == sorted(set(fields) - {"total"})
    for field, loss in losses.items():
        check(case, "loss_aux", field, loss.item(), arrays)
    if "grad" in case["checks"]:
        main = [loss for field, loss in losses.items() if field != "loss_bbox_aux"]
        torch.stack(main).sum().backward()
        for part in ("backbone", "neck", "head"):
            squares = [
                p.grad.double().square().sum()
                for p in model.get_submodule(part).parameters()
                if p.grad is not None
            ]
            check(case, "grad", part, torch.stack(squares).sum().sqrt().item(), arrays)


@pytest.mark.parametrize("name", ["yoloxpose_tiny", "rtmo_t"])
def test_people(name: str, arrays: Arrays) -> None:
    case = CASES[name]
    model = build(case, arrays)
    options = case["checks"]["predict_top"]["options"]
    model.test_cfg.update(options["test_cfg"])

    (poses,) = model.predict(batch_of(case, arrays, options["images"]))

    prefix = f"{name}/predict_top:"
    fields = {key.removeprefix(prefix).split("#")[0] for key in arrays if key.startswith(prefix)}
    assert "0.bboxes" in fields
    for field in fields:
        part = field.removeprefix("0.")
        got = poses.extras[part] if part in poses.extras else getattr(poses, part)
        check(case, "predict_top", field, got, arrays)


@pytest.mark.slow
def test_edpose_outputs(arrays: Arrays) -> None:
    case = CASES["edpose_res50"]
    model = build(case, arrays)

    with torch.no_grad():
        outputs = model(normal_input(tuple(case["input_shape"])))

    for i, output in enumerate(outputs):
        check(case, "tensor", str(i), output.numpy(), arrays)
