"""3D poses as they are shown: upright, in metres, with their feet on the ground (NumPy).

Display space is right-handed, in metres, with y up: a camera's x stays x and its z, forward,
becomes -z, away from who looks.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from raypose.errors import RayposeError

Floats = npt.NDArray[np.floating[Any]]

METRES = {"m": 1.0, "cm": 0.01, "mm": 0.001}

# For each axis that points up: which axis, with which sign, becomes x, y and z.
_ROTATIONS = {
    "x": ((1, -1), (0, 1), (2, 1)),
    "-x": ((1, 1), (0, -1), (2, 1)),
    "y": ((0, 1), (1, 1), (2, 1)),
    "-y": ((0, 1), (1, -1), (2, -1)),
    "z": ((0, 1), (2, 1), (1, -1)),
    "-z": ((0, 1), (2, -1), (1, 1)),
}


def to_display(keypoints: Floats, unit: str, up: str = "-y") -> npt.NDArray[np.float32]:
    """Bring poses of a lifter or of motion capture into display space.

    Each pose is moved up or down until its lowest keypoint is on the ground, y = 0; sideways it
    stays where it is.

    Args:
        keypoints: (..., K, 3), about their root or in camera space.
        unit: of the keypoints, `m`, `cm` or `mm`; a lifter's is `LiftStage.unit`.
        up: the axis that points up, with a `-` before it where it points down: `-y` in camera
            space, `z` in most motion capture.

    Returns:
        (..., K, 3).

    Raises:
        RayposeError: for an unknown unit or axis.
    """
    if unit not in METRES:
        raise RayposeError(f"unit is one of {', '.join(METRES)}, got {unit!r}")
    _check_axis(up)
    turned = np.stack([sign * keypoints[..., axis] for axis, sign in _ROTATIONS[up]], axis=-1)
    return stand_on_ground(turned * METRES[unit], "y").astype(np.float32, copy=False)


def stand_on_ground(keypoints: Floats, up: str) -> Floats:
    """Move each pose along the vertical until its lowest keypoint is at 0.

    Args:
        keypoints: (..., K, 3).
        up: as in `to_display`.

    Returns:
        (..., K, 3).

    Raises:
        RayposeError: for an unknown axis.
    """
    _check_axis(up)
    axis = "xyz".index(up[-1])
    heights = keypoints[..., axis]
    lowest = heights.max if up.startswith("-") else heights.min
    moved = keypoints.copy()
    moved[..., axis] -= lowest(axis=-1, keepdims=True)
    return moved


def _check_axis(up: str) -> None:
    if up not in _ROTATIONS:
        raise RayposeError(f"up is one of {', '.join(_ROTATIONS)}, got {up!r}")
