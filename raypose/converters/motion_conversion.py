"""From motion capture, or labels of several calibrated cameras, to data that a lifter trains on."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from raypose.converters.anipose_poses import calibration_of, is_anipose, read_anipose
from raypose.converters.bvh import read_bvh
from raypose.converters.c3d_files import read_c3d
from raypose.converters.calibrations import read_calibration
from raypose.converters.conversion import empty_folder, load_skeleton, new_folder, read_labels
from raypose.converters.lifting import Written, write_lifting
from raypose.converters.motion import UNITS, Axis, MotionSet
from raypose.converters.triangulation import triangulate_labels
from raypose.errors import DataError, RayposeError, did_you_mean

MOTION_FORMATS = {"bvh": read_bvh, "c3d": read_c3d, "anipose": read_anipose}
"""Readers of poses in space, by name."""

_CALIBRATION_UNIT = "mm"
# Metres: a body that is smaller or larger has another unit than was thought.
_LIKELY_SIZES = (0.002, 5.0)


def guess_motion_format(source: Path) -> str | None:
    """Return the format of poses in space that this looks like, None if it is none."""
    for suffix in ("bvh", "c3d"):
        if source.suffix == f".{suffix}" or (source.is_dir() and any(source.glob(f"*.{suffix}"))):
            return suffix
    return "anipose" if source.exists() and is_anipose(source) else None


def convert_motion(
    source: str | Path,
    out: str | Path,
    *,
    format: str | None = None,
    calibration: str | Path | None = None,
    images: str | Path | None = None,
    unit: str | None = None,
    up: Axis | None = None,
    rate: float | None = None,
    skeleton: str | Path | None = None,
    val_fraction: float | None = None,
    seed: int = 0,
) -> tuple[MotionSet, Written]:
    """Read poses in space and write data for lifters.

    Args:
        source: motion capture, or labels of several views, which need a calibration.
        out: folder to write to; it may hold nothing yet.
        format: of the source, by what it looks like by default.
        calibration: file of the cameras; for Anipose that of the session by default, for other
            motion capture cameras are placed round the body without it.
        images: folder of the pictures of labels, where they lie apart.
        unit: of lengths in the source and the calibration, `m`, `cm`, `mm`, `dm` or `in`; by
            default what a C3D file says, centimetres for BVH, millimetres otherwise.
        up: the axis that points up, for cameras that are placed; y for BVH and else z by default.
        rate: about how many frames a second to keep, all by default.
        skeleton: name or file of the keypoints to keep.
        val_fraction: share of validation; see `write_lifting`.
        seed: of its choice.

    Returns:
        What was read and what was written.

    Raises:
        DataError: if a file is broken.
        RayposeError: if options are unknown or contradict each other.
    """
    path, folder = Path(source), new_folder(out)
    if unit is not None and unit not in UNITS:
        raise RayposeError(
            f"--unit is one of {', '.join(UNITS)}, got {unit!r}.{did_you_mean(unit, UNITS)}"
        )
    if rate is not None and rate <= 0:
        raise RayposeError(f"--rate is above 0, got {rate:g}")
    name = format or guess_motion_format(path)
    if calibration is None and name == "anipose":
        calibration = calibration_of(path)
    cameras = None
    if calibration is not None:
        cameras = read_calibration(Path(calibration), UNITS[unit or _CALIBRATION_UNIT])
    if name in MOTION_FORMATS:
        motion = MOTION_FORMATS[name](path, unit)
    elif cameras is None:
        raise RayposeError(
            f"{source}: for lifting, give motion capture ({', '.join(MOTION_FORMATS)}), or labels "
            "of several views and --calibration with their cameras"
        )
    else:
        motion = triangulate_labels(read_labels(path, format, images), cameras)
    if skeleton is not None:
        motion = motion.with_skeleton(load_skeleton(skeleton))
    if rate is not None:
        motion = replace(motion, takes=[take.at_rate(rate) for take in motion.takes])
    if up is not None:
        motion = replace(motion, up=up)
    _check_size(motion, path)
    was_there = folder.exists()
    try:
        written = write_lifting(motion, cameras, folder, val_fraction, seed)
    except BaseException:
        empty_folder(folder, remove=not was_there)
        raise
    return motion, written


def _check_size(motion: MotionSet, source: Path) -> None:
    """Refuse bodies of an unlikely size: a unit that is wrong would spoil all numbers of lifting.

    Raises:
        DataError: if the middle body is smaller or larger than animals are.
    """
    spans = []
    for take in motion.takes:
        known = take.points[np.isfinite(take.points).all(axis=2).sum(axis=1) > 1]
        spans += [np.nanmax(known, axis=1) - np.nanmin(known, axis=1)] if len(known) else []
    if not spans:
        raise DataError(f"{source}: no frame has two keypoints that are known")
    size = float(np.median(np.linalg.norm(np.concatenate(spans), axis=1)))
    low, high = _LIKELY_SIZES
    if not low <= size <= high:
        raise DataError(f"{source}: bodies are {size:.3g} m large; say --unit, in which they are")
