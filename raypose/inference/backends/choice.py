"""Which backend runs a network: what was asked for, and what this machine has."""

from __future__ import annotations

from importlib.util import find_spec
from typing import get_args

import torch

from raypose.config.sections.base import Backend
from raypose.errors import ConfigError, did_you_mean

# Networks reach both of them as ONNX, which torch cannot write without `onnx`.
_MODULES = {"onnxruntime": ("onnxruntime", "onnx"), "openvino": ("openvino", "onnx")}
_EXTRAS = {"onnxruntime": "onnx", "openvino": "openvino"}


def choose_backend(backend: str, device: torch.device) -> str:
    """Return `torch`, `onnxruntime` or `openvino`.

    Args:
        backend: one of them, or `auto`: ONNX Runtime on a CPU where it is installed, else torch.
        device: where the model runs.

    Raises:
        ConfigError: for an unknown backend, one that is not installed, or one that does not run
            on the device.
    """
    names = get_args(Backend)
    if backend not in names:
        raise ConfigError(
            f"backend is one of {', '.join(names)}, got {backend!r}.{did_you_mean(backend, names)}"
        )
    if backend == "auto":
        usable = device.type == "cpu" and not _missing("onnxruntime")
        return "onnxruntime" if usable else "torch"
    if backend == "torch":
        return backend
    missing = _missing(backend)
    if missing:
        raise ConfigError(
            f"backend '{backend}' needs {' and '.join(missing)}, which is not installed: "
            f"pip install 'raypose[{_EXTRAS[backend]}]', or take backend auto or torch"
        )
    if backend == "openvino" and device.type != "cpu":
        raise ConfigError(f"backend 'openvino' runs on the CPU, the device is {device}")
    return backend


def _missing(backend: str) -> list[str]:
    return [name for name in _MODULES[backend] if find_spec(name) is None]
