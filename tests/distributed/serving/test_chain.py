"""The served chain over real HTTP."""

from __future__ import annotations

import json
import socket
import struct
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import cv2
import httpx
import numpy as np
import pytest
import torch
import yaml

from raypose.config import Config, build_model, load_config, load_serve_config
from raypose.config.sections import (
    DetectorStageSection,
    LifterStageSection,
    PoseStageSection,
    ServeSection,
)
from raypose.distributed import serving as serve
from raypose.errors import CheckpointError, ConfigError, RayposeError
from raypose.inference import Predictor
from raypose.ops.image_files import decode_image
from tests.models.detectors.conftest import write_rtmdet
from tests.tiny_runs import load_experiment

pytestmark = [pytest.mark.usefixtures("ray_session"), pytest.mark.timeout(180)]

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
    (folder / "lifter.yaml").write_text(yaml.safe_dump(LIFTER))
    save(load_config(folder / "lifter.yaml"), folder / "lifter.pth")
    write_rtmdet(folder / "person.onnx")
    return folder


def save(config: Config, path: Path) -> None:
    torch.manual_seed(1)
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


@pytest.fixture(scope="class")
def chain(address: str, models: Path) -> None:
    section = section_at(
        address,
        pose=PoseStageSection(weights=str(models / "pose.pth")),
        detector=DetectorStageSection(model=str(models / "person.onnx")),
        lifter=LifterStageSection(config=str(models / "lifter.pth")),
        max_image_bytes=1_000_000,
        max_image_pixels=1_000_000,
        max_instances=3,
    )
    serve.run(section)


@pytest.mark.usefixtures("chain")
class TestChain:
    def test_who_is_found_gets_a_pose_in_2d_and_3d(self, address: str, models: Path) -> None:
        answer = ask(address)
        assert answer.status_code == 200
        content = answer.json()
        assert content["image"] == {"width": 128, "height": 128}
        assert content["timings_ms"].keys() == {"detector", "pose", "lifter"}
        (instance,) = content["instances"]
        np.testing.assert_allclose(instance["bbox"], FOUND, atol=0.5)
        assert 0.9 < instance["bbox_score"] < 1
        predictor = Predictor(models / "pose.pth", lifter=models / "lifter.pth", device="cpu")
        (poses,) = predictor.predict([decode_image(PNG)], [[instance["bbox"]]])
        assert poses.keypoints_3d is not None
        for name in ("keypoints", "keypoint_scores", "keypoints_3d"):
            expected = getattr(poses, name)[0]
            np.testing.assert_allclose(instance[name], expected, rtol=1e-3, atol=1e-2)

    def test_a_form_with_boxes(self, address: str) -> None:
        boxes = [[10, 10, 60, 100], [40, 20, 120, 90]]
        answer = httpx.post(
            f"{address}/v1/pose",
            files={"image": ("a.png", PNG, "image/png")},
            data={"boxes": json.dumps(boxes)},
            timeout=60,
        )
        assert [instance["bbox"] for instance in answer.json()["instances"]] == boxes
        assert "detector" not in answer.json()["timings_ms"]

    def test_nobody(self, address: str) -> None:
        dark = encoded(np.full((90, 70, 3), 60, np.uint8))
        assert ask(address, dark).json()["instances"] == []
        assert ask(address, params={"boxes": "[]"}).json()["instances"] == []

    def test_a_picture_lying_on_its_side_is_turned_as_its_file_says(self, address: str) -> None:
        jpeg = encoded(np.full((40, 80, 3), 60, np.uint8), ".jpg")
        exif = b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0"
        turned = jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + jpeg[2:]
        assert ask(address, turned).json()["image"] == {"width": 40, "height": 80}

    def test_requests_at_the_same_time_get_their_own_answers(self, address: str) -> None:
        images = [scene() for _ in range(12)]
        for i, image in enumerate(images):
            image[64:80, 48:64] = 60
            image[16 * (i % 6) + 16 :, :][:16, 48:64] = 255
        with ThreadPoolExecutor(12) as pool:
            answers = list(pool.map(lambda image: ask(address, encoded(image)), images))
        tops = [answer.json()["instances"][0]["bbox"][1] for answer in answers]
        assert tops == [max(0, 16 * (i % 6) - 16) for i in range(12)]

    def test_what_is_served(self, address: str) -> None:
        content = httpx.get(f"{address}/v1/models", timeout=60).json()
        assert content["skeleton"]["name"] == "coco"
        assert len(content["skeleton"]["keypoints"]) == 17
        assert (content["detector"], content["lifter"]) == (True, True)
        assert httpx.get(f"{address}/healthz", timeout=60).json() == {"status": "ok"}

    @pytest.mark.parametrize(
        ("body", "status", "reason"),
        [
            (b"just a text", 400, "not an image"),
            (b"", 400, "it is empty"),
            (encoded(scene(), ".jpg")[:-200], 400, "ends too early"),
            (PNG[:60], 400, "not an image that OpenCV can decode"),
            (PNG + b"0" * 1_000_000, 413, "at most 1000000 are accepted"),
            (PNG + b"0" * 3_000_000, 413, "larger than 1000000 bytes"),
        ],
        ids=["text", "empty", "cut jpeg", "cut png", "large image", "large body"],
    )
    def test_what_cannot_be_answered(
        self, address: str, body: bytes, status: int, reason: str
    ) -> None:
        answer = ask(address, body)
        assert answer.status_code == status
        assert reason in answer.json()["detail"]
        assert ask(address).status_code == 200

    def test_a_picture_that_would_fill_the_memory(self, address: str) -> None:
        row = zlib.compress(b"\0" * (1 + 3 * 20_000), 9)
        rows = zlib.compressobj(9)
        pixels = b"".join([*(rows.compress(b"\0" * 60_001) for _ in range(2_000)), rows.flush()])
        assert len(row) < len(pixels) < 1_000_000
        answer = ask(address, png(20_000, 20_000, pixels))
        assert answer.status_code == 413
        assert "20000 x 20000 pixels" in answer.json()["detail"]
        assert ask(address).status_code == 200

    @pytest.mark.parametrize(
        "text", ["[[1,2,3]]", "here", "[[1,2,3,4],[1,2,3,4],[1,2,3,4],[0,0,1,1]]"]
    )
    def test_wrong_boxes(self, address: str, text: str) -> None:
        assert ask(address, params={"boxes": text}).status_code == 422

    def test_boxes_at_odd_places_get_their_poses(self, address: str) -> None:
        boxes = [[-500, -500, -400, -300], [5, 5, 5, 5], [1e6, 1e6, -1e6, -1e6]]
        answer = ask(address, params={"boxes": json.dumps(boxes)})
        assert answer.status_code == 200
        assert np.isfinite([i["keypoints"] for i in answer.json()["instances"]]).all()


