"""Reference adapter for the kind `configs`: MMPose's Python configs, read to plain data."""

from __future__ import annotations

from typing import Any

from raypose.config.mmpose_import import read_mmpose_config


def import_config(path: str) -> dict[str, Any]:
    """Read one of MMPose's Python configs with everything it inherits."""
    return read_mmpose_config(path)
