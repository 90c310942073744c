from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
import yaml

from raypose.config import (
    Config,
    build_codec,
    build_dataset,
    build_model,
    build_pipeline,
    load_config,
)
from raypose.errors import CheckpointError, ConfigError
from raypose.inference import Predictor, load_detector, load_estimator, load_lift_stage
from raypose.ops.image_files import read_image
from raypose.structures import PoseBatch, Skeleton, SkeletonConversion

BOXES = [[[20, 10, 80, 120], [60, 5, 130, 90]], [[5, 5, 60, 60]]]
RNG = np.random.default_rng(5)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two pictures, their COCO json, a top-down and a lifting config with random weights."""
    root = tmp_path_factory.mktemp("experiment")
    images, annotations = [], []
    for number, boxes in enumerate(BOXES):
        picture = cv2.GaussianBlur(RNG.integers(0, 255, (130, 150, 3), np.uint8), (0, 0), 4)
        cv2.imwrite(str(root / f"{number}.png"), picture)
        images.append({"id": number, "file_name": f"{number}.png", "width": 150, "height": 130})
        for x0, y0, x1, y1 in boxes:
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": number,
                    "category_id": 1,
                    "bbox": [x0, y0, x1 - x0, y1 - y0],
                    "area": (x1 - x0) * (y1 - y0),
                    "iscrowd": 0,
                    "num_keypoints": 17,
                    "keypoints": [x0 + 1, y0 + 1, 2] * 17,
                }
            )
    categories = [{"id": 1, "name": "person", "keypoints": _names("coco"), "skeleton": []}]
    labels = {"images": images, "annotations": annotations, "categories": categories}
    (root / "val.json").write_text(json.dumps(labels))
    for name, content in (("pose", _pose(root)), ("lift", _lift())):
        (root / f"{name}.yaml").write_text(yaml.safe_dump(content))
        config = load_config(root / f"{name}.yaml")
        torch.manual_seed(0)
        model = build_model(config)
        state = {"state_dict": model.state_dict(), "config": config.to_yaml()}
        torch.save(state, root / f"{name}.pth")
    return root


def _names(skeleton: str) -> list[str]:
    return list(Skeleton.load(skeleton).keypoint_names)


def _pose(root: Path) -> dict[str, Any]:
    codec = {"type": "MSRAHeatmap", "input_size": [64, 96], "heatmap_size": [16, 24], "sigma": 1}
    dataset = {
        "type": "CocoDataset",
        "ann_file": "val.json",
        "data_root": str(root),
        "test_mode": True,
    }
    return {
        "skeleton": "coco",
        "codec": codec,
        "model": {
            "type": "TopdownPoseEstimator",
            "data_preprocessor": {
                "type": "PoseDataPreprocessor",
                "mean": [123.675, 116.28, 103.53],
                "std": [58.395, 57.12, 57.375],
                "bgr_to_rgb": True,
            },
            "backbone": {"type": "MobileNetV2", "widen_factor": 0.25, "out_indices": [7]},
            "head": {
                "type": "HeatmapHead",
                "in_channels": 1280,
                "out_channels": 17,
                "deconv_out_channels": [8, 8, 8],
                "deconv_kernel_sizes": [4, 4, 4],
                "decoder": "${codec}",
            },
            "test_cfg": {"flip_test": True, "flip_mode": "heatmap", "shift_heatmap": True},
        },
        "data": {
            "val": {
                "dataset": dataset,
                "pipeline": [
                    {"type": "LoadImage"},
                    {"type": "GetBBoxCenterScale"},
                    {"type": "TopdownAffine", "input_size": "${codec.input_size}"},
                ],
            }
        },
    }


def _lift() -> dict[str, Any]:
    return {
        "skeleton": "h36m",
        "codec": {"type": "VideoPoseLifting", "num_keypoints": 17, "root_index": 0},
        "model": {
            "type": "PoseLifter",
            "backbone": {
                "type": "TCN",
                "in_channels": 34,
                "stem_channels": 8,
                "num_blocks": 1,
                "kernel_sizes": [3, 3],
            },
            "head": {
                "type": "TemporalRegressionHead",
                "in_channels": 8,
                "num_joints": 17,
                "loss": {"type": "MPJPELoss"},
                "decoder": "${codec}",
            },
            "test_cfg": {
                "stats_info": {
                    "bbox_center": [500, 510],
                    "bbox_scale": 350,
                    "image_size": [1000, 1000],
                }
            },
        },
        "data": {"val": {"dataset": {"type": "MocapDataset", "ann_file": "x.npz", "seq_len": 9}}},
    }


def test_prediction_is_what_validation_measures(folder: Path) -> None:
    estimator, config = load_estimator(folder / "pose.yaml", folder / "pose.pth")
    dataset, pipeline = build_dataset(config, "val"), build_pipeline(config, "val")
    measured = []
    for i in range(len(dataset)):
        sample = pipeline(dataset[i])
        assert sample is not None
        measured += estimator.predict(PoseBatch.collate([sample]))
    predictor = Predictor(folder / "pose.yaml", weights=folder / "pose.pth", batch_size=2)
    results = list(predictor([folder / "0.png", folder / "1.png"], BOXES))
    poses = [poses.select([i]) for _, poses in results for i in range(len(poses))]
    assert len(poses) == len(measured) == 3
    for one, other in zip(poses, measured, strict=True):
        np.testing.assert_allclose(one.keypoints, other.keypoints, atol=1e-3)
        np.testing.assert_allclose(one.keypoint_scores, other.keypoint_scores, atol=1e-5)
        np.testing.assert_allclose(np.asarray(one.bboxes), np.asarray(other.bboxes), atol=1e-3)


def test_a_checkpoint_brings_its_config(folder: Path) -> None:
    estimator, config = load_estimator(folder / "pose.pth")
    other, _ = load_estimator(folder / "pose.yaml", folder / "pose.pth")
    assert isinstance(config, Config)
    assert not estimator.training
    for (name, one), two in zip(
        estimator.state_dict().items(), other.state_dict().values(), strict=True
    ):
        assert torch.equal(one, two), name


def test_two_dimensions_to_three(folder: Path) -> None:
    predictor = Predictor(folder / "pose.pth", lifter=folder / "lift.pth")
    (poses,) = predictor.predict([read_image(folder / "0.png")], BOXES[:1])
    assert poses.keypoints_3d is not None
    assert poses.keypoints_3d.shape == (2, 17, 3)
    # By hand: nine times the same frame, where the people of the training images were.
    lifter, config = load_estimator(folder / "lift.pth")
    codec = build_codec(config)
    assert codec is not None
    box = np.asarray(poses.bboxes)[0]
    conversion = SkeletonConversion.between(Skeleton.load("coco"), Skeleton.load("h36m"))
    points = conversion.keypoints(poses.keypoints[:1])
    points = (points - (box[:2] + box[2:]) / 2) / (box[2:] - box[:2]).max() * 350 + [500, 510]
    batch = PoseBatch(
        keypoints=torch.tensor(points, dtype=torch.float32)[:, None].repeat(1, 9, 1, 1),
        keypoints_visible=torch.ones(1, 9, 17),
        annotations={"camera_param": [{"w": 1000.0, "h": 1000.0}]},
    )
    (expected,) = lifter.predict(codec.encode_batch(batch))
    np.testing.assert_allclose(poses.keypoints_3d[0], expected.keypoints[0], atol=1e-5)
    assert np.abs(expected.keypoints).max() > 1e-3


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"seq_len": 9}, (9, 8, 1, False, False)),
        ({"seq_len": 9, "causal": False, "seq_step": 3}, (9, 4, 3, False, False)),
        ({"seq_len": 1, "multiple_target": 9}, (9, 4, 1, True, False)),
        ({"seq_len": 9, "keypoint_2d_src": "detection"}, (9, 8, 1, False, True)),
    ],
)
def test_a_lifters_windows_are_those_of_its_validation(
    folder: Path, changes: dict[str, Any], expected: tuple[Any, ...]
) -> None:
    _, config = load_estimator(folder / "lift.pth")
    val = config.data_options.val
    assert val is not None
    val.dataset.clear()
    val.dataset.update(changes)
    stage = load_lift_stage(config, Skeleton.load("coco"), folder / "lift.pth")
    assert (stage.num_frames, stage.target, stage.step, stage.multiple, stage.scored) == expected


def test_detectors_from_a_file_a_mapping_and_a_config(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"no ONNX file at gone\.onnx"):
        load_detector("gone.onnx")
    with pytest.raises(CheckpointError, match=r"no ONNX file at gone\.onnx"):
        load_detector({"type": "ONNXDetector", "onnx_file": "gone.onnx"})
    (tmp_path / "detector.yaml").write_text("model: {type: ONNXDetector, onnx_file: gone.onnx}\n")
    with pytest.raises(CheckpointError, match=r"no ONNX file at gone\.onnx"):
        load_detector(tmp_path / "detector.yaml")


def test_what_does_not_fit_together(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"pose\.yaml names no weights; give a checkpoint"):
        load_estimator(folder / "pose.yaml")
    torch.save({"state_dict": {}}, tmp_path / "bare.pth")
    with pytest.raises(CheckpointError, match=r"bare\.pth holds no config"):
        load_estimator(tmp_path / "bare.pth")
    (tmp_path / "detector.yaml").write_text("model: {type: ONNXDetector, onnx_file: gone.onnx}\n")
    with pytest.raises(ConfigError, match=r"an estimator is expected .* got the type ONNXDetector"):
        load_estimator(tmp_path / "detector.yaml", folder / "pose.pth")
    with pytest.raises(ConfigError, match=r"a class with detect\(\)\) is expected, got Topdown"):
        load_detector(folder / "pose.yaml")
    with pytest.raises(ConfigError, match=r"'ap10k' cannot be turned into those of 'h36m'"):
        load_lift_stage(folder / "lift.pth", Skeleton.load("ap10k"))
    with pytest.raises(ConfigError, match=r"data\.val\.pipeline is missing"):
        Predictor(folder / "lift.pth")
