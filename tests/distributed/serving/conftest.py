"""A service on a free port, and models for it with weights drawn at random."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import httpx
import numpy as np
import pytest
import torch
import yaml

from raypose.config import Config, build_model, load_config
from raypose.config.sections import ServeSection
from tests.models.detectors.conftest import write_rtmdet
from tests.tiny_runs import load_experiment

LIFTER = {
    "skeleton": "coco",
    "codec": {"type": "ImagePoseLifting", "num_keypoints": 17, "root_index": 0},
    "model": {
        "type": "PoseLifter",
        "backbone": {
            "type": "TCN",
            "in_channels": 34,
            "stem_channels": 16,
            "num_blocks": 1,
            "kernel_sizes": [1, 1],
        },
        "head": {
            "type": "TemporalRegressionHead",
            "in_channels": 16,
            "num_joints": 17,
            "loss": {"type": "MSELoss"},
            "decoder": "${codec}",
        },
    },
}


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """Where the service of this module listens."""
    from ray import serve as ray_serve

    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    yield f"http://127.0.0.1:{port}"
    ray_serve.shutdown()


def section_at(address: str, **values: Any) -> ServeSection:
    return ServeSection(port=int(address.rsplit(":", 1)[1]), **values)


@pytest.fixture(scope="module")
def models(synthetic_people: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with checkpoints of a pose model and a lifter, weights at random, and a detector."""
    folder = tmp_path_factory.mktemp("models")
    config = load_experiment(folder, synthetic_people)
    save(config, folder / "pose.pth")
    slow = load_experiment(
        folder, synthetic_people, model__backbone={"type": "TinyBackbone", "delay": 0.5}
    )
    save(slow, folder / "slow.pth")
    save(config, folder / "other.pth", seed=2)
    (folder / "lifter.yaml").write_text(yaml.safe_dump(LIFTER))
    save(load_config(folder / "lifter.yaml"), folder / "lifter.pth")
    write_rtmdet(folder / "person.onnx")
    return folder


def save(config: Config, path: Path, seed: int = 1) -> None:
    torch.manual_seed(seed)
    content = {"state_dict": build_model(config).state_dict(), "config": config.to_yaml()}
    torch.save(content, path)


def encoded(image: np.ndarray, suffix: str = ".png") -> bytes:
    return cv2.imencode(suffix, image)[1].tobytes()


def scene() -> np.ndarray:
    """A dark picture with one white square, which the detector finds."""
    image = np.full((128, 128, 3), 60, np.uint8)
    image[64:80, 48:64] = 255
    return image


PNG = encoded(scene())
FOUND = [32.0, 32.0, 64.0, 96.0]  # the box that the detector puts round the white square


def ask(address: str, body: bytes = PNG, **arguments: Any) -> httpx.Response:
    return httpx.post(f"{address}/v1/pose", content=body, timeout=60, **arguments)


def processes(deployment: str) -> set[int]:
    """Return the process ids of the running replicas of a deployment."""
    from ray.serve.context import _get_global_client

    client = _get_global_client()
    assert client is not None
    details = client.get_serve_details()["applications"]["raypose"]["deployments"]
    replicas = details[deployment]["replicas"]
    return {replica["pid"] for replica in replicas if replica["state"] == "RUNNING"}
