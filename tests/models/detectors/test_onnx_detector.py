from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from raypose.errors import CheckpointError, ConfigError
from raypose.models.detectors import Detections, ONNXDetector
from raypose.ops.boxes import bbox_overlaps
from raypose.registry import MODELS

Maker = Callable[..., Path]
BACKENDS = ("onnxruntime", "opencv")


def image_with(cells: list[tuple[int, int, int]], size: tuple[int, int] = (64, 64)) -> np.ndarray:
    """Return a dark image with white squares (left, top, side)."""
    image = np.full((size[1], size[0], 3), 60, np.uint8)
    for x, y, side in cells:
        image[y : y + side, x : x + side] = 255
    return image


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("batch", [1, "b"])
def test_rtmdet_finds_the_white_cell(rtmdet_file: Maker, batch: int | str, backend: str) -> None:
    detector = ONNXDetector(rtmdet_file(batch), backend=backend)
    (found,) = detector.detect([image_with([(24, 32, 8)])])
    assert (detector.family, detector.input_size) == ("rtmdet", (64, 64))
    # Anchor point (24, 32), stride 8: one to the left and right, two up and down.
    np.testing.assert_allclose(found.boxes, [[16, 16, 32, 48]], atol=1e-4)
    assert found.scores == pytest.approx([1 / (1 + np.exp(-4))], abs=0.01)
    assert found.labels.tolist() == [0]
    assert [a.dtype for a in (found.boxes, found.scores, found.labels)] == [
        np.float32,
        np.float32,
        np.int64,
    ]


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("decoded", [False, True])
def test_yolox_finds_cells_of_the_wanted_classes(
    yolox_file: Maker, decoded: bool, backend: str
) -> None:
    image = image_with([(8, 16, 8)])
    image[40:48, 40:48] = (255, 0, 0)
    path = yolox_file(1, decoded=decoded)
    (white,) = ONNXDetector(path, classes=[2], backend=backend).detect([image])
    # Cell (1, 2) of stride 8: center (12, 20), 16 wide and 32 high.
    np.testing.assert_allclose(white.boxes, [[4, 4, 20, 36]], atol=1e-3)
    assert white.scores == pytest.approx([0.5], abs=0.01)
    (both,) = ONNXDetector(path, classes=None, backend=backend).detect([image])
    assert sorted(both.labels.tolist()) == [1, 2]
    (none,) = ONNXDetector(path, classes=[0], backend=backend).detect([image])
    assert len(none) == 0


def test_boxes_come_back_to_the_image_they_were_found_in(rtmdet_file: Maker) -> None:
    # 128x96 goes to 64x48, so the cell (24, 32) of the input is the square (48, 64) of the image.
    image = image_with([(48, 64, 16)], size=(128, 96))
    (found,) = ONNXDetector(rtmdet_file()).detect([image])
    np.testing.assert_allclose(found.boxes, [[32, 32, 64, 96]], atol=1e-4)


def test_boxes_end_at_the_border(rtmdet_file: Maker) -> None:
    (found,) = ONNXDetector(rtmdet_file()).detect([image_with([(0, 0, 8)])])
    np.testing.assert_allclose(found.boxes, [[0, 0, 8, 16]], atol=1e-4)


@pytest.mark.parametrize("batch", [1, 2, "b"])
def test_answers_do_not_depend_on_the_batch(rtmdet_file: Maker, batch: int | str) -> None:
    images = [
        image_with([(24, 32, 8)]),
        image_with([], size=(30, 50)),
        image_with([(48, 64, 16)], size=(128, 96)),
    ]
    path = rtmdet_file(batch)
    together = ONNXDetector(path, batch_size=2).detect(images)
    alone = [ONNXDetector(path).detect([image])[0] for image in images]
    assert [len(found) for found in together] == [1, 0, 1]
    for one, other in zip(together, alone, strict=True):
        np.testing.assert_allclose(one.boxes, other.boxes, atol=1e-4)
        np.testing.assert_allclose(one.scores, other.scores, atol=1e-5)


def test_no_image_gives_no_answer(rtmdet_file: Maker) -> None:
    assert ONNXDetector(rtmdet_file()).detect([]) == []


def test_overlapping_boxes_of_one_class_are_suppressed(rtmdet_file: Maker) -> None:
    # Neighbouring cells have boxes (8, 16, 24, 48) and (16, 16, 32, 48): IoU 1/3.
    image = image_with([(16, 32, 8), (24, 32, 8)])
    image[32:40, 24:32] = 250
    path = rtmdet_file()
    (kept,) = ONNXDetector(path, nms_thr=0.3).detect([image])
    np.testing.assert_allclose(kept.boxes, [[8, 16, 24, 48]], atol=1e-4)
    (both,) = ONNXDetector(path, nms_thr=0.4).detect([image])
    np.testing.assert_allclose(both.boxes, [[8, 16, 24, 48], [16, 16, 32, 48]], atol=1e-4)
    assert both.scores[0] > both.scores[1]
    (best,) = ONNXDetector(path, nms_thr=0.4, max_per_image=1).detect([image])
    np.testing.assert_array_equal(best.boxes, both.boxes[:1])


