"""Joint angles of the synthetic people: one sampler per activity.

Angles are given the way a physiotherapist would (degrees; forward, sideways, bend are positive on
both sides) and stored as the signed rotations that `forward_kinematics` takes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from raypose.datasets.synthetic.body import JOINT_INDEX, JOINTS, FloatArray

SIDES = ("left", "right")


@dataclass
class JointAngles:
    """Joint angles under construction; `values` is (J, 3) radians about x, z and y."""

    values: FloatArray = field(default_factory=lambda: np.zeros((len(JOINTS), 3)))
    seated: bool = False

    def trunk(self, bend: float = 0.0, lean: float = 0.0, twist: float = 0.0) -> None:
        """Bend the spine forward, lean it to the left and twist it to the left."""
        for joint, share in (("spine", 0.5), ("chest", 0.5)):
            self.rotate(joint, share * bend, -share * lean, share * twist)

    def head(self, nod: float = 0.0, tilt: float = 0.0, turn: float = 0.0) -> None:
        """Nod the head down, tilt it to the left and turn it to the left."""
        self.rotate("neck", 0.4 * nod, -0.4 * tilt, 0.3 * turn)
        self.rotate("head", 0.6 * nod, -0.6 * tilt, 0.7 * turn)

    def arm(
        self, side: str, forward: float, sideways: float, twist: float = 0.0, bend: float = 0.0
    ) -> None:
        """Raise an arm forward and sideways, turn it outwards, and bend its elbow."""
        sign = _sign(side)
        self.rotate(f"{side}_shoulder", -forward, sign * sideways, sign * twist)
        self.rotate(f"{side}_elbow", -bend)

    def leg(
        self,
        side: str,
        forward: float,
        sideways: float = 4.0,
        twist: float = 6.0,
        bend: float = 3.0,
        toes: float | None = None,
    ) -> None:
        """Raise a leg forward and sideways, turn it outwards, and bend its knee.

        Args:
            side: "left" or "right".
            forward: thigh forward of the pelvis, degrees.
            sideways: thigh outwards, degrees.
            twist: knee and toes turned outwards, degrees.
            bend: knee bend, degrees.
            toes: toes raised against the shin, degrees; None keeps the foot level.
        """
        sign = _sign(side)
        if toes is None:
            toes = float(np.clip(bend - forward, -35.0, 30.0))
        self.rotate(f"{side}_hip", -forward, sign * sideways, sign * twist)
        self.rotate(f"{side}_knee", bend)
        self.rotate(f"{side}_ankle", -toes)

    def rotate(self, joint: str, x: float, z: float = 0.0, y: float = 0.0) -> None:
        """Turn a joint by signed degrees about its parent's x and z and its own y."""
        self.values[JOINT_INDEX[joint]] += np.deg2rad((x, z, y))


def sample_joint_angles(rng: np.random.Generator) -> tuple[str, JointAngles]:
    """Draw an activity and its joint angles.

    Returns:
        The activity's name (a key of `ACTIVITIES`) and the angles.
    """
    names = list(ACTIVITIES)
    weights = np.array([ACTIVITIES[name][1] for name in names])
    name = names[int(rng.choice(len(names), p=weights / weights.sum()))]
    angles = JointAngles()
    angles.head(rng.normal(4, 7), rng.normal(0, 5), float(np.clip(rng.normal(0, 20), -55, 55)))
    ACTIVITIES[name][0](angles, rng)
    return name, angles


def _stand(angles: JointAngles, rng: np.random.Generator) -> None:
    angles.trunk(rng.normal(1, 3), rng.normal(0, 4), rng.normal(0, 6))
    for side in SIDES:
        angles.leg(side, rng.normal(0, 4), rng.uniform(1, 9), rng.uniform(0, 18), rng.uniform(0, 9))
    _free_arms(angles, rng)


def _walk(angles: JointAngles, rng: np.random.Generator) -> None:
    phase, stride = rng.uniform(0, 2 * np.pi), rng.uniform(18, 33)
    angles.trunk(rng.normal(4, 3), rng.normal(0, 2), 6 * np.sin(phase))
    for side, sign in zip(SIDES, (1.0, -1.0), strict=True):
        swing = sign * np.sin(phase)
        lifted = max(0.0, sign * np.cos(phase))
        bend = 6 + 45 * lifted + 12 * max(0.0, -swing)
        angles.leg(side, stride * swing + 12 * lifted, rng.uniform(0, 4), 5, bend)
        angles.arm(side, -stride * swing, rng.uniform(4, 13), 0, rng.uniform(6, 32))


