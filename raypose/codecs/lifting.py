"""What the lifting codecs share: roots, weights, and the layout of the network's input.

B samples, T input frames, S target frames, K keypoints, D dimensions of the input, C of the
target.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from raypose.errors import RayposeError


def root_indices(root_index: int | Sequence[int], num_keypoints: int) -> list[int]:
    """Return the root keypoints as a list.

    Raises:
        RayposeError: if one of them is no keypoint.
    """
    roots = [root_index] if isinstance(root_index, int) else list(root_index)
    if not roots or not all(0 <= root < num_keypoints for root in roots):
        raise RayposeError(f"root_index {root_index} is not among the {num_keypoints} keypoints")
    return roots


def check_cameras(
    codec: str, cameras: Sequence[Mapping[str, Any]] | None, number: int, needed: Sequence[str]
) -> Sequence[Mapping[str, Any]]:
    """Return the cameras of `number` samples.

    Raises:
        RayposeError: if a camera is missing or lacks one of the `needed` values.
    """
    if cameras is None or len(cameras) != number:
        raise RayposeError(
            f"{codec} needs 'camera_param' with {', '.join(needed)} for each of the "
            f"{number} samples, got {'none' if cameras is None else len(cameras)}"
        )
    for camera in cameras:
        missing = [name for name in needed if name not in camera]
        if missing:
            raise RayposeError(
                f"'camera_param' lacks {', '.join(missing)}; it has {', '.join(sorted(camera))}"
            )
    return cameras


def image_sizes(cameras: Sequence[Mapping[str, Any]]) -> Tensor:
    """Return the sizes (B, 2) of the cameras' images, in pixels, on the CPU."""
    return torch.tensor([[camera["w"], camera["h"]] for camera in cameras], dtype=torch.float32)


def network_input(points: Tensor, visible: Tensor, concat_vis: bool, reshape: bool) -> Tensor:
    """Lay out points (B, T, K, D) and visibility (B, T, K) as the lifter takes them.

    Returns:
        (B, K * D, T) with `reshape`, else (B, T, K, D); D is one more with `concat_vis`.
    """
    if concat_vis:
        points = torch.cat([points, visible[..., None].to(points.dtype)], dim=-1)
    return points.flatten(2).transpose(1, 2).contiguous() if reshape else points


def target_weights(target: Tensor, visible: Tensor | None) -> tuple[Tensor, Tensor]:
    """Weigh the keypoints of targets (B, S, K, C) with visibility (B, S, K).

    Returns:
        Weights (B, S, K) of the pose, and of the trajectory: the same, or without a visibility
        1 / the third keypoint (B, S, C), as the reference does.
    """
    if visible is None:
        return target.new_ones(target.shape[:-1]), 1 / target[:, :, 2]
    weights = (visible > 0.5).to(target.dtype)
    return weights, weights


def root_position(target: Tensor, roots: Sequence[int]) -> Tensor:
    """Return the mean (B, S, C) of the root keypoints of targets (B, S, K, C)."""
    return target[:, :, list(roots)].mean(dim=2)


def without_keypoint(values: Tensor, keypoint: int) -> Tensor:
    """Return values (B, S, K, ...) without one keypoint."""
    return torch.cat([values[:, :, :keypoint], values[:, :, keypoint + 1 :]], dim=2)


def split_output(encoded: Tensor | Sequence[Tensor | None]) -> tuple[Tensor, Tensor | None]:
    """Return poses (B, N, K, C) and root positions (B, N, C) or None.

    Args:
        encoded: poses (B, K, C) or (B, N, K, C), alone or with root positions (B, C) or
            (B, N, C).
    """
    poses, root = (encoded, None) if isinstance(encoded, Tensor) else encoded
    assert poses is not None, "a lifter's output starts with its poses"
    poses = poses.detach().float()
    if poses.ndim == 3:
        poses = poses[:, None]
    if root is not None:
        root = root.to(poses).view(len(poses), -1, poses.shape[-1])
    return poses, root


def restore_root(poses: Tensor, root: Tensor, removed: int | None) -> Tensor:
    """Move poses (B, N, K, C) to their root (B, N, C) and put back a root that was removed."""
    root = root[:, :, None]
    poses = poses + root
    if removed is None:
        return poses
    root = root.expand(*poses.shape[:2], 1, poses.shape[-1])
    return torch.cat([poses[:, :, :removed], root, poses[:, :, removed:]], dim=2)
