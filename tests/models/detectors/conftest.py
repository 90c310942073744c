"""Tiny detectors in ONNX files: networks that find bright cells, so that every answer is known.

The input is 64x64 (w x h, unless free); level s averages cells of s x s pixels and scores their
brightness. The boxes of a level have a fixed size.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

STRIDES = (8, 16, 32)
Maker = Callable[..., Path]


class Graph:
    """Collects nodes and weights of one ONNX graph."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.weights: list[onnx.TensorProto] = []

    def weight(self, values: np.ndarray) -> str:
        name = f"w{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(values, name))
        return name

    def node(self, kind: str, *inputs: str, output: str = "", **attributes: Any) -> str:
        name = output or f"n{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(inputs), [name], **attributes))
        return name

    def cells(self, stride: int, weight: np.ndarray, bias: np.ndarray) -> str:
        """Average the input in cells and map its 3 channels to those of `bias`."""
        pooled = self.node(
            "AveragePool", "images", kernel_shape=[stride, stride], strides=[stride, stride]
        )
        kernel = self.weight(weight.astype(np.float32).reshape(-1, 3, 1, 1))
        return self.node("Conv", pooled, kernel, self.weight(bias.astype(np.float32)))

    def save(
        self,
        path: Path,
        outputs: Mapping[str, Sequence[int | str | None]],
        batch: int | str,
        size: object,
    ) -> Path:
        width, height = size if isinstance(size, tuple) else ("w", "h")
        graph = helper.make_graph(
            self.nodes,
            "tiny",
            [helper.make_tensor_value_info("images", TensorProto.FLOAT, [batch, 3, height, width])],
            [
                helper.make_tensor_value_info(
                    name, TensorProto.INT64 if name == "labels" else TensorProto.FLOAT, shape
                )
                for name, shape in outputs.items()
            ],
            self.weights,
        )
        opset = helper.make_opsetid("", 13)
        model = helper.make_model(graph, opset_imports=[opset], ir_version=8)
        onnx.checker.check_model(model)
        onnx.save(model, str(path))
        return path


@pytest.fixture
def rtmdet_file(tmp_path: Path) -> Maker:
    """Make an RTMDet whose only class is a white cell and whose boxes are 2 x 4 strides."""

    def make(batch: int | str = "b", size: object = (64, 64), name: str = "tiny.onnx") -> Path:
        return write_rtmdet(tmp_path / name, batch, size)

    return make


def write_rtmdet(path: Path, batch: int | str = "b", size: object = (64, 64)) -> Path:
    """Write the network of `rtmdet_file`."""
    graph, outputs = Graph(), {}
    for stride in STRIDES:
        # White is about 2.4 in each channel once normalised, grey 114 about 0: logit 4 or -8.
        weight = np.zeros((5, 3))
        weight[0] = 12 / 7.3
        bias = np.array([-8.0, stride, 2 * stride, stride, 2 * stride])
        cells = graph.cells(stride, weight, bias)
        output = graph.node("Transpose", cells, output=f"level{stride}", perm=[0, 2, 3, 1])
        outputs[output] = [batch, None, None, 5]
    return graph.save(path, outputs, batch, size)


@pytest.fixture
def yolox_file(tmp_path: Path) -> Maker:
    """Make a YOLOX of 3 classes: dark blue cells are class 1, white ones class 2."""

    def make(batch: int | str = "b", decoded: bool = False, name: str = "tiny.onnx") -> Path:
        graph, levels = Graph(), []
        for stride in STRIDES:
            weight = np.zeros((8, 3))
            # Objectness and classes: linear in blue and red, clipped to 0..1 below.
            weight[4] = [1 / 255, 0, 0]
            weight[6] = [1 / 255, 0, -1 / 255]
            weight[7] = [0, 0, 1 / 255]
            extent = [2 * stride, 4 * stride] if decoded else np.log([2.0, 4.0])
            bias = np.array([0.5, 0.5, *extent, -0.5, 0, 0, 0])
            cells = graph.cells(stride, weight, bias)
            shape = graph.weight(np.array([0, 8, -1], np.int64))
            flat = graph.node("Reshape", cells, shape)
            rows = graph.node("Transpose", flat, perm=[0, 2, 1])
            if decoded:
                rows = _decode_centers(graph, rows, stride)
            levels.append(rows)
        joined = graph.node("Concat", *levels, axis=1)
        low, high = graph.weight(np.zeros(1, np.float32)), graph.weight(np.ones(1, np.float32))
        splits = graph.weight(np.array([4, 4], np.int64))
        graph.nodes.append(helper.make_node("Split", [joined, splits], ["box", "score"], axis=2))
        clipped = graph.node("Min", graph.node("Max", "score", low), high)
        graph.node("Concat", "box", clipped, output="output", axis=2)
        return graph.save(tmp_path / name, {"output": [batch, None, 8]}, batch, (64, 64))

    return make


def _decode_centers(graph: Graph, rows: str, stride: int) -> str:
    side = 64 // stride
    grid = np.stack(np.meshgrid(np.arange(side), np.arange(side)), -1).reshape(-1, 2)
    add = np.concatenate([grid * stride, np.zeros((len(grid), 6))], axis=1)
    multiply = np.array([stride, stride, *[1] * 6])
    scaled = graph.node("Mul", rows, graph.weight(multiply.astype(np.float32)))
    return graph.node("Add", scaled, graph.weight(add[None].astype(np.float32)))


@pytest.fixture
def suppressed_file(tmp_path: Path) -> Maker:
    """Make a network that ends in suppression: fixed `dets` and `labels`, scored by brightness."""

    def make(dets: list[list[float]], labels: list[int], name: str) -> Path:
        graph = Graph()
        mean = graph.node("ReduceMean", "images", axes=[1, 2, 3], keepdims=0)
        none = graph.node("Mul", mean, graph.weight(np.zeros(1, np.float32)))
        fixed = graph.weight(np.asarray([dets], np.float32))
        graph.node("Add", fixed, none, output="dets")
        classes = graph.weight(np.asarray([labels], np.int64))
        graph.node("Identity", classes, output="labels")
        outputs = {"dets": [1, len(dets), 5], "labels": [1, len(labels)]}
        return graph.save(tmp_path / name, outputs, 1, (64, 64))

    return make
