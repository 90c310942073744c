"""Detectors by file, name, mapping and object, with their options."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
import yaml

from raypose.config import load_config
from raypose.errors import CheckpointError, ConfigError
from raypose.inference import load_detector
from raypose.models.detectors import DETECTOR_ALIASES, ONNXDetector, SingleStageDetector
from raypose.registry import MODELS
from tests.models.detectors.conftest import write_rtmdet
from tests.models.drawn_weights import draw_weights

SMALL: dict[str, Any] = {
    "type": "YOLOX",
    "input_size": [64, 64],
    "backbone": {"type": "CSPDarknet", "deepen_factor": 0.1, "widen_factor": 0.125},
    "neck": {
        "type": "YOLOXPAFPN",
        "in_channels": [32, 64, 128],
        "out_channels": 32,
        "num_csp_blocks": 1,
    },
    "bbox_head": {"type": "YOLOXHead", "num_classes": 80, "in_channels": 32, "feat_channels": 32},
}


@pytest.fixture
def onnx_file(tmp_path: Path) -> Path:
    return write_rtmdet(tmp_path / "tiny.onnx")


@pytest.fixture
def config(tmp_path: Path) -> Path:
    (tmp_path / "small.yaml").write_text(yaml.safe_dump({"model": SMALL}))
    return tmp_path / "small.yaml"


def test_options_reach_a_file_a_config_and_a_mapping(onnx_file: Path, config: Path) -> None:
    for source in (onnx_file, config, SMALL):
        options: dict[str, Any] = {
            "score_thr": 0.7,
            "nms_thr": 0.2,
            "max_per_image": 3,
            "batch_size": 2,
            "classes": ["person"],
        }
        detector: Any = load_detector(source, "cpu", **options)
        assert (detector.score_thr, detector.nms_thr, detector.max_per_image) == (0.7, 0.2, 3)
        np.testing.assert_array_equal(detector.classes, [0])
        assert detector.class_names[0] == "person"


def test_what_is_not_given_is_the_detectors_own(onnx_file: Path) -> None:
    mine: Any = load_detector({**SMALL, "score_thr": 0.8, "classes": ["dog", "cat"]})
    assert mine.score_thr == 0.8
    assert mine.nms_thr == 0.45
    np.testing.assert_array_equal(mine.classes, [15, 16])
    plain: Any = load_detector(onnx_file)
    assert plain.score_thr == ONNXDetector(onnx_file).score_thr
    assert plain.nms_thr is None


def test_weights_of_a_torch_detector(config: Path, tmp_path: Path, onnx_file: Path) -> None:
    trained = draw_weights(MODELS.build({**SMALL, "score_thr": 0.0}))
    torch.save({"state_dict": trained.state_dict()}, tmp_path / "mine.pth")
    image = np.full((64, 64, 3), 80, np.uint8)
    detector = load_detector(config, weights=tmp_path / "mine.pth", score_thr=0.0)
    np.testing.assert_array_equal(
        detector.detect([image])[0].boxes, trained.detect([image])[0].boxes
    )
    with pytest.raises(CheckpointError, match=r"gone\.pth"):
        load_detector(config, weights="gone.pth")
    with pytest.raises(ConfigError, match=r"tiny\.onnx holds its weights"):
        load_detector(onnx_file, weights=tmp_path / "mine.pth")


@pytest.mark.parametrize("name", sorted(DETECTOR_ALIASES))
def test_every_short_name_is_a_detector_that_knows_its_classes(name: str) -> None:
    alias = DETECTOR_ALIASES[name]
    node = load_config(alias.config).data["model"]
    with torch.device("meta"):
        own = {} if alias.classes is None else {"classes": alias.classes}
        detector: SingleStageDetector = MODELS.build({**node, **own})
    assert detector.classes is not None
    found = [detector.class_names[i] for i in detector.classes]
    if name == "animal":
        assert found[:2] == ["cat", "dog"]
        assert len(found) == 9
    else:
        assert found == [name if name in ("face", "hand") else "person"]


def test_a_short_name_brings_its_published_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAYPOSE_OFFLINE", "1")
    monkeypatch.setenv("RAYPOSE_WEIGHTS_DIR", "nowhere")
    with pytest.raises(CheckpointError, match=r"rtmdet_nano_8xb32-300e_hand-267f9c8f\.pth"):
        load_detector("hand")


def test_what_is_no_detector(onnx_file: Path) -> None:
    with pytest.raises(ConfigError, match=r"no config 'humans'.*\n.*Did you mean 'human'\?"):
        load_detector("humans")
    with pytest.raises(ConfigError, match=r"finds no 'hand'\. It finds person"):
        load_detector(onnx_file, classes=["hand"])
    with pytest.raises(ConfigError, match="score_thr"):
        load_detector({"type": "KeypointMSELoss"}, score_thr=0.3)
    with pytest.raises(ConfigError, match="ONNXDetector is built already; give nms_thr where"):
        load_detector(ONNXDetector(onnx_file), nms_thr=0.3)


def test_names_in_a_file_are_its_classes(onnx_file: Path) -> None:
    model = onnx.load(str(onnx_file))
    onnx.helper.set_model_props(model, {"names": "{0: 'mouse'}"})
    onnx.save(model, str(onnx_file))
    assert load_detector(onnx_file, classes=["mouse"]).class_names == ("mouse",)
    with pytest.raises(ConfigError, match=r"tiny\.onnx finds no 'person'\. It finds mouse"):
        load_detector(onnx_file, classes=["person"])
    named = {"type": "ONNXDetector", "onnx_file": str(onnx_file), "class_names": ["person"]}
    assert load_detector(named, classes=["person"]).class_names == ("person",)


def test_the_classes_of_real_files(shared_data: Path) -> None:
    folder = shared_data / "detectors"
    person = load_detector(folder / "rtmdet_nano_person_320.onnx")
    assert person.class_names == ("person",)
    coco = load_detector(folder / "yolox_nano_coco_416.onnx", classes=["animal", "person"])
    assert len(coco.class_names) == 80
    np.testing.assert_array_equal(coco.classes, [0, *range(15, 24)])
