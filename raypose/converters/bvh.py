"""BVH motion capture: a tree of joints with offsets, and the angles of each frame.

J joints, F frames. Source of the format: Meredith and Maddock, "Motion capture file formats
explained", University of Sheffield.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from raypose.converters.motion import UNITS, MotionSet, Take
from raypose.converters.skeleton_files import make_skeleton
from raypose.errors import DataError

Floats = npt.NDArray[np.float64]
_AXES = {"x": 0, "y": 1, "z": 2}
_KINDS = ("position", "rotation")


@dataclass(slots=True, kw_only=True)
class _Joint:
    """A joint: its place in its parent, and which columns of a frame move it."""

    name: str
    parent: int | None
    offset: tuple[float, float, float] = (0.0, 0.0, 0.0)
    channels: list[str] = field(default_factory=list)
    first_column: int = 0


def read_bvh(source: Path, unit: str | None = None) -> MotionSet:
    """Read a file, or all of a folder, whose joints have the same names.

    Keypoints are the joints in the order of the file and the ends of limbs, `JOINT_end`. A joint
    whose channels have a position is there, whatever its offset.

    Args:
        source: the file or folder.
        unit: of its lengths, centimetres by default.

    Raises:
        DataError: with file, line and reason.
    """
    files = sorted(source.glob("*.bvh")) if source.is_dir() else [source]
    if not files:
        raise DataError(f"{source}: no .bvh file in this folder")
    takes: list[Take] = []
    names: list[str] = []
    links: list[list[str]] = []
    for file in files:
        lines = _lines(file)
        joints, rest = _hierarchy(lines, file)
        rate, frames = _motion(lines[rest:], file, sum(len(joint.channels) for joint in joints))
        if names and [joint.name for joint in joints] != names:
            raise DataError(f"{file}: its joints are not those of {files[0].name}")
        names = [joint.name for joint in joints]
        links = [[names[joint.parent], joint.name] for joint in joints if joint.parent is not None]
        points = _positions(joints, frames) * UNITS[unit or "cm"]
        takes.append(Take(name=file.stem, points=points, rate=rate))
    return MotionSet(
        skeleton=make_skeleton("body", names, files[0], links=links), takes=takes, up="y"
    )


_Line = tuple[int, list[str]]


def _lines(path: Path) -> list[_Line]:
    """Return the words of each line that has some, with its number."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise DataError(f"{path}: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not a text file: {error}") from error
    numbered = enumerate((line.split() for line in text.splitlines()), start=1)
    lines = [(number, words) for number, words in numbered if words]
    if not lines or lines[0][1] != ["HIERARCHY"]:
        raise DataError(f"{path}:1: HIERARCHY expected, this is no BVH file")
    return lines


def _hierarchy(lines: list[_Line], path: Path) -> tuple[list[_Joint], int]:
    """Return the joints, parents before children, and the index of the line MOTION."""
    joints: list[_Joint] = []
    open_joints: list[int] = []
    column = 0
    for index, (number, words) in enumerate(lines[1:], start=1):
        where, keyword = f"{path}:{number}", words[0]
        if keyword == "MOTION":
            if open_joints:
                raise DataError(f"{where}: the joint {joints[open_joints[-1]].name} is not closed")
            return _without_empty_ends(joints), index
        opens = words[-1] == "{"
        if keyword in ("ROOT", "JOINT", "End"):
            words = words[:-1] if opens else words
            parent = open_joints[-1] if open_joints else None
            if (keyword == "ROOT") != (parent is None) or (keyword == "ROOT" and joints):
                raise DataError(f"{where}: one ROOT with JOINTs in it expected, got {keyword}")
            name = f"{joints[parent].name}_end" if keyword == "End" and parent is not None else ""
            name = name or " ".join(words[1:])
            if not name:
                raise DataError(f"{where}: {keyword}: a name expected")
            joints.append(_Joint(name=name, parent=parent, first_column=column))
            open_joints += [len(joints) - 1] if opens else []
        elif keyword == "{" and joints:
            open_joints.append(len(joints) - 1)
        elif keyword == "}" and open_joints:
            open_joints.pop()
        elif keyword == "OFFSET" and open_joints:
            x, y, z = _numbers(words[1:], 3, f"{where}: OFFSET")
            joints[open_joints[-1]].offset = (x, y, z)
        elif keyword == "CHANNELS" and open_joints:
            channels = [word.lower() for word in words[2:]]
            known = [c for c in channels if c[:1] in _AXES and c[1:] in _KINDS]
            if words[1:2] != [str(len(channels))] or known != channels:
                raise DataError(
                    f"{where}: CHANNELS: their number and names such as Zrotation expected, got "
                    f"{' '.join(words[1:])}"
                )
            joints[open_joints[-1]].channels = channels
            column += len(channels)
        else:
            raise DataError(f"{where}: JOINT, OFFSET, CHANNELS, End or braces expected: {keyword}")
    raise DataError(f"{path}: no MOTION in it")


