"""What an ONNX file takes and gives, read from the file itself.

OpenCV runs ONNX files but does not tell their input size, and ONNX Runtime is optional, so the few
fields are read from the protobuf encoding: https://protobuf.dev/programming-guides/encoding and
https://github.com/onnx/onnx/blob/main/onnx/onnx.proto.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from raypose.errors import CheckpointError

# Field numbers of onnx.proto.
_MODEL_GRAPH, _MODEL_METADATA = 7, 14
_ENTRY_KEY, _ENTRY_VALUE = 1, 2
_GRAPH_INITIALIZER, _GRAPH_INPUT, _GRAPH_OUTPUT = 5, 11, 12
_TENSOR_NAME = 8
_VALUE_NAME, _VALUE_TYPE = 1, 2
_TYPE_TENSOR, _TENSOR_SHAPE, _SHAPE_DIM, _DIM_VALUE = 1, 2, 1, 1


@dataclass(frozen=True, slots=True)
class OnnxValue:
    """An input or output of a graph.

    Attributes:
        name: its name.
        shape: sizes of its axes, None for those that are free.
    """

    name: str
    shape: tuple[int | None, ...]


class OnnxHeader(NamedTuple):
    """What a file says of itself.

    Attributes:
        inputs: of the graph, weights left out.
        outputs: of the graph.
        metadata: key-value pairs that the exporter has written.
    """

    inputs: list[OnnxValue]
    outputs: list[OnnxValue]
    metadata: dict[str, str]


def read_onnx_header(path: str | Path) -> OnnxHeader:
    """Return the inputs, the outputs and the metadata of an ONNX file.

    Raises:
        CheckpointError: if the file is missing or is not ONNX.
    """
    file = Path(path)
    if not file.is_file():
        raise CheckpointError(f"no ONNX file at {file}")
    try:
        model = memoryview(file.read_bytes())
        graph = _message(model, _MODEL_GRAPH)
        if graph is None:
            raise ValueError("no graph")
        entries = [value for field, value in _fields(model) if field == _MODEL_METADATA]
        metadata = {_text(entry, _ENTRY_KEY): _text(entry, _ENTRY_VALUE) for entry in entries}
        weights, inputs, outputs = set(), [], []
        for field, value in _fields(graph):
            if field == _GRAPH_INITIALIZER:
                weights.add(_text(value, _TENSOR_NAME))
            elif field == _GRAPH_INPUT:
                inputs.append(_value(value))
            elif field == _GRAPH_OUTPUT:
                outputs.append(_value(value))
    except (ValueError, IndexError, TypeError) as error:
        raise CheckpointError(f"{file} is not an ONNX file ({error})") from error
    used = [value for value in inputs if value.name not in weights]
    return OnnxHeader(used, outputs, metadata)


def _value(info: memoryview | int) -> OnnxValue:
    node: memoryview | int | None = info
    for field in (_VALUE_TYPE, _TYPE_TENSOR, _TENSOR_SHAPE):
        node = None if node is None else _message(node, field)
    dims = [] if node is None else [dim for field, dim in _fields(node) if field == _SHAPE_DIM]
    return OnnxValue(_text(info, _VALUE_NAME), tuple(_size(dim) for dim in dims))


def _size(dim: memoryview | int) -> int | None:
    for field, value in _fields(dim):
        if field == _DIM_VALUE and isinstance(value, int) and value > 0:
            return value
    return None


def _text(data: memoryview | int, wanted: int) -> str:
    text = _message(data, wanted)
    return "" if text is None else bytes(text).decode()


def _message(data: memoryview | int, wanted: int) -> memoryview | None:
    for field, value in _fields(data):
        if field == wanted and isinstance(value, memoryview):
            return value
    return None


def _fields(data: memoryview | int) -> Iterator[tuple[int, memoryview | int]]:
    """Yield (field number, value) of a message; strings and messages as bytes."""
    if isinstance(data, int):
        raise ValueError("a number where a message belongs")
    at = 0
    while at < len(data):
        tag, at = _varint(data, at)
        field, wire = tag >> 3, tag & 7
        if wire == 0:
            value, at = _varint(data, at)
            yield field, value
            continue
        if wire == 2:
            size, at = _varint(data, at)
        elif wire in (1, 5):
            size = 8 if wire == 1 else 4
        else:
            raise ValueError(f"wire type {wire}")
        if at + size > len(data):
            raise ValueError("cut off")
        yield field, data[at : at + size]
        at += size


def _varint(data: memoryview, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