def png(width: int, height: int, pixels: bytes) -> bytes:
    def chunk(kind: bytes, content: bytes) -> bytes:
        checked = kind + content
        return struct.pack(">I", len(content)) + checked + struct.pack(">I", zlib.crc32(checked))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")
    )


@pytest.fixture(scope="class")
def pose_alone(address: str, models: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("serve") / "serve.yaml"
    text = {
        "port": int(address.rsplit(":", 1)[1]),
        "api_key": "secret",
        "pose": {
            "weights": str(models / "slow.pth"),
            "max_ongoing_requests": 1,
            "max_queued_requests": 1,
            "max_batch_size": 1,
        },
    }
    path.write_text(yaml.safe_dump(text))
    serve.run(load_serve_config(path))


@pytest.mark.usefixtures("pose_alone")
class TestPoseAlone:
    KEY = {"authorization": "Bearer secret"}  # noqa: RUF012

    def test_without_a_detector_the_whole_image_is_the_box(self, address: str) -> None:
        content = ask(address, headers=self.KEY).json()
        assert [i["bbox"] for i in content["instances"]] == [[0, 0, 128, 128]]
        assert content["instances"][0]["keypoints_3d"] is None
        found = httpx.get(f"{address}/v1/models", headers=self.KEY, timeout=60).json()
        assert (found["detector"], found["lifter"]) == (False, False)

    def test_without_the_key_nothing_is_answered(self, address: str) -> None:
        assert ask(address).status_code == 401
        assert httpx.get(f"{address}/v1/models", timeout=60).status_code == 401
        assert httpx.get(f"{address}/healthz", timeout=60).status_code == 200

    def test_more_than_the_queue_holds_is_told_to_come_again(self, address: str) -> None:
        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(lambda _: ask(address, headers=self.KEY), range(8)))
        refused = [answer for answer in answers if answer.status_code == 503]
        assert {answer.status_code for answer in answers} == {200, 503}
        assert {answer.headers["retry-after"] for answer in refused} == {"1"}
        assert "busy" in refused[0].json()["detail"]
        assert ask(address, headers=self.KEY).status_code == 200


def test_models_that_cannot_be_served_are_told_at_once(models: Path, tmp_path: Path) -> None:
    (tmp_path / "broken.pth").write_bytes(b"no weights")
    with pytest.raises(CheckpointError, match=r"broken.pth"):
        serve.build_app(
            ServeSection(pose=PoseStageSection(weights=str(tmp_path / "broken.pth"))), 4
        )
    pose = PoseStageSection(weights=str(models / "pose.pth"))
    (tmp_path / "person.onnx").write_bytes(b"no network")
    detector = DetectorStageSection(model=str(tmp_path / "person.onnx"))
    with pytest.raises(RayposeError, match=r"person.onnx"):
        serve.build_app(ServeSection(pose=pose, detector=detector), 4)
    with pytest.raises(ConfigError, match=r"a model needs 'config', or 'weights'"):
        serve.build_app(ServeSection(), 4)


def test_replicas_share_the_cpus_there_are(models: Path) -> None:
    pose = PoseStageSection(weights=str(models / "pose.pth"), num_replicas=3, num_cpus=2.0)
    with pytest.raises(RayposeError, match=r"replicas ask for 6 CPUs, the cluster has 4; lower"):
        serve.build_app(ServeSection(pose=pose), 4)
