"""Anipose's poses in space: `pose-3d/*.csv` of a session, and where its calibration lies.

Source of the format: Anipose's documentation, "Anipose output", and its module `project_2d`.
"""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import numpy.typing as npt

from raypose.converters.motion import UNITS, MotionSet, Take
from raypose.converters.skeleton_files import make_skeleton
from raypose.errors import DataError

Floats = npt.NDArray[np.float64]
_POSES = "pose-3d"
_CALIBRATION = ("calibration/calibration.toml", "calibration.toml")


def read_anipose(source: Path, unit: str | None = None) -> MotionSet:
    """Read a csv, or those of a session or of a folder of poses.

    Poses that Anipose has turned to axes of the body are brought back to where the cameras of the
    calibration are.

    Args:
        source: csv, session (a folder with `pose-3d`) or `pose-3d` itself.
        unit: of its lengths, that of the calibration's board; millimetres by default.

    Raises:
        DataError: with file, line and reason.
    """
    folder = source / _POSES if (source / _POSES).is_dir() else source
    files = sorted(folder.glob("*.csv")) if source.is_dir() else [source]
    if not files:
        raise DataError(f"{folder}: no csv with poses in this folder")
    takes, names = [], []
    for file in files:
        found, points = _read_file(file)
        if names and found != names:
            raise DataError(f"{file}: its body parts are not those of {files[0].name}")
        names = found
        takes.append(Take(name=file.stem, points=points * UNITS[unit or "mm"]))
    return MotionSet(skeleton=make_skeleton("animal", names, files[0]), takes=takes)


def calibration_of(source: Path) -> Path | None:
    """Return the calibration of a session, by the session, its poses or one of them."""
    for folder in (source, *source.resolve().parents[:3]):
        for name in _CALIBRATION:
            if (folder / name).is_file():
                return folder / name
    return None


def is_anipose(source: Path) -> bool:
    """Return whether a file or folder holds such poses."""
    if source.is_dir():
        folder = source / _POSES if (source / _POSES).is_dir() else source
        return any(map(is_anipose, sorted(folder.glob("*.csv"))[:1]))
    if source.suffix != ".csv":
        return False
    with source.open(encoding="utf-8", errors="replace") as file:
        columns = next(csv.reader(file), [])
    return any(f"{column[:-2]}_error" in columns for column in columns if column.endswith("_x"))


def _read_file(path: Path) -> tuple[list[str], Floats]:
    """Return the body parts and (F, K, 3), their places in the calibration's world."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            header, *rows = csv.reader(file)
    except (OSError, UnicodeDecodeError, csv.Error, ValueError) as error:
        raise DataError(f"{path}: cannot be read as csv: {error}") from error
    names = [column[:-2] for column in header if column.endswith("_x")]
    columns = [f"{name}_{axis}" for name in names for axis in "xyz"]
    lacking = [column for column in columns if column not in header]
    if not names or lacking:
        raise DataError(f"{path}: header: no column {lacking[0] if lacking else 'that ends in _x'}")
    numbers = _table(rows, header, path)
    points = numbers[:, [header.index(column) for column in columns]].reshape(len(rows), -1, 3)
    turn = _constants(numbers, header, [f"M_{i}{j}" for i in range(3) for j in range(3)])
    center = _constants(numbers, header, [f"center_{i}" for i in range(3)])
    if turn is None or center is None:
        return names, points
    return names, (points + center) @ np.linalg.inv(turn.reshape(3, 3).T)


def _table(rows: list[list[str]], header: list[str], path: Path) -> Floats:
    numbers = np.full((len(rows), len(header)), np.nan)
    for at, row in enumerate(rows):
        where = f"{path}:{at + 2}"
        if len(row) != len(header):
            raise DataError(f"{where}: {len(header)} cells expected, got {len(row)}")
        for column, cell in enumerate(row):
            try:
                numbers[at, column] = float(cell) if cell else np.nan
            except ValueError:
                raise DataError(
                    f"{where}: {header[column]}: a number expected, got {cell!r}"
                ) from None
    return numbers


def _constants(numbers: Floats, header: list[str], names: list[str]) -> Floats | None:
    """Return what columns hold that are the same in all rows, None without one of them."""
    if not len(numbers) or any(name not in header for name in names):
        return None
    return numbers[:, [header.index(name) for name in names]].mean(axis=0)
