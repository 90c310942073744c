"""C3D files, written by the package c3d: markers, units, what is left out, broken files."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import c3d
import numpy as np
import pytest

from raypose.converters.c3d_files import read_c3d
from raypose.errors import DataError
from tests.converters.samples import NAN

# Millimetres of two frames.
POINTS = np.arange(18.0).reshape(2, 3, 3) * 100


def write(
    path: Path, labels: Sequence[str] = ("Anna:LHIP", "Anna:RHIP", "*2"), points: Any = POINTS
) -> Path:
    frames = np.zeros((*points.shape[:2], 5), np.float32)
    frames[..., :3] = np.nan_to_num(points)
    frames[..., 3] = np.where(np.isnan(points[..., 0]), -1, 0)
    with warnings.catch_warnings(), path.open("wb") as file:
        warnings.simplefilter("ignore")
        writer: Any = c3d.Writer(point_rate=100)
        writer.set_point_labels(list(labels))
        writer.add_frames([(frame, np.zeros((0, 1))) for frame in frames])
        writer.write(file)
    return path


def test_markers(tmp_path: Path) -> None:
    points = POINTS.copy()
    points[1, 0] = NAN
    motion = read_c3d(write(tmp_path / "walk.c3d", points=points))
    assert motion.skeleton.keypoint_names == ("LHIP", "RHIP")
    assert motion.skeleton.flip_indices == (1, 0)
    (take,) = motion.takes
    assert (take.name, take.rate) == ("walk", 100)
    np.testing.assert_allclose(take.points, points[:, :2] / 1000, rtol=1e-6)
    metres = read_c3d(tmp_path / "walk.c3d", "m").takes[0].points
    np.testing.assert_allclose(metres, points[:, :2], rtol=1e-6)


def test_markers_that_all_files_have(tmp_path: Path) -> None:
    write(tmp_path / "a.c3d", ["A", "B", "C"])
    write(tmp_path / "b.c3d", ["C", "D", "A"])
    motion = read_c3d(tmp_path)
    assert motion.skeleton.keypoint_names == ("A", "C")
    assert motion.notes == ["markers that not all files have: B, D"]
    np.testing.assert_allclose(motion.takes[0].points[:, 1], POINTS[:, 2] / 1000, rtol=1e-6)
    np.testing.assert_allclose(motion.takes[1].points[:, 1], POINTS[:, 0] / 1000, rtol=1e-6)


def test_broken_files(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no .c3d file in this folder"):
        read_c3d(tmp_path)
    with pytest.raises(DataError, match=r"gone.c3d: No such file"):
        read_c3d(tmp_path / "gone.c3d")
    with pytest.raises(DataError, match=r"two.c3d: POINT:LABELS: two markers are called 'A'"):
        read_c3d(write(tmp_path / "two.c3d", ["x:A", "y:A", "B"]))
    with pytest.raises(DataError, match=r"no marker with a name that all files have"):
        read_c3d(write(tmp_path / "none.c3d", ["*0", "*1", "*2"]))
    data = write(tmp_path / "cut.c3d").read_bytes()
    (tmp_path / "cut.c3d").write_bytes(data[:700])
    with pytest.raises(DataError, match=r"cut.c3d: not a C3D file"):
        read_c3d(tmp_path / "cut.c3d")
    (tmp_path / "text.c3d").write_text("no motion")
    with pytest.raises(DataError, match=r"text.c3d: not a C3D file"):
        read_c3d(tmp_path / "text.c3d")
