"""Pinhole cameras: between world, camera and pixel coordinates (NumPy).

A camera is a mapping of arrays:

    R (3, 3), T (3, 1)  rotation and position, from camera to world
    K (2, 3)            intrinsic matrix, or f (2, 1) and c (2, 1), focal length and center
    k (3,) or (6,)      radial distortion, optional; with six the last three divide
    p (2,)              tangential distortion, optional, only together with k

Points are row vectors (..., 3). Camera parameters are taken as float32.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from raypose.errors import RayposeError

Camera = Mapping[str, Any]


def world_to_camera(points: np.ndarray, camera: Camera) -> np.ndarray:
    """Bring world points (..., 3) into camera space."""
    rotation, position = _extrinsic(camera)
    return points @ rotation - position.T @ rotation


def camera_to_world(points: np.ndarray, camera: Camera) -> np.ndarray:
    """Bring camera-space points (..., 3) into the world."""
    rotation, position = _extrinsic(camera)
    return points @ rotation.T + position.T


def camera_to_pixel(points: np.ndarray, camera: Camera) -> np.ndarray:
    """Project camera-space points, with the camera's distortion if it has one.

    Args:
        points: (..., 3).
        camera: see the module.

    Returns:
        (..., 2) in pixels.
    """
    plane = points[..., :2] / points[..., 2:]
    if "k" in camera and "p" in camera:
        plane = _distort(plane, _vector(camera["k"]), _vector(camera["p"]))
    if "K" not in camera and "f" in camera and "c" in camera:
        return plane * _vector(camera["f"]) + _vector(camera["c"])
    matrix = _intrinsic(camera)
    return plane @ matrix[:, :2].T + matrix[:, 2]


def world_to_pixel(points: np.ndarray, camera: Camera) -> np.ndarray:
    """Project world points (..., 3) to pixels (..., 2)."""
    return camera_to_pixel(world_to_camera(points, camera), camera)


def pixel_to_camera(points: np.ndarray, camera: Camera) -> np.ndarray:
    """Bring pixels with their depth into camera space; distortion is not undone.

    Args:
        points: (..., 3) as (u, v, z).
        camera: see the module.

    Returns:
        (..., 3).
    """
    matrix = _intrinsic(camera)
    return unproject(points, matrix[0, 0], matrix[1, 1], matrix[0, 2], matrix[1, 2])


def project(keypoints: np.ndarray, fx: float, fy: float, cx: float, cy: float) -> np.ndarray:
    """Project camera-space points (..., 3) to pixels (..., 2) without distortion."""
    plane = keypoints[..., :2] / keypoints[..., 2:]
    return plane * np.array([fx, fy], plane.dtype) + np.array([cx, cy], plane.dtype)


def unproject(keypoints: np.ndarray, fx: float, fy: float, cx: float, cy: float) -> np.ndarray:
    """Bring pixels with their depth (..., 3) = (u, v, z) into camera space."""
    depth = keypoints[..., 2:]
    center, focal = (np.array(pair, keypoints.dtype) for pair in ((cx, cy), (fx, fy)))
    return np.concatenate([(keypoints[..., :2] - center) / focal * depth, depth], axis=-1)


def _extrinsic(camera: Camera) -> tuple[np.ndarray, np.ndarray]:
    """Rotation (3, 3) and position (3, 1)."""
    if "R" not in camera or "T" not in camera:
        raise RayposeError(f"a camera in the world needs 'R' and 'T', got {sorted(camera)}")
    return np.asarray(camera["R"], np.float32), _vector(camera["T"])[:, None]


def _intrinsic(camera: Camera) -> np.ndarray:
    """Intrinsic matrix (2, 3)."""
    if "K" in camera:
        return np.asarray(camera["K"], np.float32)[:2]
    if "f" not in camera or "c" not in camera:
        raise RayposeError(f"a camera needs 'K', or 'f' and 'c', got {sorted(camera)}")
    return np.column_stack([np.diag(_vector(camera["f"])), _vector(camera["c"])])


def _distort(plane: np.ndarray, radial: np.ndarray, tangential: np.ndarray) -> np.ndarray:
    """Points (..., 2) of the plane at depth 1, moved by the lens."""
    r2 = (plane**2).sum(axis=-1, keepdims=True)
    powers = np.concatenate([r2, r2**2, r2**3], axis=-1)
    gain = 1 + (powers * radial[:3]).sum(axis=-1, keepdims=True)
    if len(radial) == 6:
        gain = gain / (1 + (powers * radial[3:]).sum(axis=-1, keepdims=True))
    swapped = tangential[::-1]
    slant = 2 * (plane * swapped).sum(axis=-1, keepdims=True)
    return plane * (gain + slant) + r2 * swapped


def _vector(value: Any) -> np.ndarray:
    return np.asarray(value, np.float32).reshape(-1)
