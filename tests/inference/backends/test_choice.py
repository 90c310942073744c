"""What a backend's name means on this machine, and what is said where it cannot be had."""

from __future__ import annotations

import logging
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from raypose.errors import ConfigError, RayposeError
from raypose.inference.backends import choice, choose_backend, export, run_on_backend, running
from raypose.models.estimators import TopdownPoseEstimator
from raypose.models.estimators.base import BasePoseEstimator
from raypose.structures import PoseBatch, Poses
from tests.inference.backends.small_models import batch, build, probes
from tests.models.heads.topdown_heads import CONFIGS

CPU, GPU = torch.device("cpu"), torch.device("cuda")


def install(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    """Let only these modules seem to be installed."""
    found = dict.fromkeys(names, object())
    monkeypatch.setattr(choice, "find_spec", found.get)


@pytest.mark.parametrize(
    ("installed", "device", "chosen"),
    [
        (("onnxruntime", "onnx", "openvino"), CPU, "onnxruntime"),
        (("onnxruntime", "onnx"), GPU, "torch"),
        (("onnxruntime",), CPU, "torch"),
        (("openvino", "onnx"), CPU, "torch"),
        ((), CPU, "torch"),
    ],
)
def test_auto(
    installed: tuple[str, ...],
    device: torch.device,
    chosen: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    install(monkeypatch, *installed)
    assert choose_backend("auto", device) == chosen


@pytest.mark.parametrize(
    ("backend", "installed", "message"),
    [
        ("openvino", ("onnx",), r"needs openvino, .*pip install 'raypose\[openvino\]'"),
        ("onnxruntime", ("onnxruntime",), r"needs onnx, .*pip install 'raypose\[onnx\]'"),
        ("onnxruntime", (), "needs onnxruntime and onnx"),
        ("onnxruntim", (), "Did you mean 'onnxruntime'?"),
    ],
)
def test_one_that_is_not_there(
    backend: str, installed: tuple[str, ...], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(monkeypatch, *installed)
    with pytest.raises(ConfigError, match=message):
        choose_backend(backend, CPU)


def test_openvino_is_for_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, "openvino", "onnx")
    with pytest.raises(ConfigError, match="runs on the CPU, the device is cuda"):
        choose_backend("openvino", GPU)


class OwnWay(BasePoseEstimator):
    """Predicts without `extract_feat`."""

    def loss(self, batch: PoseBatch) -> dict[str, Tensor]:
        raise AssertionError("not used in prediction")

    def predict(self, batch: PoseBatch) -> list[Poses]:
        return [Poses.empty(5)] * len(batch)


class Unexportable(nn.Module):
    """Six channels of a random number of equal pixels."""

    def forward(self, images: Tensor) -> tuple[Tensor]:
        pooled = images.mean(dim=(2, 3)).repeat(1, 2)
        order = torch.from_numpy(pooled.numpy().argsort(axis=1))
        return (order[:, :, None, None].float().expand(-1, -1, 4, 3),)


def unexportable() -> Any:
    return TopdownPoseEstimator(Unexportable(), head=CONFIGS["heatmap"]).eval()


@pytest.mark.parametrize(
    ("estimator", "reason"),
    [
        (OwnWay(nn.Identity()), r"OwnWay\.predict does not go through extract_feat\(\)"),
        (unexportable(), "export_by_tracing: "),
    ],
)
def test_a_model_that_only_torch_runs(
    estimator: Any,
    reason: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    tmp_path: Path,
) -> None:
    pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    monkeypatch.setenv("RAYPOSE_WEIGHTS_DIR", str(tmp_path))
    monkeypatch.setattr(running, "exporters", lambda: [export.export_by_tracing])
    with pytest.raises(RayposeError, match=f"does not run on onnxruntime: {reason}"):
        run_on_backend(estimator, lambda: probes("heatmap"), "onnxruntime", CPU)

    with caplog.at_level(logging.INFO):
        assert run_on_backend(estimator, lambda: probes("heatmap"), "auto", CPU) == "torch"
    assert re.search(f"runs in torch: {reason}", caplog.text)
    assert len(estimator.predict(batch("heatmap", 2))) == 2


def test_a_network_that_answers_otherwise_is_not_taken(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    monkeypatch.setenv("RAYPOSE_WEIGHTS_DIR", str(tmp_path))
    estimator, other = build("heatmap"), build("heatmap")
    with torch.no_grad():
        other.required_head().final_layer.bias += 0.1  # type: ignore[operator, union-attr]

    def export_other(network: Any, call: Any, axes: Any) -> bytes:
        return export.export_by_tracing(type(network)(other, with_head=True), call, axes)

    monkeypatch.setattr(running, "exporters", lambda: [export_other])
    with pytest.raises(RayposeError, match=r"output 0 differs from torch's by 0\.\d+ of its"):
        run_on_backend(estimator, lambda: probes("heatmap"), "onnxruntime", CPU)
    assert not list(tmp_path.rglob("*.onnx"))


def test_torch_stays_as_it_is() -> None:
    def no_probes() -> list[PoseBatch]:
        raise AssertionError("nothing is tried")

    assert run_on_backend(build("heatmap"), no_probes, "torch", CPU) == "torch"
