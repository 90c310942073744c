"""Serving: detector, pose model and lifter behind HTTP, on Ray Serve.

What is here is imported on first use: a proxy needs its own file only, not the models.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from raypose.distributed.serving.app import build_app, run, stop

__all__ = ["build_app", "run", "stop"]


def __getattr__(name: str) -> Any:
    """Import what starts and stops the service."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module("raypose.distributed.serving.app"), name)
