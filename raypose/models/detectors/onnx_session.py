"""`OnnxSession`: one ONNX file, run by ONNX Runtime or by OpenCV."""

from __future__ import annotations

import importlib.util
import logging
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import torch

from raypose.errors import ConfigError, did_you_mean
from raypose.models.detectors.onnx_header import read_onnx_header

logger = logging.getLogger(__name__)

BACKENDS = ("auto", "onnxruntime", "opencv")


class OnnxSession:
    """An image network in an ONNX file, ready to run.

    Args:
        path: the file; its one input is (B, 3, H, W) float32.
        backend: `auto` takes ONNX Runtime where it is installed, else OpenCV.
        device: `cpu`, `cuda` or `cuda:1`; OpenCV runs on the CPU.
        num_threads: threads of one call; as many as torch uses by default.

    Attributes:
        input_shape: (B, 3, H, W) as the file fixes it, None for each free axis.
        output_names: names of the outputs, in order.
        output_shapes: their shapes, None for each free axis.
        metadata: key-value pairs in the file.

    Raises:
        CheckpointError: if the file is missing or not ONNX.
        ConfigError: for an unknown backend, one that is not installed, or a network whose input
            is not one batch of images.
    """

    def __init__(
        self,
        path: str | Path,
        backend: str = "auto",
        device: str = "cpu",
        num_threads: int | None = None,
    ) -> None:
        if backend not in BACKENDS:
            raise ConfigError(
                f"backend is one of {', '.join(BACKENDS)}, got {backend!r}."
                + did_you_mean(backend, BACKENDS)
            )
        inputs, outputs, self.metadata = read_onnx_header(path)
        if len(inputs) != 1 or len(inputs[0].shape) != 4:
            found = ", ".join(f"{value.name} {list(value.shape)}" for value in inputs)
            raise ConfigError(f"{path}: one input (B, 3, H, W) expected, got {found or 'none'}")
        self.input_shape = inputs[0].shape
        self.output_names = [value.name for value in outputs]
        self.output_shapes = [value.shape for value in outputs]
        installed = importlib.util.find_spec("onnxruntime") is not None
        if backend == "onnxruntime" and not installed:
            raise ConfigError(
                "backend 'onnxruntime' is not installed; pip install onnxruntime "
                "(or onnxruntime-gpu), or take backend 'opencv'"
            )
        self.backend = backend if backend != "auto" else "onnxruntime" if installed else "opencv"
        threads = num_threads or torch.get_num_threads()
        self._session: Any
        if self.backend == "onnxruntime":
            self._session = open_onnxruntime(str(path), device, threads)
        else:
            if device != "cpu":
                logger.info("%s runs on the CPU: OpenCV has no CUDA here", path)
            self._session = cv2.dnn.readNetFromONNX(str(path))

    def __call__(self, images: npt.NDArray[np.float32]) -> dict[str, npt.NDArray[Any]]:
        """Run the network on (B, 3, H, W) images and return its outputs by name."""
        if self.backend == "onnxruntime":
            feed = {self._session.get_inputs()[0].name: images}
            results = self._session.run(self.output_names, feed)
        else:
            self._session.setInput(images)
            results = self._session.forward(self.output_names)
        return dict(zip(self.output_names, results, strict=True))


def open_onnxruntime(model: str | bytes, device: str, threads: int) -> Any:
    """Return an `onnxruntime.InferenceSession` that gets on with others on the same cores.

    Args:
        model: path of an ONNX file, or its content.
        device: `cpu`, `cuda` or `cuda:1`; a GPU needs onnxruntime-gpu.
        threads: of one call.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 4  # errors come as exceptions
    # Pools that spin between calls take the cores from the pose model that runs next.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    providers: list[Any] = ["CPUExecutionProvider"]
    if device.startswith("cuda"):
        if "CUDAExecutionProvider" in onnxruntime.get_available_providers():
            index = torch.device(device).index or 0
            providers.insert(0, ("CUDAExecutionProvider", {"device_id": index}))
        else:
            logger.info("ONNX Runtime is on the CPU: onnxruntime-gpu is not installed")
    return onnxruntime.InferenceSession(model, options, providers=providers)
