"""All stages in one process: the answers of the chain, and settings that change while it runs."""

from __future__ import annotations

import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from raypose.config.sections import (
    DetectorStageSection,
    LifterStageSection,
    PoseStageSection,
    ServedModelSection,
    ServeSection,
)
from raypose.distributed import serving as serve
from raypose.inference import Predictor
from raypose.ops.image_files import decode_image
from tests.distributed.serving.conftest import FOUND, PNG, ask, encoded, scene, section_at

pytestmark = [pytest.mark.usefixtures("ray_session"), pytest.mark.timeout(180)]


def fused(address: str, models: Path, **changes: Any) -> ServeSection:
    return section_at(
        address,
        **{
            "topology": "fused",
            "pose": PoseStageSection(weights=str(models / "pose.pth")),
            "detector": DetectorStageSection(model=str(models / "person.onnx")),
            "lifter": LifterStageSection(config=str(models / "lifter.pth")),
            **changes,
        },
    )


@pytest.fixture(scope="class")
def service(address: str, models: Path) -> None:
    serve.run(fused(address, models))


def replicas() -> dict[str, set[str]]:
    """Return the actors of each deployment."""
    from ray import serve as ray_serve
    from ray.serve.context import _get_global_client

    (application,) = ray_serve.status().applications.values()
    client = _get_global_client()
    assert application.status == "RUNNING"
    assert client is not None
    details = client.get_serve_details()["applications"]["raypose"]["deployments"]
    return {name: {r["actor_id"] for r in d["replicas"]} for name, d in details.items()}


@pytest.mark.usefixtures("service")
class TestFused:
    def test_who_is_found_gets_a_pose_in_2d_and_3d(self, address: str, models: Path) -> None:
        content = ask(address).json()
        assert content["timings_ms"].keys() == {"detector", "pose", "lifter", "total"}
        (instance,) = content["instances"]
        np.testing.assert_allclose(instance["bbox"], FOUND, atol=0.5)
        predictor = Predictor(models / "pose.pth", lifter=models / "lifter.pth", device="cpu")
        (poses,) = predictor.predict([decode_image(PNG)], [[instance["bbox"]]])
        assert poses.keypoints_3d is not None
        for name in ("keypoints", "keypoint_scores", "keypoints_3d"):
            np.testing.assert_allclose(
                instance[name], getattr(poses, name)[0], rtol=1e-3, atol=1e-2
            )

    def test_requests_at_the_same_time_get_their_own_answers(self, address: str) -> None:
        images = [scene() for _ in range(24)]
        for i, image in enumerate(images):
            image[64:80, 48:64] = 60
            image[16 * (i % 6) + 16 :, :][:16, 48:64] = 255
        with ThreadPoolExecutor(12) as pool:
            answers = list(pool.map(lambda image: ask(address, encoded(image)), images))
        tops = [answer.json()["instances"][0]["bbox"][1] for answer in answers]
        assert tops == [max(0, 16 * (i % 6) - 16) for i in range(24)]

    def test_boxes_and_what_is_no_image(self, address: str) -> None:
        boxes = [[10, 10, 60, 100], [40, 20, 120, 90]]
        content = ask(address, params={"boxes": json.dumps(boxes)}).json()
        assert [instance["bbox"] for instance in content["instances"]] == boxes
        assert "detector" not in content["timings_ms"]
        assert ask(address, PNG[:60]).status_code == 400
        assert httpx.get(f"{address}/v1/models", timeout=60).json()["topology"] == "fused"

    def test_a_sequence_is_lifted(self, address: str) -> None:
        sequence = {"keypoints": np.full((3, 17, 2), 7.0).tolist()}
        body = {"image_size": [128, 128], "sequences": [sequence, sequence]}
        first, second = httpx.post(f"{address}/v1/lift", json=body, timeout=60).json()["sequences"]
        assert np.shape(first["keypoints_3d"]) == (3, 17, 3)
        assert first == second

    def test_settings_change_without_a_break(self, address: str, models: Path) -> None:
        before = replicas()
        detector = DetectorStageSection(model=str(models / "person.onnx"), bbox_thr=0.999)
        serve.run(fused(address, models, detector=detector, max_image_bytes=10_000))
        assert ask(address).json()["instances"] == []
        assert ask(address, PNG + b"0" * 10_000).status_code == 413
        assert replicas() == before
        serve.run(fused(address, models))
        assert len(ask(address).json()["instances"]) == 1


