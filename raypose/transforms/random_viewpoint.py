"""`RandomViewpoint`: see the motion of a lifter's sample from another place."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from raypose.errors import ConfigError, DataError, did_you_mean
from raypose.ops.cameras import camera_to_pixel
from raypose.registry import TRANSFORMS
from raypose.structures import PoseSample

Floats = npt.NDArray[np.float32]
_AXES = ("x", "y", "z")


@TRANSFORMS.register_module()
class RandomViewpoint:
    """Move the camera about the body and project the poses anew, one camera for a window.

    The camera goes round the root of the target frame, which stays in the direction in which it
    is seen: round the vertical axis of the world (`yaw`), above or below (`pitch`), nearer or
    farther (`distance`), with another lens (`focal`). Motion capture seen by a few cameras so
    becomes motion capture seen from everywhere. 2D keypoints are then the exact projections, also
    where they were detections; those without a known place in space become invisible.

    Needs `camera_param` with `R`, `T` and the lens (see `raypose.ops.cameras`) and the poses of all
    frames of a window: `keypoints_3d` (T, K, 3), which datasets of motion capture add with
    `window_poses: true` and which end here, or a `lifting_target` of as many frames. Poses, target
    and camera move together, so all still fit. A sample without a known root, or of
    which something would be behind the new camera, stays as it is.

    Args:
        yaw: largest angle round the vertical axis, degrees, to both sides; 180 is from anywhere.
        pitch: largest angle up and down, degrees.
        distance: smallest and largest factor of the distance between camera and root.
        focal: smallest and largest factor of the focal length.
        up: axis of the world that is vertical: `x`, `y` or `z`.
        root_index: keypoint that the camera goes round.
        prob: probability of another viewpoint.

    Raises:
        ConfigError: for angles, factors, a probability or an axis that cannot be.

    Example:
        type: RandomViewpoint
        yaw: 180
        pitch: 5
        distance: [0.85, 1.15]
    """

    def __init__(
        self,
        yaw: float = 180.0,
        pitch: float = 0.0,
        distance: Sequence[float] = (1.0, 1.0),
        focal: Sequence[float] = (1.0, 1.0),
        up: str = "z",
        root_index: int = 0,
        prob: float = 1.0,
    ) -> None:
        problems = [
            f"{name} is an angle from 0 to {most} degrees, got {value}"
            for name, value, most in (("yaw", yaw, 180), ("pitch", pitch, 90))
            if not 0 <= value <= most
        ]
        problems += [
            f"{name} is the smallest and the largest factor, both above 0, got {list(value)}"
            for name, value in (("distance", distance), ("focal", focal))
            if len(value) != 2 or not 0 < value[0] <= value[1]
        ]
        if up not in _AXES:
            problems.append(f"up is one of x, y, z, got {up!r}.{did_you_mean(up, _AXES)}")
        if not 0 <= prob <= 1:
            problems.append(f"prob is from 0 to 1, got {prob}")
        if problems:
            raise ConfigError(problems)
        # Angles in radians, then factors.
        self._low = np.array([-np.radians(yaw), -np.radians(pitch), distance[0], focal[0]])
        self._span = np.array([np.radians(yaw), np.radians(pitch), distance[1], focal[1]])
        self._span -= self._low
        self.up = _AXES.index(up) if up in _AXES else 0
        self.root_index = root_index
        self.prob = prob

    def __call__(self, sample: PoseSample) -> PoseSample:
        """Move the camera of the sample, or leave it where it is.

        Raises:
            DataError: if the sample has no camera in the world, or no poses of its frames.
        """
        poses, known = _poses_of_frames(sample)
        if self.prob < 1 and sample.rng.random() >= self.prob:
            return sample
        camera, target = sample.meta.get("camera_param"), sample.meta["lifting_target"]
        if camera is None or "R" not in camera or "T" not in camera:
            raise DataError(
                f"sample {sample.id}: RandomViewpoint needs meta['camera_param'] with 'R' and 'T'"
            )
        drawn = self._low + self._span * sample.rng.random(4)
        yaw, pitch, distance, focal = drawn.tolist()
        middle = len(target) // 2
        seen = sample.meta.get("lifting_target_visible")
        if seen is not None and seen[middle, self.root_index] <= 0:
            return sample
        root = target[middle, self.root_index]
        turn = _turn(np.asarray(camera["R"], np.float32)[self.up], yaw, pitch)
        # A point p is then at turn (p - root) + distance * root.
        shift = distance * root - turn @ root
        poses = poses @ turn.T + shift
        all_known = known.all()
        if ((poses[..., 2] <= 0) & known).any():
            return sample
        camera = _moved_camera(camera, turn, shift, focal)
        if not all_known:
            poses = np.where(known[..., None], poses, 1)
        sample.keypoints = camera_to_pixel(poses, camera)
        if not all_known:
            sample.keypoints[~known] = 0
            if sample.keypoints_visible is not None:
                sample.keypoints_visible = sample.keypoints_visible * known
        sample.meta["lifting_target"] = target @ turn.T + shift
        sample.meta["camera_param"] = camera
        return sample


def _poses_of_frames(sample: PoseSample) -> tuple[Floats, npt.NDArray[np.bool_]]:
    """Take the poses (T, K, 3) of the sample's frames, and which of them are known (T, K)."""
    meta = sample.meta
    name = "keypoints_3d" if "keypoints_3d" in meta else "lifting_target"
    poses, visible = meta.get(name), meta.get(f"{name}_visible")
    if sample.keypoints is None or poses is None or poses.shape[:2] != sample.keypoints.shape[:2]:
        raise DataError(
            f"sample {sample.id}: RandomViewpoint needs the poses of all frames of a window; set "
            "window_poses: true in the dataset"
        )
    meta.pop("keypoints_3d", None)
    meta.pop("keypoints_3d_visible", None)
    return poses, np.ones(poses.shape[:2], bool) if visible is None else visible > 0


def _turn(up: Floats, yaw: float, pitch: float) -> Floats:
    """Rotation (3, 3) by `yaw` about `up` (3,), then by `pitch` about the camera's x."""
    x, y, z = up.tolist()
    cos, sin = math.cos(yaw), math.sin(yaw)
    rest = 1 - cos
    yawed = [
        [cos + rest * x * x, rest * x * y - sin * z, rest * x * z + sin * y],
        [rest * x * y + sin * z, cos + rest * y * y, rest * y * z - sin * x],
        [rest * x * z - sin * y, rest * y * z + sin * x, cos + rest * z * z],
    ]
    cos, sin = math.cos(pitch), math.sin(pitch)
    pitched = [[1.0, 0.0, 0.0], [0.0, cos, -sin], [0.0, sin, cos]]
    return np.array(pitched, np.float32) @ np.array(yawed, np.float32)


def _moved_camera(
    camera: Mapping[str, Any], turn: Floats, shift: Floats, focal: float
) -> dict[str, Any]:
    """Camera in whose space a point p of the old one's is at `turn` p + `shift`."""
    rotation = np.asarray(camera["R"], np.float32) @ turn.T
    moved = {**camera, "R": rotation, "T": np.asarray(camera["T"]) - (rotation @ shift)[:, None]}
    if "K" in camera:
        matrix = np.array(camera["K"], np.float32)
        matrix[:2, :2] *= focal
        moved["K"] = matrix
    if "f" in camera:
        moved["f"] = np.asarray(camera["f"], np.float32) * focal
    return moved
