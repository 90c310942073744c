"""Values of files that anybody may have written: what they are is checked where they are read."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from raypose.errors import DataError


def mapping_of(value: Any, where: str) -> Mapping[str, Any]:
    """Return a mapping.

    Args:
        value: what a file holds.
        where: file and key, for the message.

    Raises:
        DataError: if it is something else.
    """
    if not isinstance(value, Mapping):
        raise DataError(f"{where}: keys with values expected, got {_shown(value)}")
    return value


def list_of(value: Any, where: str) -> list[Any]:
    """Return a list; nothing is an empty one. Like `mapping_of` otherwise."""
    if value is None:
        return []
    if not isinstance(value, list):
        raise DataError(f"{where}: a list expected, got {_shown(value)}")
    return value


def number_of(value: Any, where: str) -> float:
    """Return a finite number. Like `mapping_of` otherwise."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise DataError(f"{where}: a number expected, got {_shown(value)}")
    return float(value)


def name_of(value: Any, where: str) -> str:
    """Return a name: a text that is not empty, or a number as text. Like `mapping_of` otherwise."""
    if isinstance(value, bool) or not isinstance(value, (str, int, float)) or value == "":
        raise DataError(f"{where}: a name expected, got {_shown(value)}")
    return str(value)


def read_yaml(path: Path) -> Mapping[str, Any]:
    """Read a YAML file that holds a mapping.

    Raises:
        DataError: if it is not there, broken or something else.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise DataError(f"{path}: {error.strerror or error}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: not a YAML file: {error}") from error
    return mapping_of(content, str(path))


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