def _without_empty_ends(joints: list[_Joint]) -> list[_Joint]:
    """Leave out ends of limbs that lie in their joint; nothing is below them."""
    kept = [
        index
        for index, joint in enumerate(joints)
        if not joint.name.endswith("_end") or joint.channels or any(joint.offset)
    ]
    place = {index: position for position, index in enumerate(kept)}
    found = [joints[index] for index in kept]
    for joint in found:
        joint.parent = None if joint.parent is None else place[joint.parent]
    return found


def _motion(lines: list[_Line], path: Path, columns: int) -> tuple[float, Floats]:
    """Return the frames a second and (F, columns) the numbers of all frames."""
    heads: list[float] = []
    for lead, (number, words) in zip((["Frames:"], ["Frame", "Time:"]), lines[1:3], strict=False):
        where = f"{path}:{number}: {' '.join(lead)}"
        if words[: len(lead)] != lead:
            raise DataError(f"{where} expected, got {' '.join(words)}")
        heads += _numbers(words[len(lead) :], 1, where)
    if len(heads) < 2 or heads[0] < 1 or heads[1] <= 0:
        raise DataError(f"{path}: MOTION: one frame or more and a time above 0 expected: {heads}")
    rows = lines[3:]
    if len(rows) != heads[0]:
        raise DataError(f"{path}: MOTION: {heads[0]:g} frames expected, got {len(rows)}")
    frames = [_numbers(words, columns, f"{path}:{number}") for number, words in rows]
    return 1 / heads[1], np.array(frames, np.float64)


def _numbers(words: list[str], count: int, where: str) -> list[float]:
    try:
        numbers = [float(word) for word in words]
    except ValueError as error:
        raise DataError(f"{where}: {error}") from error
    if len(numbers) != count or not np.isfinite(numbers).all():
        raise DataError(f"{where}: {count} numbers expected, got {len(numbers)}")
    return numbers


def _positions(joints: list[_Joint], frames: Floats) -> Floats:
    """Return (F, J, 3), where the joints are in the world."""
    count = len(frames)
    points = np.zeros((count, len(joints), 3))
    turns = np.zeros((count, len(joints), 3, 3))
    for index, joint in enumerate(joints):
        place = np.tile(joint.offset, (count, 1))
        turn = np.tile(np.eye(3), (count, 1, 1))
        for number, channel in enumerate(joint.channels):
            values, axis = frames[:, joint.first_column + number], _AXES[channel[0]]
            if channel.endswith("position"):
                place[:, axis] = values
            else:
                turn = turn @ _turns(values, axis)
        if joint.parent is None:
            points[:, index], turns[:, index] = place, turn
        else:
            above = turns[:, joint.parent]
            points[:, index] = points[:, joint.parent] + np.einsum("fij,fj->fi", above, place)
            turns[:, index] = above @ turn
    return points


def _turns(degrees: Floats, axis: int) -> Floats:
    """Return (F, 3, 3), rotations about an axis of the world."""
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    first, second = (axis + 1) % 3, (axis + 2) % 3
    turns = np.zeros((len(degrees), 3, 3))
    turns[:, axis, axis] = 1
    turns[:, first, first] = turns[:, second, second] = c
    turns[:, second, first], turns[:, first, second] = s, -s
    return turns
