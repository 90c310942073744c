"""What a finished run left behind, read back."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from raypose.config import Config, build_model
from raypose.inference import Predictor
from raypose.models.checkpoint import read_checkpoint
from raypose.models.estimators import BasePoseEstimator
from raypose.ops.image_files import read_image
from raypose.structures import Poses


def losses(work_dir: Path) -> list[float]:
    """Return the mean loss of every epoch."""
    return [row["loss"] for row in read_checkpoint(work_dir / "last.pth")["history"]]


def same_weights(config: Config, work_dir: Path) -> BasePoseEstimator:
    """Load the weights of a run into a new estimator, which must take every one of them."""
    saved = read_checkpoint(work_dir / "last.pth")["state_dict"]
    estimator = build_model(config)
    assert list(saved) == list(estimator.state_dict())
    estimator.load_state_dict(saved)
    for name, value in estimator.state_dict().items():
        assert torch.equal(value, saved[name]), name
    return estimator.eval()


def predict(work_dir: Path, project: Path, boxes: bool = True) -> list[Poses]:
    """Let the checkpoint alone, with the config inside, answer for the validation images."""
    files = sorted((project / "data" / "images" / "val").iterdir())
    images = [read_image(file) for file in files]
    given = [[[20, 10, 150, 200], [100, 40, 240, 220]] for _ in images] if boxes else None
    return Predictor(work_dir / "best.pth", device="cpu").predict(
        images, None if given is None else [np.array(each, np.float32) for each in given]
    )
