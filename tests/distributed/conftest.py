"""Pictures, a video, and a model with weights drawn at random: jobs of annotation and serving."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch

from raypose.config import Config, build_model
from raypose.inference.annotation.job import AnnotationJob
from raypose.ops.image_files import read_image
from tests.inference.annotation.conftest import bucket, s3_port
from tests.tiny_runs import load_experiment

__all__ = ["Jobs", "bucket", "s3_port"]

Jobs = Callable[..., AnnotationJob]


@pytest.fixture(scope="module")
def model(synthetic_people: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Config, Path]:
    """A config and weights for it, drawn at random."""
    folder = tmp_path_factory.mktemp("model")
    config = load_experiment(folder, synthetic_people)
    torch.manual_seed(0)
    torch.save({"state_dict": build_model(config).state_dict()}, folder / "weights.pth")
    return config, folder / "weights.pth"


@pytest.fixture(scope="module")
def pictures(synthetic_people: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight pictures, one of them in a folder below, one cut off, one that is a text."""
    folder = tmp_path_factory.mktemp("pictures")
    images = sorted((synthetic_people / "images" / "train").iterdir())[:6]
    for image in images:
        shutil.copy(image, folder)
    (folder / "below").mkdir()
    shutil.move(folder / images[5].name, folder / "below" / "last.jpg")
    (folder / "000001b.jpg").write_bytes(images[0].read_bytes()[:3000])
    (folder / "000002b.png").write_text("not a picture")
    return folder


@pytest.fixture(scope="module")
def video(pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Seven frames of one picture that moves to the left."""
    path = tmp_path_factory.mktemp("video") / "walk.avi"
    image = cv2.resize(read_image(pictures / "000000.jpg"), (160, 120))
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 5.0, (160, 120))
    for shift in range(7):
        writer.write(np.roll(image, -10 * shift, axis=1))
    writer.release()
    return path


@pytest.fixture
def job(model: tuple[Config, Path], pictures: Path, tmp_path: Path) -> Jobs:
    """Make a job of shards of three images; options of `annotate:` by name."""

    def make(options: dict[str, Any] | None = None, **changes: Any) -> AnnotationJob:
        config, weights = model
        data = {**config.data, "annotate": {**config.data["annotate"], **(options or {})}}
        given: dict[str, Any] = {
            "source": pictures,
            "out": tmp_path / "out",
            "config": data,
            "weights": weights,
            "device": "cpu",
        }
        return AnnotationJob(**{**given, **changes})

    return make
