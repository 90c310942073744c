"""RTMDet and YOLOX as torch networks: sizes, keys, boxes; the network of a real ONNX file."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper
from torch import Tensor, nn

from raypose.errors import CheckpointError, ConfigError
from raypose.models.detectors import ONNXDetector, RTMDetSepBNHead, YOLOXHead
from raypose.models.layers import ConvModule
from raypose.models.layers.norm import build_norm_layer
from raypose.registry import MODELS
from tests.models.drawn_weights import draw_weights


def yolox(deepen: float, widen: float, depthwise: bool = False, **options: Any) -> dict[str, Any]:
    widths = [int(n * widen) for n in (256, 512, 1024)]
    return {
        "type": "YOLOX",
        "backbone": {
            "type": "CSPDarknet",
            "deepen_factor": deepen,
            "widen_factor": widen,
            "use_depthwise": depthwise,
        },
        "neck": {
            "type": "YOLOXPAFPN",
            "in_channels": widths,
            "out_channels": widths[0],
            "num_csp_blocks": round(3 * deepen),
            "use_depthwise": depthwise,
        },
        "bbox_head": {
            "type": "YOLOXHead",
            "num_classes": 80,
            "in_channels": widths[0],
            "feat_channels": widths[0],
            "use_depthwise": depthwise,
        },
        **options,
    }


def rtmdet(
    deepen: float, widen: float, num_classes: int = 80, nano: bool = False, **options: Any
) -> dict[str, Any]:
    widths, norm = [int(n * widen) for n in (256, 512, 1024)], {"type": "SyncBN"}
    return {
        "type": "RTMDet",
        "backbone": {
            "type": "CSPNeXt",
            "deepen_factor": deepen,
            "widen_factor": widen,
            "norm_cfg": norm,
            "use_depthwise": nano,
        },
        "neck": {
            "type": "CSPNeXtPAFPN",
            "in_channels": widths,
            "out_channels": widths[0],
            "num_csp_blocks": round(3 * deepen),
            "norm_cfg": norm,
            "act_cfg": {"type": "SiLU"},
            "use_depthwise": nano,
        },
        "bbox_head": {
            "type": "RTMDetSepBNHead",
            "num_classes": num_classes,
            "in_channels": widths[0],
            "feat_channels": widths[0],
            "share_conv": not nano,
            "norm_cfg": norm,
            "use_depthwise": nano,
        },
        **options,
    }


@pytest.mark.parametrize(
    ("cfg", "millions"),
    [
        (yolox(0.33, 0.25, depthwise=True), 0.91),
        (yolox(0.33, 0.375), 5.06),
        (yolox(0.33, 0.5), 8.97),
        (yolox(0.67, 0.75), 25.33),
        (yolox(1.0, 1.0), 54.21),
        (yolox(1.33, 1.25), 99.07),
        (rtmdet(0.33, 0.5), 8.89),
        (rtmdet(0.67, 0.75), 24.71),
        (rtmdet(1.0, 1.0), 52.32),
        (rtmdet(1.33, 1.25), 94.86),
    ],
)
def test_published_numbers_of_parameters(cfg: dict[str, Any], millions: float) -> None:
    with torch.device("meta"):
        model = MODELS.build(cfg)
    # Convolutions that maps share are one parameter.
    count = sum(p.numel() for p in model.parameters())
    assert count / 1e6 == pytest.approx(millions, abs=0.006)


def test_keys_of_official_checkpoints() -> None:
    with torch.device("meta"):
        one, other = MODELS.build(yolox(0.33, 0.5)), MODELS.build(rtmdet(0.33, 0.5))
    assert {
        "backbone.stem.conv.conv.weight",
        "neck.out_convs.2.bn.running_var",
        "bbox_head.multi_level_cls_convs.0.1.conv.weight",
        "bbox_head.multi_level_reg_convs.2.0.bn.weight",
        "bbox_head.multi_level_conv_cls.1.bias",
        "bbox_head.multi_level_conv_reg.0.weight",
        "bbox_head.multi_level_conv_obj.2.weight",
    } <= set(one.state_dict())
    assert {
        "backbone.stage4.2.attention.fc.weight",
        "neck.reduce_layers.0.conv.weight",
        "bbox_head.cls_convs.2.1.conv.weight",
        "bbox_head.reg_convs.0.0.bn.bias",
        "bbox_head.rtm_cls.0.weight",
        "bbox_head.rtm_reg.2.bias",
    } <= set(other.state_dict())


def test_rtmdet_shares_convolutions_but_not_norms() -> None:
    head = RTMDetSepBNHead(1, 4, feat_channels=4)
    first, last = head.cls_convs[0][1], head.cls_convs[2][1]  # type: ignore[index]
    assert first.conv is last.conv
    assert first.norm is not last.norm


def test_rtmdet_boxes_are_distances_from_points() -> None:
    head = RTMDetSepBNHead(1, 4, feat_channels=4)
    scores = [torch.zeros(1, 1, n, n) for n in (4, 2, 1)]
    distances = [torch.zeros(1, 4, n, n) for n in (4, 2, 1)]
    distances[1][0, :, 1, 0] = torch.tensor([1.0, 2.0, 3.0, 4.0])

    boxes, values = head.predict((scores, distances))

    assert boxes.shape == (1, 21, 4)
    assert boxes[0, 16 + 2].tolist() == [-1, 14, 3, 20]
    assert boxes[0, 5].tolist() == [8, 8, 8, 8]
    assert (values == 0.5).all()


def test_yolox_boxes_are_centers_and_extents_in_cells() -> None:
    head = YOLOXHead(2, 4, feat_channels=4)
    scores, boxes, objectness = (
        [torch.zeros(1, channels, n, n) for n in (4, 2, 1)] for channels in (2, 4, 1)
    )
    boxes[0][0, :, 1, 2] = torch.tensor([0.5, 0.25, np.log(2), np.log(4)])

    corners, values = head.predict((scores, boxes, objectness))

    torch.testing.assert_close(corners[0, 6], torch.tensor([12.0, -6.0, 28.0, 26.0]))
    assert values.shape == (1, 21, 2)
    assert (values == 0.25).all()


@pytest.mark.parametrize("make", [yolox, rtmdet])
def test_boxes_do_not_depend_on_the_batch(make: Any) -> None:
    cfg = make(0.1, 0.125, input_size=[64, 96], score_thr=0.0, batch_size=2, classes=None)
    detector = draw_weights(MODELS.build(cfg))
    rng = np.random.default_rng(0)
    images = [rng.integers(0, 255, (h, w, 3), np.uint8) for h, w in ((50, 80), (120, 60), (64, 64))]

    together = detector.detect(images)

    assert not detector.training
    for image, found in zip(images, together, strict=True):
        (alone,) = detector.detect([image])
        assert 0 < len(found) <= 100
        np.testing.assert_allclose(alone.boxes, found.boxes, rtol=1e-3, atol=1e-2)
        height, width = image.shape[:2]
        assert found.boxes.min() >= 0
        assert (found.boxes <= [width, height, width, height]).all()


def test_weights_are_read_when_the_detector_is_made_ready(tmp_path: Path) -> None:
    cfg = yolox(0.1, 0.125, input_size=[64, 64], score_thr=0.0)
    trained = draw_weights(MODELS.build(cfg))
    path = tmp_path / "yolox.pth"
    torch.save({"state_dict": trained.state_dict()}, path)
    image = np.full((64, 64, 3), 80, np.uint8)
    detector = MODELS.build({**cfg, "init_cfg": {"type": "Pretrained", "checkpoint": str(path)}})
    missing = {"type": "Pretrained", "checkpoint": str(tmp_path / "none.pth")}

    np.testing.assert_array_equal(
        detector.detect([image])[0].boxes, trained.detect([image])[0].boxes
    )
    absent = MODELS.build({**cfg, "init_cfg": missing})  # a config is checked without its files
    with pytest.raises(CheckpointError, match=r"none\.pth"):
        absent.to("cpu")


def test_thresholds_out_of_range_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"nms_thr lies in 0\.\.1, got 2"):
        MODELS.build(yolox(0.1, 0.125, nms_thr=2))


def test_the_network_of_a_real_file(shared_data: Path) -> None:
    path = shared_data / "detectors" / "rtmdet_nano_person_320.onnx"
    detector = MODELS.build(rtmdet(0.33, 0.25, num_classes=1, nano=True, input_size=[320, 320]))
    copy_weights(path, detector)
    capture = cv2.VideoCapture(str(shared_data / "video" / "vtest.avi"))
    image = capture.read()[1]

    (found,), (want,) = detector.detect([image]), ONNXDetector(path).detect([image])

    assert len(want) > 2
    np.testing.assert_allclose(found.boxes, want.boxes, atol=0.01)
    np.testing.assert_allclose(found.scores, want.scores, atol=1e-4)


@torch.no_grad()
def copy_weights(path: Path, model: nn.Module) -> None:
    """Copy the convolutions of an exported RTMDet, whose batch norms are folded into them."""
    graph = onnx.load(str(path)).graph
    weights = {item.name: numpy_helper.to_array(item) for item in graph.initializer}
    modules = dict(model.named_modules())
    owners = {m.conv: m for m in modules.values() if isinstance(m, ConvModule)}
    for node in graph.node:
        if node.op_type == "Conv":
            conv = modules[_module_name(node.name)]
            assert isinstance(conv, nn.Conv2d)
            weight, bias = (Tensor(weights[name].copy()) for name in node.input[1:])
            conv.weight.copy_(weight)
            if conv.bias is not None:
                conv.bias.copy_(bias)
            else:
                norm = build_norm_layer({"type": "BN", "eps": 0.0}, len(bias))
                norm.load_state_dict({"bias": bias}, strict=False)
                owners[conv].add_module("bn", norm.eval())


def _module_name(node: str) -> str:
    """Return `backbone.stage1.1.conv` for `/model/backbone/stage1/stage1.1/conv/Conv`."""
    parts: list[str] = []
    for part in node.strip("/").split("/")[1:-1]:
        if parts and part.startswith(f"{parts[-1]}."):
            parts[-1] = part
        else:
            parts.append(part)
    name = ".".join(parts)
    return f"bbox_head.{name}" if re.match("cls_convs|reg_convs|rtm_", name) else name
