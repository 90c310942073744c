"""Pose estimation on Ray: from pixels to 3D, on a laptop or a cluster, from one YAML.

The public names below are imported on first use, so that `import raypose` stays fast and pulls in
neither torch nor Ray.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from raypose.config import load_config
    from raypose.inference import Predictor, load_model
    from raypose.registry import CODECS, DATASETS, METRICS, MODELS, TRANSFORMS
    from raypose.structures import PoseBatch, Poses, PoseSample, Skeleton

__version__ = "0.1.0"

__all__ = [
    "CODECS",
    "DATASETS",
    "METRICS",
    "MODELS",
    "TRANSFORMS",
    "PoseBatch",
    "PoseSample",
    "Poses",
    "Predictor",
    "Skeleton",
    "__version__",
    "load_config",
    "load_model",
]

# Public name -> module that defines it; the imports above are the same, for type checkers.
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
    "load_config": "raypose.config",
    "load_model": "raypose.inference",
}


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
