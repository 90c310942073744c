"""C3D motion capture: places of markers in space. Source of the format: https://www.c3d.org."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from raypose.converters.extras import require
from raypose.converters.motion import UNITS, MotionSet, Take
from raypose.converters.skeleton_files import make_skeleton
from raypose.errors import DataError

Floats = npt.NDArray[np.float64]
# Groups of points that are no places.
_OTHER_POINTS = ("ANGLES", "FORCES", "MOMENTS", "POWERS", "SCALARS")


def read_c3d(source: Path, unit: str | None = None) -> MotionSet:
    """Read a file, or all of a folder; keypoints are the markers that all of them have.

    Markers without a name (`*12`) and what models have computed (angles, forces, ...) are left
    out; so is a subject before a name (`Anna:LFHD`). A marker that was not seen is not known.

    Args:
        source: the file or folder.
        unit: of its lengths; what the file says, millimetres without it.

    Raises:
        DataError: with file and reason.
        RayposeError: if the package c3d is not installed.
    """
    c3d = require("c3d", "read C3D files")
    files = sorted(source.glob("*.c3d")) if source.is_dir() else [source]
    if not files:
        raise DataError(f"{source}: no .c3d file in this folder")
    recordings = [_read_file(c3d, file, unit) for file in files]
    names = [name for name in recordings[0][0] if all(name in found for found, *_ in recordings)]
    if not names:
        raise DataError(f"{source}: no marker with a name that all files have")
    lost = {name for found, *_ in recordings for name in found} - set(names)
    takes = [
        Take(name=file.stem, points=points[:, [found.index(name) for name in names]], rate=rate)
        for file, (found, rate, points) in zip(files, recordings, strict=True)
    ]
    notes = [f"markers that not all files have: {', '.join(sorted(lost))}"] if lost else []
    skeleton = make_skeleton("body", names, files[0])
    return MotionSet(skeleton=skeleton, takes=takes, up="z", notes=notes)


def _read_file(c3d: Any, path: Path, unit: str | None) -> tuple[list[str], float, Floats]:
    """Return the names of markers, the frames a second, and the points in metres."""
    try:
        # The package warns of what files of some programs lack and it does without.
        with path.open("rb") as file, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            reader = c3d.Reader(file)
            labels = [label.strip() for label in reader.point_labels]
            found = [points[:, :4].copy() for _, points, _ in reader.read_frames()]
            said = reader.get("POINT:UNITS")
            given = unit or (said.string_value.strip().lower() if said else "mm")
            other = {label for group in _OTHER_POINTS for label in _labels_of(reader, group)}
            rate = float(reader.point_rate)
    except OSError as error:
        raise DataError(f"{path}: {error.strerror or error}") from error
    # What it raises for a broken file depends on where that is broken.
    except Exception as error:
        raise DataError(f"{path}: not a C3D file: {error!r}") from error
    if given not in UNITS:
        raise DataError(f"{path}: POINT:UNITS: one of {', '.join(UNITS)} expected, got {given!r}")
    if not found or not labels:
        raise DataError(f"{path}: no frame with markers in it")
    kept = [
        index
        for index, label in enumerate(labels)
        if label and not label.startswith("*") and label not in other
    ]
    names = [labels[index].rsplit(":", 1)[-1] for index in kept]
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        raise DataError(f"{path}: POINT:LABELS: two markers are called {twice[0]!r}")
    values = np.array(found, np.float64)[:, kept]
    # A marker that was not seen has a negative residual.
    points = np.where(values[..., 3:] < 0, np.nan, values[..., :3])
    return names, rate, points * UNITS[given]


def _labels_of(reader: Any, group: str) -> list[str]:
    parameter = reader.get(f"POINT:{group}")
    return [] if parameter is None else [str(label).strip() for label in parameter.string_array]
