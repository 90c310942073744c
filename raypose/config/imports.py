"""`imports:`: the user's modules, imported in every process that uses the config.

Importing them registers their classes. The folders they were found in travel with the config, so
that a worker or a later run imports the same.
"""

from __future__ import annotations

import importlib
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path


def import_modules(names: Sequence[str], folders: Sequence[str]) -> list[str | None]:
    """Import modules and say for each what went wrong, None where nothing did.

    Args:
        names: modules, `package.module`.
        folders: put behind what `sys.path` has, those that exist.
    """
    for folder in folders:
        if folder not in sys.path and Path(folder).is_dir():
            sys.path.append(folder)
    importlib.invalidate_caches()
    return [_import(name, folders) for name in names]


def _import(name: str, folders: Sequence[str]) -> str | None:
    try:
        importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is not None and (name == error.name or name.startswith(f"{error.name}.")):
            places = "; ".join([*folders, "the Python path"])
            return f"there is no module '{name}'; looked in {places}"
        return f"importing '{name}' failed: {error} ({_place(error)})"
    except Exception as error:
        return f"importing '{name}' failed: {type(error).__name__}: {error} ({_place(error)})"
    return None


def _place(error: BaseException) -> str:
    """Return file and line of the user's code that failed."""
    frames = traceback.extract_tb(error.__traceback__)
    outside = [f for f in frames if "importlib" not in f.filename and f.filename != __file__]
    last = (outside or frames)[-1]
    return f"{last.filename}:{last.lineno}"
