"""BVH: places of joints computed by hand, broken files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from raypose.converters.bvh import read_bvh
from raypose.errors import DataError

TEXT = """\
HIERARCHY
ROOT Hips
{
  OFFSET 0 0 0
  CHANNELS 6 Xposition Yposition Zposition Zrotation Xrotation Yrotation
  JOINT Knee {
    OFFSET 0 -40 0
    CHANNELS 3 Zrotation Xrotation Yrotation
    JOINT Foot
    {
      OFFSET 0 -30 0
      CHANNELS 3 Zrotation Xrotation Yrotation
      End Site
      {
        OFFSET 0 0 10
      }
    }
  }
  JOINT Head
  {
    OFFSET 0 60 0
    CHANNELS 3 Zrotation Xrotation Yrotation
    End Site
    {
      OFFSET 0 0 0
    }
  }
}
MOTION
Frames: 3
Frame Time: 0.02
0 90 0 0 0 0 0 0 0 0 0 0 0 0 0
10 90 20 90 0 0 0 0 0 0 0 0 0 0 0
0 90 0 0 0 90 0 90 0 90 0 0 0 0 0
"""


def write(folder: Path, text: str = TEXT, name: str = "walk_01.bvh") -> Path:
    (folder / name).write_text(text)
    return folder / name


def test_places_of_joints(tmp_path: Path) -> None:
    motion = read_bvh(write(tmp_path))
    # The end of the head lies in the head and is none.
    assert motion.skeleton.keypoint_names == ("Hips", "Knee", "Foot", "Foot_end", "Head")
    assert motion.skeleton.links == ((0, 1), (1, 2), (2, 3), (0, 4))
    assert motion.up == "y"
    (take,) = motion.takes
    assert take.name == "walk_01"
    assert take.rate == pytest.approx(50)
    rest = [[0, 90, 0], [0, 50, 0], [0, 20, 0], [0, 20, 10], [0, 150, 0]]
    np.testing.assert_allclose(take.points[0] * 100, rest, atol=1e-9)
    # About z by 90 degrees: down becomes +x, up -x.
    turned = [[10, 90, 20], [50, 90, 20], [80, 90, 20], [80, 90, 30], [-50, 90, 20]]
    np.testing.assert_allclose(take.points[1] * 100, turned, atol=1e-9)
    # Hips about y, knee about x, foot about z, each by 90 degrees. The shin: down, by the knee -z,
    # by the hips -x. The toes: z, by the foot still z, by the knee down, by the hips still down.
    bent = [[0, 90, 0], [0, 50, 0], [-30, 50, 0], [-30, 40, 0], [0, 150, 0]]
    np.testing.assert_allclose(take.points[2] * 100, bent, atol=1e-9)


def test_order_of_rotations_is_that_of_the_channels(tmp_path: Path) -> None:
    # Z then X: R = Rz Rx. The foot's toes (z) go by Rx to -y, by Rz to +x.
    text = TEXT.replace("0 90 0 0 0 90 0 90 0 90 0 0 0 0 0", "0 0 0 90 90 0 0 0 0 0 0 0 0 0 0")
    points = read_bvh(write(tmp_path, text), "m").takes[0].points[2]
    np.testing.assert_allclose(points[3] - points[2], [10, 0, 0], atol=1e-9)


def test_folder_and_rate(tmp_path: Path) -> None:
    write(tmp_path)
    write(tmp_path, name="run.bvh")
    motion = read_bvh(tmp_path)
    assert [take.name for take in motion.takes] == ["run", "walk_01"]
    slower = motion.takes[0].at_rate(20)
    # Every second of 50, as 50 / 20 is rounded.
    assert len(slower.points) == 2
    assert slower.rate == pytest.approx(25)
    write(tmp_path, TEXT.replace("Knee", "Leg"), "other.bvh")
    with pytest.raises(DataError, match=r"run.bvh: its joints are not those of other.bvh"):
        read_bvh(tmp_path)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("HIERARCHY", "SOLID", r"bvh:1: HIERARCHY expected, this is no BVH file"),
        ("OFFSET 0 -40 0", "OFFSET 0 -40", r"bvh:7: OFFSET: 3 numbers expected, got 2"),
        ("CHANNELS 3 Z", "CHANNELS 2 Z", r"bvh:8: CHANNELS: their number and names such as"),
        ("Xrotation Y", "Wrotation Y", r"bvh:5: CHANNELS: their number and names such as"),
        (
            "JOINT Foot",
            "LIMB Foot",
            r"bvh:9: JOINT, OFFSET, CHANNELS, End or braces expected: LIMB",
        ),
        ("  JOINT Head", "  ROOT Head", r"bvh:19: one ROOT with JOINTs in it expected, got ROOT"),
        ("}\nMOTION", "MOTION", r"bvh:28: the joint Hips is not closed"),
        ("MOTION", "", r"JOINT, OFFSET, CHANNELS, End or braces expected: Frames:"),
        ("Frames: 3", "Frames: 4", r"bvh: MOTION: 4 frames expected, got 3"),
        ("Frame Time: 0.02", "Frame Time: 0", r"bvh: MOTION: one frame or more and a time above 0"),
        ("Frames: 3", "Frame: 3", r"bvh:30: Frames: expected, got Frame: 3"),
        ("10 90 20", "10 9O 20", r"bvh:33: could not convert string to float: '9O'"),
        ("10 90 20", "90 20", r"bvh:33: 15 numbers expected, got 14"),
        ("JOINT Head", "JOINT Knee", r"bvh: .*'Knee' is there twice"),
    ],
)
def test_broken_files(tmp_path: Path, old: str, new: str, message: str) -> None:
    assert old in TEXT
    with pytest.raises(DataError, match=message):
        read_bvh(write(tmp_path, TEXT.replace(old, new, 1)))


def test_files_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no .bvh file in this folder"):
        read_bvh(tmp_path)
    with pytest.raises(DataError, match=r"gone.bvh: No such file"):
        read_bvh(tmp_path / "gone.bvh")
    (tmp_path / "b.bvh").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match=r"b.bvh: not a text file"):
        read_bvh(tmp_path / "b.bvh")
