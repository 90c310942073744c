"""Articulated body of the synthetic people: sizes, joint tree and forward kinematics.

Body space is metres in a right-handed frame: x to the person's left, y up, z to the front. A
joint's rotation is applied in its parent's frame; at rest the person stands with hanging arms.

Shape legend: J joints of the tree (`JOINTS`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

# (name, parent); parents come before their children.
_TREE: tuple[tuple[str, str | None], ...] = (
    ("pelvis", None),
    ("spine", "pelvis"),
    ("chest", "spine"),
    ("neck", "chest"),
    ("head", "neck"),
    ("left_shoulder", "chest"),
    ("left_elbow", "left_shoulder"),
    ("left_wrist", "left_elbow"),
    ("left_hand", "left_wrist"),
    ("right_shoulder", "chest"),
    ("right_elbow", "right_shoulder"),
    ("right_wrist", "right_elbow"),
    ("right_hand", "right_wrist"),
    ("left_hip", "pelvis"),
    ("left_knee", "left_hip"),
    ("left_ankle", "left_knee"),
    ("left_toe", "left_ankle"),
    ("right_hip", "pelvis"),
    ("right_knee", "right_hip"),
    ("right_ankle", "right_knee"),
    ("right_toe", "right_ankle"),
)
JOINTS: tuple[str, ...] = tuple(name for name, _ in _TREE)
JOINT_INDEX: dict[str, int] = {name: index for index, name in enumerate(JOINTS)}
PARENTS: tuple[int, ...] = tuple(-1 if p is None else JOINT_INDEX[p] for _, p in _TREE)


@dataclass(frozen=True)
class BodyShape:
    """Sizes of one person; lengths in metres, girths as factors of an average build."""

    stature: float
    head: float
    torso: float
    shoulder_width: float
    hip_width: float
    upper_arm: float
    forearm: float
    thigh: float
    shin: float
    girth: float
    limb_girth: float

    @classmethod
    def sample(cls, rng: np.random.Generator) -> BodyShape:
        """Draw a person: an adult, or for one in six a child with a larger head."""
        child = rng.random() < 0.16
        stature = rng.uniform(1.1, 1.45) if child else rng.uniform(1.52, 1.95)

        def vary(mean: float, spread: float) -> float:
            return float(mean * stature * rng.uniform(1 - spread, 1 + spread))

        arms, legs = rng.uniform(0.95, 1.05, size=2)
        return cls(
            stature=float(stature),
            head=vary(0.172 if child else 0.144, 0.06),
            torso=vary(0.3, 0.06),
            shoulder_width=vary(0.205 if child else 0.218, 0.1),
            hip_width=vary(0.105, 0.1),
            upper_arm=vary(0.165 * arms, 0.04),
            forearm=vary(0.145 * arms, 0.04),
            thigh=vary(0.238 * legs, 0.04),
            shin=vary(0.232 * legs, 0.04),
            girth=float(rng.triangular(0.86, 1.0, 1.42)),
            limb_girth=float(rng.triangular(0.88, 1.05, 1.32)),
        )

    def rest_offsets(self) -> FloatArray:
        """Return each joint's offset from its parent at rest, (J, 3) in metres."""
        h = self.stature
        shoulder, hip = self.shoulder_width / 2, self.hip_width / 2
        offsets: dict[str, tuple[float, float, float]] = {
            "pelvis": (0.0, 0.0, 0.0),
            "spine": (0.0, 0.1 * self.torso, 0.0),
            "chest": (0.0, 0.35 * self.torso, 0.0),
            "neck": (0.0, 0.55 * self.torso, 0.0),
            "head": (0.0, 0.021 * h + 0.52 * self.head, 0.1 * self.head),
        }
        for side, sign in (("left", 1.0), ("right", -1.0)):
            offsets[f"{side}_shoulder"] = (sign * shoulder, 0.43 * self.torso, 0.0)
            offsets[f"{side}_elbow"] = (0.0, -self.upper_arm, 0.0)
            offsets[f"{side}_wrist"] = (0.0, -self.forearm, 0.0)
            offsets[f"{side}_hand"] = (0.0, -0.055 * h, 0.0)
            offsets[f"{side}_hip"] = (sign * hip, 0.0, 0.0)
            offsets[f"{side}_knee"] = (0.0, -self.thigh, 0.0)
            offsets[f"{side}_ankle"] = (0.0, -self.shin, 0.0)
            offsets[f"{side}_toe"] = (sign * 0.012 * h, -0.026 * h, 0.088 * h)
        return np.array([offsets[name] for name in JOINTS])


@dataclass(frozen=True)
class Posture:
    """A posed body: joint positions (J, 3) in metres and orientations (J, 3, 3)."""

    positions: FloatArray
    orientations: FloatArray

    def position(self, joint: str) -> FloatArray:
        """Return the (3,) position of a joint by name."""
        return self.positions[JOINT_INDEX[joint]]

    def orientation(self, joint: str) -> FloatArray:
        """Return the (3, 3) orientation of a joint by name: its axes are the columns."""
        return self.orientations[JOINT_INDEX[joint]]

    def local(self, joint: str, offset: FloatArray | tuple[float, float, float]) -> FloatArray:
        """Map offsets (..., 3) in a joint's frame to body space, (..., 3) in metres."""
        index = JOINT_INDEX[joint]
        return np.asarray(offset) @ self.orientations[index].T + self.positions[index]


def forward_kinematics(offsets: FloatArray, angles: FloatArray) -> Posture:
    """Pose a body from its joint angles, with the pelvis at the origin.

    Args:
        offsets: (J, 3) metres, each joint from its parent at rest.
        angles: (J, 3) radians about x (bending), z (sideways) and y (twisting); the twist is
            applied first and the bending last, in the parent's frame.
    """
    local = rotation_matrices(angles)
    positions = np.zeros((len(JOINTS), 3))
    orientations = local.copy()
    for joint, parent in enumerate(PARENTS):
        if parent >= 0:
            orientations[joint] = orientations[parent] @ local[joint]
            positions[joint] = positions[parent] + orientations[parent] @ offsets[joint]
    return Posture(positions=positions, orientations=orientations)


def rotation_matrices(angles: FloatArray) -> FloatArray:
    """Return Rx(a) Rz(b) Ry(c) for angles (..., 3) = (a, b, c) in radians, (..., 3, 3)."""
    ca, cb, cc = np.moveaxis(np.cos(angles), -1, 0)
    sa, sb, sc = np.moveaxis(np.sin(angles), -1, 0)
    rows = (
        (cb * cc, -sb, cb * sc),
        (ca * sb * cc + sa * sc, ca * cb, ca * sb * sc - sa * cc),
        (sa * sb * cc - ca * sc, sa * cb, sa * sb * sc + ca * cc),
    )
    return np.stack([np.stack(row, axis=-1) for row in rows], axis=-2)
