"""A network in ONNX, opened by a backend: an array in, the arrays of its outputs out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from raypose.errors import RayposeError
from raypose.models.detectors.onnx_session import open_onnxruntime

Session = Callable[[npt.NDArray[np.float32]], "list[npt.NDArray[Any]]"]


def open_session(backend: str, model: bytes, device: torch.device) -> Session:
    """Open a network; one call of it uses as many threads as torch does.

    Args:
        backend: `onnxruntime` or `openvino`.
        model: the content of an ONNX file with one input.
        device: where it runs.

    Raises:
        RayposeError: if the backend cannot read it.
    """
    openers = {"onnxruntime": _open_onnxruntime, "openvino": _open_openvino}
    try:
        return openers[backend](model, device)
    except Exception as error:  # each library has exceptions of its own
        raise RayposeError(f"{backend} cannot open the network: {error}") from error


def _open_onnxruntime(model: bytes, device: torch.device) -> Session:
    session = open_onnxruntime(model, str(device), torch.get_num_threads())
    name = session.get_inputs()[0].name
    return lambda inputs: session.run(None, {name: inputs})


def _open_openvino(model: bytes, device: torch.device) -> Session:
    import openvino

    core = openvino.Core()
    options = {
        "INFERENCE_NUM_THREADS": torch.get_num_threads(),
        "NUM_STREAMS": 1,
        # Processes that share cores would all be pinned to the first ones.
        "ENABLE_CPU_PINNING": False,
        # CPUs with bfloat16 would use it, which is no rounding any more.
        "INFERENCE_PRECISION_HINT": "f32",
    }
    request = core.compile_model(core.read_model(model), "CPU", options).create_infer_request()

    def run(inputs: npt.NDArray[np.float32]) -> list[npt.NDArray[Any]]:
        request.infer([inputs], share_inputs=True)
        # The next call writes to the same memory.
        return [np.array(output.data) for output in request.output_tensors]

    return run
