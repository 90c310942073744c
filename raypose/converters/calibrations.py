"""Calibrated cameras: Anipose's TOML, DeepLabCut-3D's pickle, matrices in JSON.

Cameras in TOML and JSON are keys with matrices, whatever tool has written them; what each key
means is in the documentation of `read_calibration`. Sources of the formats: the documentation of
Anipose ("calibration.toml"), DeepLabCut's `calibrate_cameras`, the CMU Panoptic Studio's
`calibration_*.json`, VoxelPose's `calibration_*.json`.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from raypose.converters.checked import mapping_of, name_of
from raypose.converters.extras import require
from raypose.datasets.coco_annotations import read_json
from raypose.datasets.pickled_arrays import UNREADABLE, unpickle_arrays
from raypose.errors import DataError

Floats = npt.NDArray[np.float64]
# OpenCV's numbers of a lens: none, the usual ones, and with a denominator.
_LENSES = (0, 4, 5, 8)
_ROTATION_ERROR = 1e-2


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CalibratedCamera:
    """A camera in the world: a point p is at R p + t, x right, y down, z forward.

    Attributes:
        name: as in the file.
        size: (w, h) of its images in pixels.
        matrix: (3, 3) focal lengths and centre, in pixels.
        lens: (0,), (4,), (5,) or (8,) distortion, in OpenCV's order: k1, k2, p1, p2, k3, k4, ...
        rotation: (3, 3) R.
        translation: (3,) t, metres.
    """

    name: str
    size: tuple[int, int]
    matrix: Floats
    lens: Floats
    rotation: Floats
    translation: Floats

    def arrays(self) -> dict[str, Any]:
        """Return the camera as `raypose.ops.cameras` and Human3.6M have it."""
        lens = np.zeros(8)
        lens[: len(self.lens)] = self.lens
        radial = lens[[0, 1, 4]] if not lens[5:].any() else lens[[0, 1, 4, 5, 6, 7]]
        return {
            "R": self.rotation.T.copy(),
            "T": -(self.rotation.T @ self.translation)[:, None],
            "f": self.matrix[[0, 1], [0, 1]][:, None],
            "c": self.matrix[:2, 2:].copy(),
            "k": radial[:, None],
            "p": lens[[2, 3]][:, None],
            "w": self.size[0],
            "h": self.size[1],
            "name": self.name,
        }

    def undistorted(self, pixels: Floats) -> Floats:
        """Return where pixels (N, 2) lie on the plane at depth 1."""
        lens = self.lens if len(self.lens) else None
        found = cv2.undistortPoints(pixels.reshape(-1, 1, 2), self.matrix, lens)
        return np.asarray(found, np.float64).reshape(-1, 2)


def read_calibration(path: Path, unit: float) -> list[CalibratedCamera]:
    """Read the cameras of a file.

    A TOML or JSON file holds a mapping of cameras by name, or under `cameras` such a mapping or a
    list. A camera has

    * `matrix` or `K`, 3 x 3, or `fx`, `fy`, `cx` and `cy`;
    * `R`, 3 x 3, or `rotation` or `rvec`, three numbers whose length is the angle;
    * `t`, `tvec` or `translation`, where the origin of the world is in the camera, or `T`, where
      the camera is in the world, as VoxelPose has it;
    * `distortions`, `distCoef` or `dist` in OpenCV's order, or `k` and `p`, or none;
    * `size`, `resolution` or `image_size`, width and height; twice the centre without it;

    or instead of the first three `P`, 3 x 4. A pickle is DeepLabCut-3D's: two cameras by their
    names, the first of which is the world.

    Args:
        path: the file.
        unit: metres of its unit of length.

    Raises:
        DataError: with file, camera, key and reason.
    """
    if path.suffix in (".pickle", ".pkl"):
        return _read_stereo(path, unit)
    content = _read_toml(path) if path.suffix == ".toml" else read_json(str(path))
    cameras = [
        _camera(name, entry, f"{path}: {name}", unit) for name, entry in _entries(content, path)
    ]
    if not cameras:
        raise DataError(f"{path}: no camera in it")
    names = [camera.name for camera in cameras]
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        raise DataError(f"{path}: two cameras are called {twice[0]!r}")
    return cameras


def _read_toml(path: Path) -> Any:
    tomllib = require("tomllib" if sys.version_info >= (3, 11) else "tomli", "read TOML files")
    try:
        with path.open("rb") as file:
            return tomllib.load(file)
    except OSError as error:
        raise DataError(f"{path}: {error.strerror or error}") from error
    except ValueError as error:
        raise DataError(f"{path}: not a TOML file: {error}") from error


def _entries(content: Any, path: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    cameras = mapping_of(content, str(path))
    listed = cameras.get("cameras", cameras)
    if isinstance(listed, list):
        for number, item in enumerate(listed):
            entry = mapping_of(item, f"{path}: cameras.{number}")
            yield name_of(entry.get("name", number), f"{path}: cameras.{number}.name"), entry
        return
    for key, item in mapping_of(listed, f"{path}: cameras").items():
        # Beside the cameras of Anipose is how good they are.
        if key == "metadata" and listed is cameras:
            continue
        entry = mapping_of(item, f"{path}: {key}")
        yield name_of(entry.get("name", key), f"{path}: {key}.name"), entry


def _camera(name: str, entry: Mapping[str, Any], where: str, unit: float) -> CalibratedCamera:
    if entry.get("fisheye"):
        raise DataError(f"{where}: fisheye: cameras with such a lens cannot be read")
    if "P" in entry:
        matrix, rotation, position, *_ = cv2.decomposeProjectionMatrix(
            _array(entry, ("P",), (3, 4), where)
        )
        matrix = np.asarray(matrix, np.float64) / matrix[2, 2]
        rotation = np.asarray(rotation, np.float64)
        translation = -(rotation @ (position[:3, 0] / position[3, 0]))
    else:
        matrix = _matrix(entry, where)
        rotation = _rotation(entry, where)
        translation = _translation(entry, rotation, where)
    if abs(matrix[0, 1]) > 1e-6 * matrix[0, 0]:
        raise DataError(f"{where}: a matrix without skew expected, got {matrix[0, 1]:g}")
    error = np.abs(rotation @ rotation.T - np.eye(3)).max()
    if error > _ROTATION_ERROR or np.linalg.det(rotation) < 0:
        raise DataError(f"{where}: R is no rotation: {np.round(rotation, 3).tolist()}")
    return CalibratedCamera(
        name=name,
        size=_size(entry, matrix, where),
        matrix=matrix,
        lens=_lens(entry, where),
        rotation=rotation,
        translation=translation * unit,
    )


def _matrix(entry: Mapping[str, Any], where: str) -> Floats:
    if "fx" not in entry:
        return _array(entry, ("matrix", "K"), (3, 3), where)
    fx, fy, cx, cy = (float(_array(entry, (key,), (), where)) for key in ("fx", "fy", "cx", "cy"))
    return np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1]])


def _rotation(entry: Mapping[str, Any], where: str) -> Floats:
    if "R" in entry:
        return _array(entry, ("R",), (3, 3), where)
    vector = _array(entry, ("rotation", "rvec"), (3,), where)
    return np.asarray(cv2.Rodrigues(vector)[0], np.float64)


def _translation(entry: Mapping[str, Any], rotation: Floats, where: str) -> Floats:
    if "T" in entry:
        return -(rotation @ _array(entry, ("T",), (3,), where))
    return _array(entry, ("t", "tvec", "translation"), (3,), where)


def _lens(entry: Mapping[str, Any], where: str) -> Floats:
    if "k" in entry or "p" in entry:
        k, p = (_array(entry, (key,), None, where) for key in ("k", "p"))
        lens = np.array([*k[:2], *p, *k[2:]])
    else:
        keys = ("distortions", "distCoef", "dist")
        lens = (
            _array(entry, keys, None, where) if any(key in entry for key in keys) else np.zeros(0)
        )
    return _checked_lens(lens, where)


def _checked_lens(lens: Floats, where: str) -> Floats:
    if len(lens) not in _LENSES:
        raise DataError(f"{where}: 4, 5 or 8 numbers of distortion expected, got {len(lens)}")
    return lens


def _size(entry: Mapping[str, Any], matrix: Floats, where: str) -> tuple[int, int]:
    keys = ("size", "resolution", "image_size")
    given = any(key in entry for key in keys)
    size = _array(entry, keys, (2,), where) if given else 2 * matrix[:2, 2]
    width, height = (round(float(side)) for side in size)
    if min(width, height) < 1:
        raise DataError(f"{where}: size: width and height in pixels expected, got {size.tolist()}")
    return width, height


def _array(
    entry: Mapping[str, Any], keys: tuple[str, ...], shape: tuple[int, ...] | None, where: str
) -> Floats:
    """Return the array of the first key that is there; without a shape it is flat."""
    key = next((key for key in keys if key in entry), None)
    if key is None:
        raise DataError(f"{where}: no {' and no '.join(keys)}")
    wanted = "numbers" if shape is None else " x ".join(map(str, shape)) + " numbers"
    try:
        array = np.asarray(entry[key], np.float64)
        array = array.reshape(-1 if shape is None else shape)
    except (TypeError, ValueError):
        raise DataError(f"{where}: {key}: {wanted.strip()} expected, got {entry[key]!r}") from None
    if not np.isfinite(array).all():
        raise DataError(f"{where}: {key}: {wanted.strip()} expected, got {entry[key]!r}")
    return array


def _read_stereo(path: Path, unit: float) -> list[CalibratedCamera]:
    """Read `stereo_params.pickle` of DeepLabCut-3D: a pair of cameras."""
    try:
        with path.open("rb") as file:
            content = unpickle_arrays(file)
    except OSError as error:
        raise DataError(f"{path}: {error.strerror or error}") from error
    except UNREADABLE as error:
        raise DataError(f"{path}: not a pickle of arrays: {error}") from error
    pairs = mapping_of(content, str(path))
    if len(pairs) != 1:
        raise DataError(f"{path}: one pair of cameras expected, got {len(pairs)}")
    ((pair, item),) = pairs.items()
    entry = mapping_of(item, f"{path}: {pair}")
    where = f"{path}: {pair}"
    # Names of the same form: camera-1-camera-2.
    words = str(pair).split("-")
    names = "-".join(words[: len(words) // 2]), "-".join(words[len(words) // 2 :])
    sizes = _array(entry, ("image_shape",), (2, 2), where)
    placed = (
        (np.eye(3), np.zeros(3)),
        (_array(entry, ("R",), (3, 3), where), _array(entry, ("T",), (3,), where)),
    )
    return [
        CalibratedCamera(
            name=name,
            size=(round(float(width)), round(float(height))),
            matrix=_array(entry, (f"cameraMatrix{number}",), (3, 3), where),
            lens=_checked_lens(_array(entry, (f"distCoeffs{number}",), None, where), where),
            rotation=rotation,
            translation=translation * unit,
        )
        for number, (name, (width, height), (rotation, translation)) in enumerate(
            zip(names, sizes, placed, strict=True), start=1
        )
    ]
