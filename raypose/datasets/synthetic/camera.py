"""How a synthetic person is seen: the direction, the perspective and the light.

Camera space is metres with x to the right, y down and z away from the camera, centred on the
person's pelvis; figure space is pixels relative to the pelvis' pixel.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from raypose.datasets.synthetic.body import FloatArray


@dataclass(frozen=True)
class View:
    """One person's camera: `rotation` (3, 3) turns body space into camera space."""

    rotation: FloatArray
    pixels_per_metre: float
    distance: float
    light: FloatArray

    @classmethod
    def sample(cls, rng: np.random.Generator, pixels_per_metre: float, light: FloatArray) -> View:
        """Draw a direction: the front half of the time, otherwise the sides and the back."""
        half_turn = rng.choice((0.0, 180.0, 90.0, -90.0), p=(0.48, 0.24, 0.14, 0.14))
        yaw = half_turn + rng.normal(0, 24)
        pitch, roll = float(np.clip(rng.normal(6, 7), -8, 28)), rng.normal(0, 2.5)
        rotation = camera_rotation(yaw, pitch, roll)
        return cls(rotation, pixels_per_metre, float(rng.uniform(3.0, 8.0)), light)

    def to_camera(self, points: FloatArray) -> FloatArray:
        """Map body space points (..., 3) to camera space, metres."""
        return points @ self.rotation.T

    def project(self, camera_points: FloatArray) -> FloatArray:
        """Project camera space points (..., 3) to figure space pixels, (..., 2)."""
        return camera_points[..., :2] * self.magnification(camera_points[..., 2])[..., None]

    def magnification(self, depth: FloatArray) -> FloatArray:
        """Return pixels per metre at camera depths (...)."""
        return self.pixels_per_metre * self.distance / np.maximum(self.distance + depth, 0.5)


def camera_rotation(yaw: float, pitch: float, roll: float) -> FloatArray:
    """Return the camera-from-body rotation (3, 3).

    Args:
        yaw: degrees the person turns; 0 faces the camera, 90 faces the right of the picture.
        pitch: degrees the camera looks down.
        roll: degrees the picture is turned clockwise.
    """
    cy, sy = np.cos(np.deg2rad(yaw)), np.sin(np.deg2rad(yaw))
    cp, sp = np.cos(np.deg2rad(pitch)), np.sin(np.deg2rad(pitch))
    cr, sr = np.cos(np.deg2rad(roll)), np.sin(np.deg2rad(roll))
    turn = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    # Body axes (left, up, front) seen from the front are the picture's (right, up, towards).
    facing = np.diag([1.0, -1.0, -1.0])
    look = np.array([[1, 0, 0], [0, cp, -sp], [0, sp, cp]])
    tilt = np.array([[cr, -sr, 0], [sr, cr, 0], [0, 0, 1]])
    return tilt @ look @ facing @ turn


def sample_light(rng: np.random.Generator) -> FloatArray:
    """Draw the unit direction towards the light, (3,) in camera space: above, on one side."""
    direction = np.array([rng.choice((-1.0, 1.0)) * rng.uniform(0.35, 1.0), -0.7, -0.55])
    return direction / np.linalg.norm(direction)
