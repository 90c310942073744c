"""Each backend answers as torch does, for every family of heads, with flip test and without."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from raypose.errors import RayposeError
from raypose.inference.backends import export, run_on_backend, running
from raypose.inference.backends.network import watch
from raypose.structures import Poses
from tests.inference.backends.small_models import (
    BOTTOMUP_MODELS,
    MODELS_BY_NAME,
    TOPDOWN_MODELS,
    batch,
    build,
    probes,
)

CPU = torch.device("cpu")
# Their heads read features in more ways than one, so theirs run in torch.
WITH_HEAD_IN_TORCH = {"visibility", "cid"}


@pytest.fixture(scope="module", autouse=True)
def exported(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep exported networks of these tests, and of nobody else."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAYPOSE_WEIGHTS_DIR", str(tmp_path_factory.mktemp("weights")))
        yield


@pytest.fixture(params=["onnxruntime", "openvino"])
def backend(request: pytest.FixtureRequest) -> str:
    pytest.importorskip("onnx")
    pytest.importorskip(request.param)
    return request.param


def assert_same(found: list[Poses], expected: list[Poses]) -> None:
    for one, other in zip(found, expected, strict=True):
        assert one.keypoints.shape == other.keypoints.shape
        np.testing.assert_allclose(one.keypoints, other.keypoints, atol=0.01)
        np.testing.assert_allclose(one.keypoint_scores, other.keypoint_scores, atol=1e-4, rtol=1e-3)
        pairs = [(one.keypoints_visible, other.keypoints_visible), (one.bboxes, other.bboxes)]
        for values, wanted in pairs:
            assert (values is None) == (wanted is None)
            if values is not None and wanted is not None:
                np.testing.assert_allclose(values, wanted, atol=0.01)


@pytest.mark.parametrize("name", MODELS_BY_NAME)
def test_predict_is_that_of_torch(name: str, backend: str) -> None:
    estimator = build(name)
    batches = [batch(name, size, seed=size) for size in (3, 1, 5)]
    if name in BOTTOMUP_MODELS:
        batches.append(batch(name, 2, seed=9, grow=64))
    expected = [estimator.predict(each) for each in batches]
    assert any(len(poses) for poses in expected[0])

    assert run_on_backend(estimator, lambda: probes(name), backend, CPU) == backend

    for each, poses in zip(batches, expected, strict=True):
        assert_same(estimator.predict(each), poses)


@pytest.mark.parametrize("name", MODELS_BY_NAME)
def test_torch_is_not_asked_any_more(name: str) -> None:
    pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    estimator = build(name)
    run_on_backend(estimator, lambda: probes(name), "onnxruntime", CPU)
    head = estimator.required_head()
    in_torch = [estimator.backbone]
    if name not in WITH_HEAD_IN_TORCH:
        in_torch += [module for module in head.children() if not _decodes(module)]
    for module in in_torch:
        module.register_forward_pre_hook(_forbidden)
    estimator.predict(batch(name, 2))


def _decodes(module: torch.nn.Module) -> bool:
    return type(module).__name__ == "DCC"


def _forbidden(module: torch.nn.Module, inputs: object) -> None:
    raise AssertionError(f"{type(module).__name__} ran in torch")


@pytest.mark.parametrize("name", MODELS_BY_NAME)
def test_the_head_is_part_of_the_network_where_it_can_be(name: str) -> None:
    network, calls = watch(build(name), probes(name))
    assert network.with_head == (name not in WITH_HEAD_IN_TORCH)
    doubled = 2 if name in TOPDOWN_MODELS or name == "ae" else 1  # the flip test
    assert [len(call.inputs) for call in calls] == [2 * doubled, doubled]


@pytest.mark.parametrize("name", ["vit", "yoloxpose"])
def test_what_cannot_be_traced_is_exported_with_symbols(
    name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for module in ("onnx", "onnxruntime", "onnxscript"):
        pytest.importorskip(module)

    def fails(*arguments: object) -> bytes:
        raise RayposeError("this exporter is gone")

    monkeypatch.setenv("RAYPOSE_WEIGHTS_DIR", str(tmp_path))
    monkeypatch.setattr(running, "exporters", lambda: [fails, export.export_by_symbols])
    estimator = build(name)
    batches = [batch(name, 3), batch(name, 1, grow=64)]
    expected = [estimator.predict(each) for each in batches]
    run_on_backend(estimator, lambda: probes(name), "onnxruntime", CPU)
    for each, poses in zip(batches, expected, strict=True):
        assert_same(estimator.predict(each), poses)


def test_a_sample_is_the_same_in_any_batch(backend: str) -> None:
    estimator = build("rtmcc")
    run_on_backend(estimator, lambda: probes("rtmcc"), backend, CPU)
    whole = batch("rtmcc", 7)
    assert isinstance(whole.inputs, torch.Tensor)
    singly = [
        pose
        for i in range(7)
        for pose in estimator.predict(
            whole.replace(inputs=whole.inputs[i : i + 1], transforms=whole.transforms[:1])
        )
    ]
    assert_same(singly, estimator.predict(whole))
