from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import onnx
import pytest

from raypose.errors import CheckpointError
from raypose.models.detectors.onnx_header import OnnxValue, read_onnx_header

Maker = Callable[..., Path]


def test_inputs_and_outputs_without_the_weights(yolox_file: Maker) -> None:
    inputs, outputs, _ = read_onnx_header(yolox_file("batch"))
    assert inputs == [OnnxValue("images", (None, 3, 64, 64))]
    assert outputs == [OnnxValue("output", (None, None, 8))]


def test_weights_that_are_listed_as_inputs_are_left_out(rtmdet_file: Maker) -> None:
    path = rtmdet_file(1)
    model = onnx.load(str(path))
    weight = model.graph.initializer[0]
    model.graph.input.append(
        onnx.helper.make_tensor_value_info(weight.name, weight.data_type, list(weight.dims))
    )
    onnx.save(model, str(path))
    inputs, outputs, _ = read_onnx_header(path)
    assert [value.name for value in inputs] == ["images"]
    assert [value.shape for value in outputs] == [(1, None, None, 5)] * 3


@pytest.mark.parametrize("content", [b"", b"not an onnx file", b"\xff" * 40, b"\x3a\xff\x01"])
def test_other_files_are_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=r"model\.onnx is not an ONNX file"):
        read_onnx_header(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"no ONNX file at .*gone\.onnx"):
        read_onnx_header(tmp_path / "gone.onnx")