def test_score_threshold(rtmdet_file: Maker) -> None:
    image = image_with([(24, 32, 8)])
    score = ONNXDetector(rtmdet_file()).detect([image])[0].scores[0]
    assert len(ONNXDetector(rtmdet_file(), score_thr=score + 0.001).detect([image])[0]) == 0
    assert len(ONNXDetector(rtmdet_file(), score_thr=score - 0.001).detect([image])[0]) == 1


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("name", ["rtmdet_m.onnx", "yolox-s.onnx"])
def test_export_that_suppresses_by_itself(suppressed_file: Maker, name: str, backend: str) -> None:
    dets = [[0, 0, 10, 10, 0.4], [16, 8, 32, 40, 0.9], [0, 0, 9, 9, 0.1], [5, 5, 9, 9, 0.8]]
    path = suppressed_file(dets, [0, 0, 0, 3], name)
    detector = ONNXDetector(path, backend=backend)
    (found,) = detector.detect([image_with([], size=(128, 96))])
    assert detector.family == name[:6].rstrip("-")
    np.testing.assert_allclose(found.boxes, [[32, 16, 64, 80], [0, 0, 20, 20]], atol=1e-4)
    np.testing.assert_allclose(found.scores, [0.9, 0.4], atol=1e-6)


def test_free_input_size_must_be_given(rtmdet_file: Maker) -> None:
    path = rtmdet_file(size="free")
    image = image_with([(24, 32, 8)])
    with pytest.raises(ConfigError, match=r"takes any size; give input_size: \[w, h\]"):
        ONNXDetector(path).detect([image])
    (found,) = ONNXDetector(path, input_size=[64, 96]).detect([image])
    np.testing.assert_allclose(found.boxes, [[16, 16, 32, 48]], atol=1e-4)


def test_built_from_the_registry_and_moved(rtmdet_file: Maker) -> None:
    detector = MODELS.build({"type": "ONNXDetector", "onnx_file": str(rtmdet_file())})
    assert detector.to("cpu") is detector
    assert len(detector.detect([image_with([(24, 32, 8)])])[0]) == 1


def test_a_config_is_built_without_its_file() -> None:
    detector = ONNXDetector("nowhere.onnx")
    with pytest.raises(CheckpointError, match=r"no ONNX file at nowhere\.onnx"):
        detector.detect([image_with([])])


def test_wrong_arguments(rtmdet_file: Maker, suppressed_file: Maker) -> None:
    with pytest.raises(ConfigError, match=r"got 'yolo'\. Did you mean 'yolox'"):
        ONNXDetector("x.onnx", family="yolo")
    with pytest.raises(ConfigError, match=r"score_thr lies in 0\.\.1, got 30"):
        ONNXDetector("x.onnx", score_thr=30)
    with pytest.raises(ConfigError, match="backend is one of auto, onnxruntime, opencv"):
        ONNXDetector(rtmdet_file(), backend="tensorrt").to("cpu")
    with pytest.raises(ConfigError, match=r"takes 64x64, not input_size \[320, 320\]"):
        ONNXDetector(rtmdet_file(), input_size=(320, 320)).to("cpu")
    unnamed = suppressed_file([[0, 0, 1, 1, 1]], [0], "detector.onnx")
    with pytest.raises(ConfigError, match=r"outputs dets, labels\); give family"):
        ONNXDetector(unnamed).to("cpu")
    with pytest.raises(ValueError, match=r"an image is \(H, W, 3\), got \(64, 64\)"):
        ONNXDetector(rtmdet_file()).detect([image_with([])[..., 0]])


def test_given_boxes_are_certain_detections() -> None:
    found = Detections.from_boxes([[1, 2, 3, 4]])
    assert (found.scores.tolist(), found.labels.tolist()) == ([1.0], [0])
    assert len(Detections.empty()) == 0
    assert Detections.empty().boxes.shape == (0, 4)


@pytest.mark.parametrize(
    ("file", "recall_50", "recall_30"),
    [("rtmdet_nano_person_320.onnx", 0.920, 0.968), ("yolox_nano_coco_416.onnx", 0.800, 0.848)],
)
def test_recall_on_real_people(
    shared_data: Path, file: str, recall_50: float, recall_30: float
) -> None:
    folder = shared_data / "lspet"
    labels = json.loads((folder / "val.json").read_text())
    names = {image["id"]: image["file_name"] for image in labels["images"]}
    detector = ONNXDetector(shared_data / "detectors" / file, score_thr=0.3)
    overlaps = []
    for annotation in labels["annotations"]:
        image = cv2.imread(str(folder / names[annotation["image_id"]]))
        assert image is not None
        x, y, w, h = annotation["bbox"]
        boxes = detector.detect([image])[0].boxes
        truth = np.array([[x, y, x + w, y + h]])
        overlaps.append(bbox_overlaps(truth, boxes).max(initial=0))
    assert np.mean(np.array(overlaps) > 0.5) == pytest.approx(recall_50, abs=0.0005)
    assert np.mean(np.array(overlaps) > 0.3) == pytest.approx(recall_30, abs=0.0005)
