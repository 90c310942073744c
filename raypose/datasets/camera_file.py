"""Human3.6M camera files: pickled arrays, read without running anything in them."""

from __future__ import annotations

import pickle
from typing import Any

from raypose.errors import DataError

Cameras = dict[tuple[str, str], dict[str, Any]]

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


def read_cameras(path: str) -> Cameras:
    """Read `cameras.pkl`: the camera of each (subject, camera id).

    Raises:
        DataError: if it is not there, is no such file, or holds anything but arrays and numbers.
    """
    try:
        with open(path, "rb") as file:
            cameras = _ArrayUnpickler(file, encoding="latin1").load()
    except OSError as error:
        raise DataError(f"{path}: {error.strerror or error}") from error
    except (pickle.UnpicklingError, EOFError, ValueError, AttributeError, ImportError) as error:
        raise DataError(f"{path}: not a file of camera arrays: {error}") from error
    if not isinstance(cameras, dict) or not all(
        isinstance(key, tuple) and isinstance(camera, dict) for key, camera in cameras.items()
    ):
        raise DataError(f"{path}: cameras by (subject, camera id) expected")
    return {(str(subject), str(camera)): values for (subject, camera), values in cameras.items()}


class _ArrayUnpickler(pickle.Unpickler):
    """Refuses every class and function that arrays do not need."""

    def find_class(self, module_name: str, global_name: str, /) -> Any:
        if (module_name, global_name) not in _ALLOWED:
            raise pickle.UnpicklingError(f"it refers to {module_name}.{global_name}")
        return super().find_class(module_name, global_name)
