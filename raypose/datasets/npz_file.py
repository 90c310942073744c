"""NumPy archives of annotations, checked."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from raypose.datasets.base_dataset import check_problems
from raypose.errors import DataError


def read_npz(path: str, required: tuple[str, ...]) -> dict[str, np.ndarray]:
    """Read the arrays of an npz file; nothing in it is executed.

    Args:
        path: the file.
        required: arrays that must be there.

    Raises:
        DataError: if it is not there, is no npz file or lacks an array.
    """
    try:
        with open(path, "rb") as file, np.load(file, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
    except OSError as error:
        raise DataError(f"{path}: {error.strerror or error}") from error
    except (ValueError, AttributeError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise DataError(f"{path}: not an npz file of plain arrays: {error}") from error
    missing = [name for name in required if name not in arrays]
    if missing:
        raise DataError(
            f"{path}: no array {', '.join(missing)}; it has {', '.join(sorted(arrays))}"
        )
    return arrays


def read_npy(path: str) -> np.ndarray:
    """Read the array of an npy file; nothing in it is executed.

    Raises:
        DataError: if it is not there or no npy file.
    """
    try:
        return np.load(path, allow_pickle=False)
    except OSError as error:
        raise DataError(f"{path}: {error.strerror or error}") from error
    except (ValueError, EOFError) as error:
        raise DataError(f"{path}: not an npy file of a plain array: {error}") from error


def check_arrays(
    path: str, arrays: Mapping[str, np.ndarray], shapes: Mapping[str, tuple[Any, ...]]
) -> None:
    """Check shapes, and that arrays of two dimensions and more hold finite numbers.

    Args:
        path: what to call the file.
        arrays: by name.
        shapes: for each array to check its shape; None stands for any number.

    Raises:
        DataError: with every array that is wrong.
    """
    problems = []
    for name, shape in shapes.items():
        array = arrays[name]
        fits = array.ndim == len(shape) and all(
            want is None or want == have for want, have in zip(shape, array.shape, strict=True)
        )
        if not fits:
            want = " x ".join("any" if side is None else str(side) for side in shape)
            have = " x ".join(str(side) for side in array.shape)
            problems.append(f"'{name}' has the shape {have}, expected {want}")
        elif array.ndim > 1 and array.dtype.kind not in "biuf":
            problems.append(f"'{name}' holds {array.dtype}, numbers expected")
        elif array.dtype.kind == "f":
            broken = ~np.isfinite(array).reshape(len(array), -1).all(axis=1)
            if broken.any():
                problems.append(
                    f"'{name}' holds NaN or infinity in {broken.sum()} of {len(array)} rows, "
                    f"the first is row {int(np.argmax(broken))}"
                )
    check_problems(path, problems)
