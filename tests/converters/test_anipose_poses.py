"""Anipose's poses in space by hand, broken files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from raypose.converters.anipose_poses import calibration_of, is_anipose, read_anipose
from raypose.errors import DataError
from tests.converters.samples import NAN

CENTER = [1, 2, 3]
HEADER = "a_x,a_y,a_z,a_error,a_ncams,a_score,b_x,b_y,b_z,b_error,b_ncams,b_score"
AXES = [*(f"M_{i}{j}" for i in range(3) for j in range(3)), *(f"center_{i}" for i in range(3))]
# The pose is in axes where x is the world's y, y the world's -x; the rest of the row is that.
TURN = "0,1,0,-1,0,0,0,0,1,1,2,3"
TEXT = f"""\
{HEADER},{",".join(AXES)},fnum
10,20,30,0.5,2,1,,,,,0,,{TURN},0
11,21,31,0.5,2,1,4,5,6,0.1,2,1,{TURN},1
"""


def session(folder: Path, text: str = TEXT) -> Path:
    (folder / "pose-3d").mkdir(parents=True)
    (folder / "calibration").mkdir()
    (folder / "calibration" / "calibration.toml").write_text("")
    (folder / "pose-3d" / "walk.csv").write_text(text)
    return folder


def test_poses_are_brought_back_to_the_cameras(tmp_path: Path) -> None:
    source = session(tmp_path)
    motion = read_anipose(source)
    assert motion.skeleton.keypoint_names == ("a", "b")
    assert motion.takes[0].name == "walk"
    # (10, 20, 30) + (1, 2, 3) = (11, 22, 33) = M (x, y, z) = (y, -x, z).
    wanted = np.array([[[-22, 11, 33], [NAN, NAN, NAN]], [[-23, 12, 34], [-7, 5, 9]]], np.float64)
    np.testing.assert_allclose(motion.takes[0].points * 1000, wanted, atol=1e-9)
    for place in (source, source / "pose-3d", source / "pose-3d" / "walk.csv"):
        assert is_anipose(place)
        assert calibration_of(place) == source.resolve() / "calibration" / "calibration.toml"


def test_poses_that_were_not_turned(tmp_path: Path) -> None:
    rows = [line.rsplit(",", 13)[0] for line in TEXT.splitlines()]
    points = read_anipose(session(tmp_path, "\n".join(rows)), "cm").takes[0].points
    np.testing.assert_allclose(points[1], [[0.11, 0.21, 0.31], [0.04, 0.05, 0.06]])


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("11,21", "11,x", r"walk.csv:3: a_y: a number expected, got 'x'"),
        ("11,21", "11", r"walk.csv:3: 25 cells expected, got 24"),
        ("a_y", "a_w", r"walk.csv: header: no column a_y"),
    ],
)
def test_broken_files(tmp_path: Path, old: str, new: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_anipose(session(tmp_path, TEXT.replace(old, new)))


def test_files_that_are_none(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("")
    assert not is_anipose(tmp_path)
    with pytest.raises(DataError, match=r"a.csv: cannot be read as csv"):
        read_anipose(tmp_path / "a.csv")
    (tmp_path / "none").mkdir()
    with pytest.raises(DataError, match=r"none: no csv with poses in this folder"):
        read_anipose(tmp_path / "none")