def _run(angles: JointAngles, rng: np.random.Generator) -> None:
    phase, stride = rng.uniform(0, 2 * np.pi), rng.uniform(36, 52)
    angles.trunk(rng.uniform(5, 20), rng.normal(0, 3), 10 * np.sin(phase))
    for side, sign in zip(SIDES, (1.0, -1.0), strict=True):
        swing = sign * np.sin(phase)
        lifted = max(0.0, sign * np.cos(phase))
        bend = 14 + 75 * lifted + 45 * max(0.0, -swing) + 25 * max(0.0, swing)
        angles.leg(side, 12 + stride * swing + 12 * lifted, 2, 3, bend, rng.uniform(-20, 10))
        angles.arm(side, -45 * swing - 5, rng.uniform(6, 20), rng.normal(-10, 8), 85)


def _sit(angles: JointAngles, rng: np.random.Generator) -> None:
    angles.seated = True
    angles.trunk(rng.normal(6, 8), rng.normal(0, 4), rng.normal(0, 7))
    for side in SIDES:
        forward = rng.uniform(76, 94)
        bend = forward + rng.normal(-4, 12)
        angles.leg(side, forward, rng.uniform(0, 16), rng.uniform(-6, 8), bend)
    if rng.random() < 0.55:
        for side in SIDES:
            reach = rng.uniform(18, 38)
            angles.arm(side, reach, rng.uniform(2, 12), rng.uniform(-25, 0), rng.uniform(35, 70))
    else:
        _free_arms(angles, rng)


def _arms_up(angles: JointAngles, rng: np.random.Generator) -> None:
    _stand_legs(angles, rng)
    angles.trunk(rng.normal(-2, 4), rng.normal(0, 6), rng.normal(0, 6))
    lone = rng.random() < 0.45
    raised = SIDES[int(rng.integers(2))]
    for side in SIDES:
        if lone and side != raised:
            _hanging_arm(angles, side, rng)
        elif rng.random() < 0.5:
            angles.arm(side, rng.uniform(135, 178), rng.uniform(0, 28), 0, rng.uniform(0, 45))
        else:
            angles.arm(side, 0, rng.uniform(100, 165), rng.uniform(60, 110), rng.uniform(0, 75))


def _star(angles: JointAngles, rng: np.random.Generator) -> None:
    angles.trunk(rng.normal(0, 3), rng.normal(0, 5), 0)
    spread, legs = rng.uniform(50, 145), rng.uniform(10, 28)
    for side in SIDES:
        angles.leg(side, rng.normal(0, 4), legs + rng.normal(0, 3), 15, rng.uniform(0, 10))
        lift = spread + rng.normal(0, 9)
        angles.arm(side, rng.normal(0, 10), lift, rng.uniform(20, 80), rng.uniform(0, 18))


def _hands_on_hips(angles: JointAngles, rng: np.random.Generator) -> None:
    _stand_legs(angles, rng)
    angles.trunk(rng.normal(0, 3), rng.normal(0, 4), rng.normal(0, 6))
    single = rng.random() < 0.3
    for side in SIDES:
        if single and side == "left":
            _hanging_arm(angles, side, rng)
        else:
            out, bend = rng.uniform(42, 56), rng.uniform(92, 108)
            angles.arm(side, rng.uniform(-16, 0), out, rng.uniform(-92, -72), bend)


def _bent_arms(angles: JointAngles, rng: np.random.Generator) -> None:
    _stand_legs(angles, rng)
    angles.trunk(rng.normal(2, 4), rng.normal(0, 4), rng.normal(0, 8))
    crossed = rng.random() < 0.45
    for side in SIDES:
        if crossed:
            angles.arm(side, rng.uniform(22, 34), 6, rng.uniform(-62, -48), rng.uniform(92, 108))
        elif rng.random() < 0.7:
            out, bend = rng.uniform(0, 22), rng.uniform(85, 140)
            angles.arm(side, rng.uniform(5, 45), out, rng.uniform(-35, 15), bend)
        else:
            _hanging_arm(angles, side, rng)


def _reach(angles: JointAngles, rng: np.random.Generator) -> None:
    _stand_legs(angles, rng)
    angles.trunk(rng.normal(6, 8), rng.normal(0, 6), rng.normal(0, 12))
    pointing = SIDES[int(rng.integers(2))]
    for side in SIDES:
        if side == pointing or rng.random() < 0.3:
            angles.arm(side, rng.uniform(60, 105), rng.uniform(-5, 60), 0, rng.uniform(0, 28))
        else:
            _hanging_arm(angles, side, rng)


def _bend_over(angles: JointAngles, rng: np.random.Generator) -> None:
    hips, spine = rng.uniform(12, 38), rng.uniform(18, 42)
    angles.rotate("pelvis", hips)
    angles.trunk(spine, rng.normal(0, 6), rng.normal(0, 8))
    angles.head(-rng.uniform(0, 30))
    bend = rng.uniform(2, 45)
    for side in SIDES:
        angles.leg(side, hips + 0.5 * bend, rng.uniform(2, 10), 8, bend + rng.normal(0, 3))
        forward = hips + spine + rng.normal(0, 22)
        angles.arm(side, forward, rng.uniform(2, 14), 0, rng.uniform(3, 40))


