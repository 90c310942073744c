"""What the reference checks call, by kind; the work is done in the modules beside this one."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

_HERE = Path(__file__).resolve().parent
# The checkout that this file lies in, installed or not.
sys.path[:0] = [str(_HERE), str(_HERE.parents[1])]

_MODULES = {
    "adapter_models": (
        "build_model",
        "features",
        "forward",
        "predict",
        "loss",
        "build_module",
        "run_module",
        "loss_function",
    ),
    "adapter_codecs": ("codec_encode", "codec_decode", "encode_targets"),
    "adapter_ops": ("op",),
    "adapter_metrics": ("metric", "skeleton"),
    "adapter_configs": ("import_config",),
}


def _missing(name: str) -> Callable[..., Any]:
    def function(*args: Any, **kwargs: Any) -> Any:
        raise NotImplementedError(f"{name} is not there")

    return function


for _module, _names in _MODULES.items():
    try:
        _functions = vars(importlib.import_module(_module))
    except ModuleNotFoundError as error:
        if error.name != _module:
            raise
        _functions = {}
    for _name in _names:
        globals()[_name] = _functions.get(_name) or _missing(_name)
