"""Contract 1: the registries, and constructors that take a config or an object.

How a registry registers, finds and builds is in tests/test_registry.py.
"""

from __future__ import annotations

import pytest
import torch

from raypose.registry import CODECS, DATASETS, METRICS, MODELS, TRANSFORMS
from tests.extension.conftest import Load


def test_one_registry_holds_all_parts_of_models() -> None:
    backbone, neck, head = "ResNet", "GlobalAveragePooling", "HeatmapHead"
    loss, preprocessor = "KeypointMSELoss", "PoseDataPreprocessor"
    estimator, detector = "TopdownPoseEstimator", "ONNXDetector"
    names = {backbone, neck, head, loss, preprocessor, estimator, detector}
    assert names <= set(MODELS)


def test_each_kind_of_part_has_its_registry() -> None:
    assert "MSRAHeatmap" in CODECS
    assert "TopdownAffine" in TRANSFORMS
    assert "CocoDataset" in DATASETS
    assert "CocoMetric" in METRICS


def test_importing_the_users_modules_registers_their_classes(load: Load) -> None:
    assert "SmallNet" not in MODELS
    load("wrapped")
    load("grid")
    assert {"SmallNet", "PointHead", "ShareHead", "GridEstimator"} <= set(MODELS)
    assert "CenterGrid" in CODECS
    assert {"SkipSmall", "RandomGray"} <= set(TRANSFORMS)
    assert "Hits" in METRICS


@pytest.mark.parametrize("part", ["backbone", "neck", "head", "data_preprocessor"])
def test_an_estimator_takes_configs_or_modules(part: str) -> None:
    config = {
        "type": "TopdownPoseEstimator",
        "data_preprocessor": {"type": "PoseDataPreprocessor"},
        "backbone": {"type": "MobileNetV2", "widen_factor": 0.25},
        "neck": {"type": "GlobalAveragePooling"},
        "head": {
            "type": "RegressionHead",
            "in_channels": 1280,
            "num_joints": 5,
            "decoder": {"type": "RegressionLabel", "input_size": [32, 32]},
        },
    }
    module = MODELS.build(config[part])
    estimator = MODELS.build({**config, part: module})
    assert getattr(estimator, part) is module
    torch.manual_seed(0)
    other = MODELS.build(config)
    assert list(estimator.state_dict()) == list(other.state_dict())


def test_a_head_takes_configs_or_objects() -> None:
    loss = MODELS.build({"type": "SmoothL1Loss", "use_target_weight": True})
    codec = CODECS.build({"type": "RegressionLabel", "input_size": [32, 32]})
    parts = {"loss": loss, "decoder": codec}
    head = MODELS.build({"type": "RegressionHead", "in_channels": 4, "num_joints": 5, **parts})
    assert head.loss_module is loss
    assert head.decoder is codec
