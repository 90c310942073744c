"""Forward kinematics: hand-computed postures, and bones that never change length."""

from __future__ import annotations

import numpy as np
import pytest

from raypose.datasets.synthetic.body import (
    JOINT_INDEX,
    JOINTS,
    PARENTS,
    BodyShape,
    forward_kinematics,
    rotation_matrices,
)
from raypose.datasets.synthetic.poses import JointAngles, sample_joint_angles


@pytest.fixture
def body() -> BodyShape:
    return BodyShape.sample(np.random.default_rng(3))


def test_rest_stands_upright_with_the_left_side_at_positive_x(body: BodyShape) -> None:
    rest = forward_kinematics(body.rest_offsets(), np.zeros((len(JOINTS), 3)))
    hip = np.array([body.hip_width / 2, 0.0, 0.0])
    ankle = hip - [0.0, body.thigh + body.shin, 0.0]
    np.testing.assert_allclose(rest.position("left_hip"), hip)
    np.testing.assert_allclose(rest.position("left_ankle"), ankle)
    np.testing.assert_allclose(rest.position("right_ankle"), ankle * [-1, 1, 1])
    assert rest.position("head")[1] > rest.position("neck")[1] > 0.29 * body.stature * 0.9


@pytest.mark.parametrize(
    ("movement", "joint", "origin", "direction"),
    [
        ({"forward": 90.0, "sideways": 0.0}, "left_wrist", "left_shoulder", (0, 0, 1)),
        ({"forward": 0.0, "sideways": 90.0}, "left_wrist", "left_shoulder", (1, 0, 0)),
        ({"forward": 0.0, "sideways": 90.0}, "right_wrist", "right_shoulder", (-1, 0, 0)),
        ({"forward": 180.0, "sideways": 0.0}, "right_wrist", "right_shoulder", (0, 1, 0)),
        ({"forward": 0.0, "sideways": 0.0, "bend": 90.0}, "left_wrist", "left_elbow", (0, 0, 1)),
        (
            {"forward": 0.0, "sideways": 90.0, "twist": 90.0, "bend": 90.0},
            "right_wrist",
            "right_elbow",
            (0, 1, 0),
        ),
    ],
)
def test_an_arm_goes_where_it_is_sent(
    body: BodyShape,
    movement: dict[str, float],
    joint: str,
    origin: str,
    direction: tuple[float, float, float],
) -> None:
    angles = JointAngles()
    angles.arm(joint.split("_")[0], **movement)
    posture = forward_kinematics(body.rest_offsets(), angles.values)
    reach = posture.position(joint) - posture.position(origin)
    np.testing.assert_allclose(reach / np.linalg.norm(reach), direction, atol=1e-12)


def test_knees_bend_backwards_and_sitting_shins_hang(body: BodyShape) -> None:
    angles = JointAngles()
    angles.leg("left", forward=90.0, sideways=0.0, twist=0.0, bend=90.0)
    posture = forward_kinematics(body.rest_offsets(), angles.values)
    thigh = posture.position("left_knee") - posture.position("left_hip")
    shin = posture.position("left_ankle") - posture.position("left_knee")
    np.testing.assert_allclose(thigh, [0, 0, body.thigh], atol=1e-12)
    np.testing.assert_allclose(shin, [0, -body.shin, 0], atol=1e-12)


def test_trunk_leans_turns_and_bends_to_the_named_sides(body: BodyShape) -> None:
    for movement, axis in (({"lean": 20.0}, 0), ({"bend": 20.0}, 2)):
        angles = JointAngles()
        angles.trunk(**movement)
        posture = forward_kinematics(body.rest_offsets(), angles.values)
        assert posture.position("neck")[axis] > 0.03
    angles = JointAngles()
    angles.head(turn=40.0)
    posture = forward_kinematics(body.rest_offsets(), angles.values)
    assert posture.orientation("head")[0, 2] > 0.5  # the face looks to the person's left


def test_bones_keep_their_length_in_every_activity(body: BodyShape) -> None:
    offsets = body.rest_offsets()
    rng = np.random.default_rng(0)
    seen = set()
    for _ in range(120):
        name, angles = sample_joint_angles(rng)
        seen.add(name)
        positions = forward_kinematics(offsets, angles.values).positions
        for joint, parent in enumerate(PARENTS):
            if parent >= 0:
                length = np.linalg.norm(positions[joint] - positions[parent])
                assert length == pytest.approx(np.linalg.norm(offsets[joint]), abs=1e-9)
    assert len(seen) >= 12


def test_rotation_order_is_twist_then_side_then_bend() -> None:
    a, b, c = 0.3, -0.7, 1.1

    def about(axis: int, angle: float) -> np.ndarray:
        i, j = (axis + 1) % 3, (axis + 2) % 3
        matrix = np.eye(3)
        matrix[i, i] = matrix[j, j] = np.cos(angle)
        matrix[i, j], matrix[j, i] = -np.sin(angle), np.sin(angle)
        return matrix

    expected = about(0, a) @ about(2, b) @ about(1, c)
    np.testing.assert_allclose(rotation_matrices(np.array([a, b, c])), expected, atol=1e-12)


def test_parents_come_first_and_sides_are_complete() -> None:
    assert all(parent < joint for joint, parent in enumerate(PARENTS))
    lefts = {name.removeprefix("left_") for name in JOINT_INDEX if name.startswith("left_")}
    rights = {name.removeprefix("right_") for name in JOINT_INDEX if name.startswith("right_")}
    assert lefts == rights
    assert len(lefts) == 8
