"""The served chain over real HTTP."""

from __future__ import annotations

import json
import struct
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from raypose.config import load_serve_config
from raypose.config.sections import (
    DetectorStageSection,
    LifterStageSection,
    PoseStageSection,
    ServeSection,
)
from raypose.distributed import serving as serve
from raypose.distributed.serving.answers import (
    LiftAnswer,
    ModelsAnswer,
    PoseAnswer,
    PoseAnswers,
    StreamAnswer,
)
from raypose.errors import CheckpointError, ConfigError, RayposeError
from raypose.inference import Predictor, load_lift_stage
from raypose.inference.lift_windows import single_frame
from raypose.ops.image_files import decode_image
from raypose.structures import Poses, Skeleton
from tests.distributed.serving.conftest import FOUND, PNG, ask, encoded, scene, section_at

pytestmark = [pytest.mark.usefixtures("ray_session"), pytest.mark.timeout(180)]


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
        assert content["timings_ms"].keys() == {"detector", "pose", "lifter", "total"}
        PoseAnswer.model_validate(content)
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
        ModelsAnswer.model_validate(content)
        (model,) = content["models"]
        assert (model["name"], content["default"]) == ("pose", "pose")
        assert model["skeleton"]["name"] == content["lifter"]["skeleton"]["name"] == "coco"
        assert len(model["skeleton"]["keypoints"]) == 17
        assert (content["detector"], content["topology"]) == (True, "chain")
        assert httpx.get(f"{address}/healthz", timeout=60).json() == {"status": "ok"}

    def test_several_images_each_with_its_answer(self, address: str) -> None:
        dark = encoded(np.full((90, 70, 3), 60, np.uint8))
        files = [("image", (f"{i}.png", data)) for i, data in enumerate((PNG, PNG[:60], dark))]
        answer = httpx.post(f"{address}/v1/pose", files=files, timeout=60)
        assert answer.status_code == 200
        content = answer.json()
        PoseAnswers.model_validate(content)
        whole, cut, nobody = content["images"]
        assert whole["instances"] == ask(address).json()["instances"]
        assert (cut["status"], nobody["instances"]) == (400, [])
        assert "not an image that OpenCV can decode" in cut["error"]

    def test_the_results_of_coco(self, address: str) -> None:
        plain = ask(address).json()["instances"][0]
        (result,) = ask(address, params={"format": "coco"}).json()
        x0, y0, x1, y1 = plain["bbox"]
        assert result["bbox"] == [x0, y0, round(x1 - x0, 2), round(y1 - y0, 2)]
        triples = np.reshape(result["keypoints"], (17, 3))
        np.testing.assert_allclose(triples[:, :2], plain["keypoints"])
        seen = np.asarray(plain["keypoint_scores"]) >= 0.3
        assert triples[:, 2].tolist() == np.where(seen, 2, 0).tolist()
        assert result["num_keypoints"] == seen.sum()

    def test_a_picture_with_the_poses_drawn(self, address: str) -> None:
        answer = ask(address, params={"format": "overlay"})
        assert answer.headers["content-type"] == "image/jpeg"
        drawn = decode_image(answer.content)
        assert drawn.shape == (128, 128, 3)
        # The box and joints have colours, the picture has none.
        assert np.ptp(drawn.astype(int), axis=2).max() > 60
        assert np.ptp(scene().astype(int), axis=2).max() == 0

    def test_sequences_are_lifted(self, address: str, models: Path) -> None:
        rng = np.random.default_rng(0)
        keypoints = rng.uniform(0, 100, (4, 17, 2)).round(2)
        body = {"image_size": [128, 128], "sequences": [{"keypoints": keypoints.tolist()}]}
        answer = httpx.post(f"{address}/v1/lift", json=body, timeout=60)
        content = answer.json()
        LiftAnswer.model_validate(content)
        stage = load_lift_stage(models / "lifter.pth", Skeleton.load("coco"))
        for frame, lifted in enumerate(content["sequences"][0]["keypoints_3d"]):
            points = keypoints[frame : frame + 1].astype(np.float32)
            poses = Poses(keypoints=points, keypoint_scores=np.ones((1, 17), np.float32))
            (expected,) = stage([single_frame(poses, (128, 128), stage.num_frames)])
            assert expected.keypoints_3d is not None
            np.testing.assert_allclose(lifted, expected.keypoints_3d[0], atol=1e-4)
        body["sequences"][0]["keypoints"] = keypoints[:, :5].tolist()
        refused = httpx.post(f"{address}/v1/lift", json=body, timeout=60)
        assert refused.status_code == 422
        assert "frames x 17 x 2 numbers are expected, got 4 x 5 x 2" in refused.json()["detail"]

    def test_a_model_that_is_not_there(self, address: str) -> None:
        answer = ask(address, params={"model": "poes"})
        assert (answer.status_code, answer.json()["detail"]) == (
            422,
            "model is one of pose, got 'poes'. Did you mean 'pose'?",
        )

    def test_the_api_describes_itself(self, address: str) -> None:
        paths = httpx.get(f"{address}/openapi.json", timeout=60).json()["paths"]
        assert {"/v1/pose", "/v1/lift", "/v1/models", "/healthz", "/metrics"} <= set(paths)
        body = paths["/v1/pose"]["post"]["requestBody"]["content"]
        assert set(body) == {"image/*", "multipart/form-data"}
        assert "PoseAnswer" in str(paths["/v1/pose"]["post"]["responses"]["200"])

    def test_counters_for_prometheus(self, address: str) -> None:
        def count(name: str, **labels: str) -> float:
            text = httpx.get(f"{address}/metrics", timeout=60).text
            return sum(
                sample.value
                for family in text_string_to_metric_families(text)
                for sample in family.samples
                if sample.name == name and labels.items() <= sample.labels.items()
            )

        before = count("raypose_requests_total", route="pose", status="200")
        refused = count("raypose_requests_total", route="pose", status="400")
        people = count("raypose_instances_total")
        calls = count("raypose_stage_seconds_count", stage="detector")
        ask(address)
        ask(address, b"text")
        assert count("raypose_requests_total", route="pose", status="200") == before + 1
        assert count("raypose_requests_total", route="pose", status="400") == refused + 1
        assert count("raypose_instances_total") == people + 1
        assert count("raypose_stage_seconds_count", stage="detector") == calls + 1

    def test_a_video(self, address: str) -> None:
        frames = [encoded(moved(16 * (i // 4))) for i in range(12)]
        answers = play(address, frames, "?fps=10")
        assert [answer["frame"] for answer in answers] == list(range(12))
        for answer in answers:
            StreamAnswer.model_validate(answer)
        ids = {answer["instances"][0]["track_id"] for answer in answers}
        assert len(ids) == 1
        assert None not in ids
        assert answers[0]["instances"][0]["keypoints_3d"] is not None
        assert answers[5]["timings_ms"].keys() == {"detector", "pose", "lifter", "total"}

    def test_frames_of_a_video_that_are_none(self, address: str) -> None:
        wide = encoded(np.zeros((1001, 1000, 3), np.uint8))
        first, second, third, last = play(address, [PNG, b"text", wide, PNG])
        assert (first["frame"], last["frame"]) == (0, 3)
        assert "not an image" in second["error"]
        assert third["status"] == 413
        assert last["instances"][0]["track_id"] == first["instances"][0]["track_id"]

    @pytest.mark.parametrize(
        ("query", "headers", "reason"),
        [
            ("?model=hand", {}, "model is one of pose"),
            ("?fps=0", {}, "fps: a number above 0"),
            ("", {"Origin": "https://elsewhere.example"}, "pages of other servers"),
        ],
    )
    def test_streams_that_may_not_be_opened(
        self, address: str, query: str, headers: dict[str, str], reason: str
    ) -> None:
        url = f"{address}/v1/stream{query}".replace("http", "ws", 1)
        with connect(url, additional_headers=headers) as socket:
            with pytest.raises(ConnectionClosed) as caught:
                socket.recv(timeout=30)
        assert caught.value.rcvd is not None
        assert caught.value.rcvd.code == 1008
        assert reason in caught.value.rcvd.reason

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


def moved(by: int) -> np.ndarray:
    image = np.full((128, 128, 3), 60, np.uint8)
    image[64:80, 32 + by : 48 + by] = 255
    return image


def play(address: str, frames: list[bytes], query: str = "") -> list[dict[str, Any]]:
    """Send frames, each when the one before has its answer."""
    answers = []
    with connect(f"{address}/v1/stream{query}".replace("http", "ws", 1)) as socket:
        for frame in frames:
            socket.send(frame)
            answers.append(json.loads(socket.recv(timeout=60)))
    return answers


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
            "backend": "torch",  # the delay is in the Python of its backbone
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
        assert (found["detector"], found["lifter"]) == (False, None)

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
    with pytest.raises(ConfigError, match=r"serve.pose: a model needs 'config', or 'weights'"):
        serve.build_app(ServeSection(), 4)


def test_replicas_share_the_cpus_there_are(models: Path) -> None:
    pose = PoseStageSection(weights=str(models / "pose.pth"), num_replicas=3, num_cpus=2.0)
    with pytest.raises(RayposeError, match=r"replicas ask for 6 CPUs, the cluster has 4; lower"):
        serve.build_app(ServeSection(pose=pose), 4)
