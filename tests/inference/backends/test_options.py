"""Where a user names a backend: `Predictor`, `annotate.backend`, `serve.pose.backend`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from raypose.config import Config, build_model
from raypose.config.sections import PoseStageSection
from raypose.distributed.serving.models import load_served_pose
from raypose.errors import ConfigError
from raypose.inference import Predictor, load_pose_stage
from tests.tiny_runs import load_experiment

RNG = np.random.default_rng(3)
IMAGES = [RNG.integers(0, 256, (120, 160, 3), np.uint8) for _ in range(2)]
BOXES = [[[10, 10, 60, 90], [40, 20, 150, 110]], [[5, 5, 80, 100]]]


@pytest.fixture(scope="module", params=[False, True], ids=["plain", "flip_test"])
def checkpoint(
    request: pytest.FixtureRequest,
    synthetic_people: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    folder = tmp_path_factory.mktemp("model")
    test_cfg = {"flip_test": request.param, "flip_mode": "heatmap"}
    config: Config = load_experiment(folder, synthetic_people, model__test_cfg=test_cfg)
    torch.manual_seed(0)
    state = {"state_dict": build_model(config).state_dict(), "config": config.to_yaml()}
    torch.save(state, folder / "pose.pth")
    return folder / "pose.pth"


@pytest.fixture(params=["onnxruntime", "openvino"])
def backend(request: pytest.FixtureRequest) -> str:
    pytest.importorskip("onnx")
    pytest.importorskip(request.param)
    return request.param


def test_predictor(checkpoint: Path, backend: str) -> None:
    predictors = {
        name: Predictor(checkpoint, device="cpu", backend=name, batch_size=2)
        for name in ("torch", backend)
    }
    expected, found = (each.predict(IMAGES, BOXES) for each in predictors.values())
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one.keypoints, other.keypoints, atol=0.01)
        np.testing.assert_allclose(one.keypoint_scores, other.keypoint_scores, atol=1e-5)


def test_a_stage_tells_what_runs_it(checkpoint: Path, backend: str) -> None:
    assert load_pose_stage(checkpoint, backend=backend).backend == backend
    assert load_pose_stage(checkpoint, backend="torch").backend == "torch"
    if backend == "onnxruntime" and not torch.cuda.is_available():
        assert load_pose_stage(checkpoint).backend == "onnxruntime"


def test_serving(checkpoint: Path, backend: str) -> None:
    if torch.cuda.is_available():
        pytest.skip("serving takes the GPU, where OpenVINO does not run")
    section = PoseStageSection(weights=str(checkpoint), backend=backend)  # type: ignore[arg-type]
    (model,) = section.named_models.values()
    assert load_served_pose(model, section).backend == backend


def test_a_mistake_is_told_before_anything_is_loaded() -> None:
    with pytest.raises(ConfigError, match="backend is one of auto, torch, onnxruntime, openvino"):
        load_pose_stage("no-such-model", backend="onxruntime")


def test_a_mistake_in_a_config_is_found(synthetic_people: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"annotate\.backend"):
        load_experiment(tmp_path, synthetic_people, annotate__backend="onnx")
