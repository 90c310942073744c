"""Serving: detector, pose model and lifter behind HTTP, on Ray Serve."""

from raypose.distributed.serving.app import build_app, run, stop

__all__ = ["build_app", "run", "stop"]
