"""One synthetic person: sampled, posed, painted on a layer, with its COCO keypoints."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from raypose.datasets.synthetic.appearance import Appearance
from raypose.datasets.synthetic.body import BodyShape, FloatArray, Posture, forward_kinematics
from raypose.datasets.synthetic.camera import View
from raypose.datasets.synthetic.head import FACE_POINTS, HeadSurface, head_parts, head_radii
from raypose.datasets.synthetic.limbs import limb_parts
from raypose.datasets.synthetic.poses import sample_joint_angles
from raypose.datasets.synthetic.seat import seat_part
from raypose.datasets.synthetic.shapes import Layer, paint
from raypose.datasets.synthetic.torso import torso_parts

KEYPOINTS: tuple[str, ...] = (
    "nose", "left_eye", "right_eye", "left_ear", "right_ear",
    "left_shoulder", "right_shoulder", "left_elbow", "right_elbow", "left_wrist", "right_wrist",
    "left_hip", "right_hip", "left_knee", "right_knee", "left_ankle", "right_ankle",
)  # fmt: skip
"""The COCO keypoints, in order."""

_PART_NAMES = (
    "torso", "neck", "head", "hair", "skirt", "backpack",
    *(f"{side}_{part}" for side in ("left", "right")
      for part in ("upper_arm", "forearm", "thigh", "shin", "foot")),
)  # fmt: skip
_LABELS = {name: index + 1 for index, name in enumerate(_PART_NAMES)}


@dataclass(frozen=True)
class Figure:
    """A painted person in figure space: pixels relative to the pelvis.

    Attributes:
        activity: what the person does.
        layer: the person alone.
        seat: what the person sits on, or None; it is no part of the person.
        seat_in_front: whether the seat hides legs, as it does of someone seen from the back.
        keypoints: (17, 2) float64.
        shown: (17,) bool, keypoints that the person's own body does not hide.
        joints: (17, 3) float64, the keypoints in body space, metres.
        ground: y of the floor: the lowest point of the person, or of the seat.
    """

    activity: str
    layer: Layer
    seat: Layer | None
    seat_in_front: bool
    keypoints: FloatArray
    shown: NDArray[np.bool_]
    joints: FloatArray
    ground: float


def sample_figure(rng: np.random.Generator, height: float, light: FloatArray) -> Figure:
    """Draw a person.

    Args:
        rng: source of all of its randomness.
        height: size of an adult who stands upright, pixels.
        light: (3,) unit direction towards the light, camera space.
    """
    body = BodyShape.sample(rng)
    looks = Appearance.sample(rng)
    activity, angles = sample_joint_angles(rng)
    view = View.sample(rng, height / 1.74, light)
    posture = forward_kinematics(body.rest_offsets(), angles.values)
    parts = [
        *limb_parts(body, posture, looks, view, _LABELS),
        *torso_parts(body, posture, looks, view, _LABELS),
        *head_parts(body, posture, looks, view, _LABELS),
    ]
    layer = paint(parts)
    seat = paint([seat_part(rng, body, posture, view)]) if angles.seated else None
    joints = _keypoints(body, posture)
    keypoints = view.project(view.to_camera(joints))
    return Figure(
        activity=activity,
        layer=layer,
        seat=seat,
        seat_in_front=bool(view.to_camera(posture.orientation("pelvis")[:, 2])[2] > 0.2),
        keypoints=keypoints,
        shown=_shown(keypoints, body, posture, view, layer),
        joints=joints,
        ground=_ground(layer if seat is None else seat, activity, height),
    )


def _ground(lowest: Layer, activity: str, height: float) -> float:
    rows = np.flatnonzero(lowest.silhouette.any(axis=1))
    drop = 0.09 * height if activity == "jump" else 0.0
    return float(lowest.origin[1] + rows[-1]) + drop


def _keypoints(body: BodyShape, posture: Posture) -> FloatArray:
    radii = head_radii(body)
    return np.stack(
        [
            posture.local("head", np.array(FACE_POINTS[name]) * radii)
            if name in FACE_POINTS
            else posture.position(name)
            for name in KEYPOINTS
        ]
    )


def _shown(
    keypoints: FloatArray, body: BodyShape, posture: Posture, view: View, layer: Layer
) -> NDArray[np.bool_]:
    """Tell which keypoints lie on the topmost part at their pixel and on its near side."""
    columns, rows = np.round(keypoints - layer.origin).astype(int).T
    height, width = layer.labels.shape
    labels = layer.labels[np.clip(rows, 0, height - 1), np.clip(columns, 0, width - 1)]
    head = HeadSurface(body, posture, view)
    shown = np.zeros(len(KEYPOINTS), bool)
    for index, name in enumerate(KEYPOINTS):
        if name in FACE_POINTS:
            near = head.towards_camera(_FACE_NORMALS[name]) > _FACE_LIMITS[name]
        else:
            near = _outer_side(name, posture, view) > -0.45
        shown[index] = near and labels[index] in _OWN_LABELS[name]
    return shown


def _outer_side(name: str, posture: Posture, view: View) -> float:
    """Return how much a shoulder's or hip's outer side faces the camera, 1 to -1; others 1."""
    side, _, joint = name.partition("_")
    if joint not in ("shoulder", "hip"):
        return 1.0
    axis = posture.orientation("chest" if joint == "shoulder" else "pelvis")[:, 0]
    return -float(view.to_camera(axis)[2]) * (1.0 if side == "left" else -1.0)


def _own_labels(name: str) -> frozenset[int]:
    """Return the labels of the parts a keypoint lies on, clothes and hair included."""
    side, _, joint = name.partition("_")
    parts = {
        "shoulder": (f"{side}_upper_arm", "torso", "hair", "neck", "backpack"),
        "elbow": (f"{side}_upper_arm", f"{side}_forearm"),
        "wrist": (f"{side}_forearm",),
        "hip": (f"{side}_thigh", "torso", "skirt"),
        "knee": (f"{side}_thigh", f"{side}_shin", "skirt"),
        "ankle": (f"{side}_shin", f"{side}_foot"),
    }.get(joint, ("head",))
    return frozenset(_LABELS[part] for part in parts)


_OWN_LABELS = {name: _own_labels(name) for name in KEYPOINTS}
_FACE_NORMALS = {
    "nose": (0.0, -0.1, 1.0),
    "left_eye": (0.36, 0.1, 1.0),
    "right_eye": (-0.36, 0.1, 1.0),
    "left_ear": (1.0, 0.0, 0.0),
    "right_ear": (-1.0, 0.0, 0.0),
}
# A face point is seen down to this much of its surface facing the camera: a nose sticks out.
_FACE_LIMITS = {"nose": -0.12, "left_eye": 0.12, "right_eye": 0.12, "left_ear": -0.2,
                "right_ear": -0.2}  # fmt: skip