@pytest.fixture(scope="class")
def slow(address: str, models: Path) -> None:
    pose = PoseStageSection(weights=str(models / "slow.pth"), max_batch_size=1, backend="torch")
    serve.run(
        section_at(
            address, topology="fused", pose=pose, stream={"max_waiting": 2, "max_streams": 1}
        )
    )


@pytest.mark.usefixtures("slow")
class TestSlow:
    def test_frames_that_would_be_late_are_dropped(self, address: str) -> None:
        with connect(f"{address}/v1/stream".replace("http", "ws", 1)) as socket:
            for _ in range(8):
                socket.send(PNG)
            answers = [json.loads(socket.recv(timeout=60)) for _ in range(8)]
        assert [answer["frame"] for answer in answers] == list(range(8))
        dropped = [answer["frame"] for answer in answers if answer.get("dropped")]
        assert 2 <= len(dropped) <= 4
        assert not {0, 1, 6, 7} & set(dropped)
        assert len(answers[7]["instances"]) == 1

    def test_more_streams_than_there_may_be(self, address: str) -> None:
        url = f"{address}/v1/stream".replace("http", "ws", 1)
        with connect(url) as first:
            first.send(PNG)
            first.recv(timeout=60)
            with connect(url) as second, pytest.raises(ConnectionClosed) as caught:
                second.recv(timeout=30)
        assert caught.value.rcvd is not None
        assert caught.value.rcvd.code == 1013

    def test_who_is_being_answered_still_gets_the_answer_at_the_end(self, address: str) -> None:
        found: list[int] = []
        threads = [
            threading.Thread(target=lambda: found.append(ask(address).status_code))
            for _ in range(3)
        ]
        with connect(f"{address}/v1/stream".replace("http", "ws", 1)) as socket:
            for thread in threads:
                thread.start()
            socket.send(PNG)
            time.sleep(0.3)
            serve.stop()
            assert len(json.loads(socket.recv(timeout=30))["instances"]) == 1
            with pytest.raises(ConnectionClosed) as caught:
                socket.recv(timeout=30)
        assert caught.value.rcvd is not None
        assert (caught.value.rcvd.code, caught.value.rcvd.reason) == (
            1001,
            "this server is about to stop",
        )
        for thread in threads:
            thread.join()
        assert found == [200, 200, 200]


class TestSeveralModels:
    @pytest.mark.parametrize("topology", ["chain", "fused"])
    def test_each_request_takes_its_model(self, address: str, models: Path, topology: str) -> None:
        named = {
            "body": ServedModelSection(weights=str(models / "pose.pth")),
            "other": ServedModelSection(weights=str(models / "other.pth")),
        }
        pose = PoseStageSection(models=named, max_models=1)
        serve.run(section_at(address, topology=topology, pose=pose))
        content = httpx.get(f"{address}/v1/models", timeout=60).json()
        assert [model["name"] for model in content["models"]] == ["body", "other"]
        expected = {}
        for name, file in (("body", "pose.pth"), ("other", "other.pth")):
            (poses,) = Predictor(models / file, device="cpu").predict([decode_image(PNG)])
            expected[name] = poses.keypoints[0]
        assert np.abs(expected["body"] - expected["other"]).max() > 1
        wanted = ["body", "other", "other", "body"] * 3
        with ThreadPoolExecutor(4) as pool:
            answers = list(pool.map(lambda name: ask(address, params={"model": name}), wanted))
        for name, answer in zip(wanted, answers, strict=True):
            content = answer.json()
            assert content["model"] == name
            np.testing.assert_allclose(
                content["instances"][0]["keypoints"], expected[name], atol=1e-2
            )
