"""Pose estimation on Ray: from pixels to 3D, on a laptop or a cluster, from one YAML.

The public names below are imported on first use, so that ``import raypose`` stays fast and
pulls in neither torch nor Ray.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

# Public name -> module that defines it.
_EXPORTS = {
    "CODECS": "raypose.registry",
    "DATASETS": "raypose.registry",
    "METRICS": "raypose.registry",
    "MODELS": "raypose.registry",
    "TRANSFORMS": "raypose.registry",
    "PoseBatch": "raypose.structures",
    "PoseSample": "raypose.structures",
    "Poses": "raypose.structures",
    "Predictor": "raypose.inference",
    "Skeleton": "raypose.structures",
}

__all__ = ["__version__", *sorted(_EXPORTS)]


def __getattr__(name: str) -> Any:
    """Import a public name from the module that defines it."""
    module = _EXPORTS.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(module), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """List the public names, imported or not."""
    return sorted({*globals(), *_EXPORTS})
