"""A run in which a student learns from a trained teacher."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from raypose.models.distillers import DWPoseDistiller
from raypose.training.launch import train_locally
from tests.tiny_runs import load_experiment, weights_in

HEAD = {
    "type": "SimCCHead",
    "in_channels": 8,
    "out_channels": 17,
    "input_size": [48, 64],
    "in_featuremap_size": [12, 16],
    "deconv_out_channels": None,
    "loss": {"type": "KLDiscretLoss", "beta": 1.0},
    "decoder": "${codec}",
}
CODEC = {"type": "SimCCLabel", "input_size": [48, 64], "sigma": 3.0, "normalize": False}


def test_a_student_learns_while_the_teachers_part_fades(
    synthetic_people: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    teacher = load_experiment(
        tmp_path / "teacher", synthetic_people, codec=CODEC, model__head=HEAD, train__epochs=1
    )
    train_locally(teacher, tmp_path / "taught")
    trained = tmp_path / "taught" / "last.pth"
    model: dict[str, Any] = {
        "type": "TopdownPoseEstimator",
        "backbone": {"type": "TinyBackbone"},
        "head": HEAD,
        "test_cfg": {"flip_test": True},
    }
    config = load_experiment(
        tmp_path / "student",
        synthetic_people,
        codec=CODEC,
        model={
            "type": "DWPoseDistiller",
            "teacher_cfg": model,
            "student_cfg": model,
            "teacher_pretrained": str(trained),
            "data_preprocessor": {"type": "PoseDataPreprocessor", "mean": [120.0], "std": [60.0]},
            "distill_cfg": [
                {"methods": [{"type": "KDLoss", "name": "loss_logit", "use_this": True}]}
            ],
        },
        train__epochs=4,
    )
    shares: list[float] = []
    set_epoch = DWPoseDistiller.set_epoch

    def listen(self: DWPoseDistiller, epoch: int, epochs: int) -> None:
        set_epoch(self, epoch, epochs)
        shares.append(self.fade.item())

    monkeypatch.setattr(DWPoseDistiller, "set_epoch", listen)

    metrics = train_locally(config, tmp_path / "run")

    assert shares == [1, 0.75, 0.5, 0.25]
    assert "PCK" in metrics
    weights = weights_in(tmp_path / "run" / "last.pth")
    for name, value in weights_in(trained).items():
        assert torch.equal(weights[f"teacher.{name}"], value), name
    rows = torch.load(tmp_path / "run" / "last.pth", weights_only=True)["history"]
    assert rows[-1]["loss_kpt"] < rows[0]["loss_kpt"]
