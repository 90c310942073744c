"""Libraries that only converters need: imported when a format asks for them."""

from __future__ import annotations

import importlib
from types import ModuleType

from raypose.errors import RayposeError

BROKEN_HDF = (OSError, LookupError, TypeError, ValueError, RuntimeError, MemoryError)
"""What h5py raises for a file that is broken, or has something else where arrays are expected."""


def require(module: str, purpose: str) -> ModuleType:
    """Import a library of the extra `convert`.

    Args:
        module: its name.
        purpose: what it is for, such as "read SLEAP files".

    Raises:
        RayposeError: if it is not installed, with the command that installs it.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise RayposeError(
            f"the package {module} is needed to {purpose}: pip install 'raypose[convert]'"
        ) from error
