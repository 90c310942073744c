"""Evaluating a checkpoint in this process: what it measures, and what cannot be measured."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from raypose.config import build_model
from raypose.errors import CheckpointError, DataError
from raypose.training.checkpoint_evaluation import evaluate_locally, validation_set
from raypose.training.launch import train_locally
from tests.tiny_runs import load_experiment


def test_a_checkpoint_is_measured_as_in_its_run(synthetic_people: Path, tmp_path: Path) -> None:
    config = load_experiment(
        tmp_path,
        synthetic_people,
        model__backbone={"type": "TinyBackbone", "norm": True},
        train__ema={"momentum": 0.5, "gamma": None},
    )
    metrics = train_locally(config, tmp_path / "run")
    for name in ("last.pth", "best.pth"):
        found = evaluate_locally(config, tmp_path / "run" / name).numbers
        expected = metrics if name == "last.pth" else {"PCK": metrics["best/PCK"]}
        for key in found.keys() & expected.keys():
            assert found[key] == pytest.approx(expected[key], rel=1e-6)


def test_a_checkpoint_that_is_not_there(synthetic_people: Path, tmp_path: Path) -> None:
    config = load_experiment(tmp_path, synthetic_people)
    with pytest.raises(CheckpointError, match=r"no checkpoint at .*missing.pth"):
        evaluate_locally(config, tmp_path / "missing.pth")


def test_files_of_mmpose_and_safetensors_are_measured_alike(
    synthetic_people: Path, tmp_path: Path
) -> None:
    config = load_experiment(tmp_path, synthetic_people)
    torch.manual_seed(0)
    weights = build_model(config).state_dict()
    torch.save({"meta": {"epoch": 3}, "state_dict": weights}, tmp_path / "theirs.pth")
    # Before MMPose 1.0 heads were called so.
    old = {key.replace("head.", "keypoint_head.", 1): value for key, value in weights.items()}
    torch.save({"state_dict": old}, tmp_path / "old.pth")
    save_file(
        {key: value.contiguous() for key, value in weights.items()}, tmp_path / "w.safetensors"
    )
    files = ("theirs.pth", "old.pth", "w.safetensors")
    numbers = [evaluate_locally(config, tmp_path / name).numbers for name in files]
    assert numbers[0] == numbers[1] == numbers[2]
    assert numbers[0]["EPE"] > 0


def with_detections(folder: Path, data: Path, found: Any, **changes: Any) -> Any:
    file = folder / "boxes.json"
    file.write_text(json.dumps(found))
    return load_experiment(
        folder,
        data,
        metrics=[{"type": "CocoMetric"}],
        data__val__dataset__bbox_file=str(file),
        data__val__dataset__test_mode=True,
        **changes,
    )


def test_a_file_without_detections_is_named(synthetic_people: Path, tmp_path: Path) -> None:
    config = with_detections(tmp_path, synthetic_people, [])
    with pytest.raises(
        DataError, match=r"boxes\.json: no detection of a person that is evaluated, "
    ):
        validation_set(config)
    box = {"image_id": 1, "category_id": 1, "bbox": [1, 2, 30, 40], "score": 0.2}
    config = with_detections(
        tmp_path,
        synthetic_people,
        [box],
        data__val__dataset__filter_cfg={"bbox_score_thr": 0.5},
    )
    with pytest.raises(DataError, match=r"evaluated with a score of 0\.5 or more, so there is"):
        validation_set(config)


def test_annotations_as_detections_score_as_themselves(
    synthetic_people: Path, tmp_path: Path
) -> None:
    content = json.loads((synthetic_people / "val.json").read_text())
    boxes = [
        {**{k: a[k] for k in ("image_id", "category_id", "bbox")}, "score": 1.0}
        for a in content["annotations"]
    ]
    detected = with_detections(tmp_path, synthetic_people, boxes)
    truth = load_experiment(tmp_path, synthetic_people, metrics=[{"type": "CocoMetric"}])
    torch.manual_seed(0)
    torch.save({"state_dict": build_model(truth).state_dict()}, tmp_path / "w.pth")
    found = evaluate_locally(detected, tmp_path / "w.pth").numbers
    assert found == pytest.approx(evaluate_locally(truth, tmp_path / "w.pth").numbers)
