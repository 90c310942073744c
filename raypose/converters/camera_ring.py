"""Cameras for motion capture that comes without: four pinholes round a body, as in a studio."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from raypose.converters.calibrations import CalibratedCamera
from raypose.converters.motion import Axis

Floats = npt.NDArray[np.float64]
SIDE = 1000
"""Pixels of an image's sides."""

_AZIMUTHS = (45, 135, 225, 315)
_ELEVATIONS = (10, 20, 10, 20)
# Pixels of a body whose keypoints reach this far, and how many such lengths away cameras stand.
_SPAN = 350
_DISTANCE = 3.0


def camera_ring(reach: float, up: Axis) -> list[CalibratedCamera]:
    """Return four cameras that look at the origin of the world from all sides.

    Args:
        reach: length of a body in metres.
        up: the axis that points up.
    """
    above = np.eye(3)["xyz".index(up)]
    ahead, aside = np.roll(above, 1), np.roll(above, 2)
    focal = _SPAN * _DISTANCE
    matrix = np.array([[focal, 0, SIDE / 2], [0, focal, SIDE / 2], [0, 0, 1.0]])
    cameras = []
    for number, (azimuth, elevation) in enumerate(zip(_AZIMUTHS, _ELEVATIONS, strict=True)):
        turn, rise = np.radians(azimuth), np.radians(elevation)
        level = np.cos(turn) * ahead + np.sin(turn) * aside
        position = _DISTANCE * reach * (np.cos(rise) * level + np.sin(rise) * above)
        rotation = _looking_at_origin(position, above)
        cameras.append(
            CalibratedCamera(
                name=f"cam{number}",
                size=(SIDE, SIDE),
                matrix=matrix,
                lens=np.zeros(0),
                rotation=rotation,
                translation=-rotation @ position,
            )
        )
    return cameras


def _looking_at_origin(position: Floats, above: Floats) -> Floats:
    """Return the rotation, world to camera, with the camera upright."""
    forward = -position / np.linalg.norm(position)
    right = np.cross(forward, above)
    right /= np.linalg.norm(right)
    return np.stack([right, np.cross(forward, right), forward])
