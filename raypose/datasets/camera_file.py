"""Camera files of motion capture: pickled arrays, read without running anything in them."""

from __future__ import annotations

from typing import Any

from raypose.datasets.pickled_arrays import UNREADABLE, unpickle_arrays
from raypose.errors import DataError

# By (subject, camera id), as Human3.6M has it, or by the name of a video.
Cameras = dict[Any, dict[str, Any]]


def read_cameras(path: str) -> Cameras:
    """Read `cameras.pkl`: the camera of each (subject, camera id), or of each video.

    Raises:
        DataError: if it is not there, is no such file, or holds anything but arrays and numbers.
    """
    try:
        with open(path, "rb") as file:
            cameras = unpickle_arrays(file)
    except OSError as error:
        raise DataError(f"{path}: {error.strerror or error}") from error
    except UNREADABLE as error:
        raise DataError(f"{path}: not a file of camera arrays: {error}") from error
    if not isinstance(cameras, dict) or not all(
        isinstance(key, (tuple, str)) and isinstance(camera, dict)
        for key, camera in cameras.items()
    ):
        raise DataError(f"{path}: cameras by (subject, camera id) or by video expected")
    return {
        key if isinstance(key, str) else tuple(map(str, key)): values
        for key, values in cameras.items()
    }