def _lean(angles: JointAngles, rng: np.random.Generator) -> None:
    side_lean = rng.choice((-1.0, 1.0)) * rng.uniform(12, 28)
    angles.trunk(rng.normal(3, 4), side_lean, rng.normal(0, 6))
    _stand_legs(angles, rng)
    _free_arms(angles, rng)


def _squat(angles: JointAngles, rng: np.random.Generator) -> None:
    pelvis, depth = rng.uniform(8, 25), rng.uniform(70, 108)
    angles.rotate("pelvis", pelvis)
    angles.trunk(rng.uniform(8, 25), rng.normal(0, 3), rng.normal(0, 5))
    angles.head(-rng.uniform(5, 30))
    out = rng.uniform(8, 28)
    for side in SIDES:
        angles.leg(side, depth, out, out * 0.7, depth - pelvis + rng.uniform(14, 26))
        angles.arm(side, rng.uniform(40, 105), rng.uniform(0, 20), -10, rng.uniform(5, 75))


def _lunge(angles: JointAngles, rng: np.random.Generator) -> None:
    angles.trunk(rng.normal(6, 6), rng.normal(0, 4), rng.normal(0, 8))
    front = SIDES[int(rng.integers(2))]
    for side in SIDES:
        if side == front:
            forward = rng.uniform(42, 72)
            angles.leg(side, forward, rng.uniform(0, 8), 4, forward + rng.uniform(0, 16))
        else:
            bend = rng.uniform(18, 55)
            angles.leg(side, -rng.uniform(14, 30), rng.uniform(0, 6), 4, bend, rng.uniform(10, 30))
    _free_arms(angles, rng)


def _kick(angles: JointAngles, rng: np.random.Generator) -> None:
    angles.trunk(rng.uniform(-14, 4), rng.normal(0, 7), rng.normal(0, 10))
    kicking = SIDES[int(rng.integers(2))]
    for side in SIDES:
        if side == kicking:
            bend = rng.uniform(3, 40)
            angles.leg(side, rng.uniform(40, 92), rng.uniform(0, 28), 5, bend, -15)
        else:
            angles.leg(side, rng.normal(0, 4), 4, 8, rng.uniform(2, 16))
        angles.arm(side, rng.uniform(-35, 55), rng.uniform(22, 85), 20, rng.uniform(5, 45))


def _jump(angles: JointAngles, rng: np.random.Generator) -> None:
    angles.trunk(rng.normal(4, 7), rng.normal(0, 6), rng.normal(0, 6))
    for side in SIDES:
        forward, bend = rng.uniform(0, 55), rng.uniform(25, 100)
        angles.leg(side, forward, rng.uniform(3, 20), 8, bend, -rng.uniform(5, 25))
        angles.arm(side, rng.uniform(20, 170), rng.uniform(10, 55), 0, rng.uniform(5, 50))


# name -> (sampler, relative frequency)
ACTIVITIES: dict[str, tuple[Callable[[JointAngles, np.random.Generator], None], float]] = {
    "stand": (_stand, 2.2),
    "walk": (_walk, 2.0),
    "run": (_run, 1.6),
    "sit": (_sit, 1.3),
    "arms_up": (_arms_up, 1.3),
    "star": (_star, 0.9),
    "hands_on_hips": (_hands_on_hips, 0.8),
    "bent_arms": (_bent_arms, 0.9),
    "reach": (_reach, 0.9),
    "bend_over": (_bend_over, 0.6),
    "lean": (_lean, 0.7),
    "squat": (_squat, 0.5),
    "lunge": (_lunge, 0.6),
    "kick": (_kick, 0.6),
    "jump": (_jump, 0.6),
}


def _stand_legs(angles: JointAngles, rng: np.random.Generator) -> None:
    for side in SIDES:
        angles.leg(
            side, rng.normal(0, 5), rng.uniform(1, 11), rng.uniform(0, 18), rng.uniform(0, 9)
        )


def _free_arms(angles: JointAngles, rng: np.random.Generator) -> None:
    for side in SIDES:
        if rng.random() < 0.75:
            _hanging_arm(angles, side, rng)
        else:
            forward, out = rng.uniform(-25, 95), rng.uniform(3, 75)
            angles.arm(side, forward, out, rng.uniform(-40, 40), rng.uniform(5, 110))


def _hanging_arm(angles: JointAngles, side: str, rng: np.random.Generator) -> None:
    forward, out = rng.normal(2, 10), rng.uniform(4, 20)
    angles.arm(side, forward, out, rng.normal(0, 15), rng.uniform(4, 34))


def _sign(side: str) -> float:
    return 1.0 if side == "left" else -1.0
