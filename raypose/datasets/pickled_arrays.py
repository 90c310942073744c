"""Pickled mappings of arrays, read without running anything in them."""

from __future__ import annotations

import pickle
from typing import IO, Any

# What a pickle of dicts and NumPy arrays refers to, under NumPy's old and new module names.
_ALLOWED = {
    *(
        (f"numpy.{core}.multiarray", name)
        for core in ("core", "_core")
        for name in ("_reconstruct", "scalar")
    ),
    ("numpy", "ndarray"),
    ("numpy", "dtype"),
    ("_codecs", "encode"),
}

UNREADABLE = (
    pickle.UnpicklingError,
    EOFError,
    ValueError,
    AttributeError,
    ImportError,
)
"""What `unpickle_arrays` raises for a file that is broken or holds anything else."""


def unpickle_arrays(file: IO[bytes]) -> Any:
    """Return what a pickle of dicts, lists, numbers, texts and arrays holds.

    Raises:
        UNREADABLE: one of them, for anything else.
    """
    return _ArrayUnpickler(file, encoding="latin1").load()


class _ArrayUnpickler(pickle.Unpickler):
    """Refuses every class and function that arrays do not need."""

    def find_class(self, module_name: str, global_name: str, /) -> Any:
        if (module_name, global_name) not in _ALLOWED:
            raise pickle.UnpicklingError(f"it refers to {module_name}.{global_name}")
        return super().find_class(module_name, global_name)
