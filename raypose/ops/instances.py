"""Roots, boxes and sizes of instances from their visible keypoints (torch).

(..., K, 2) keypoints with visibility (..., K): any leading axes, such as B samples of N instances.
"""

from __future__ import annotations

import torch
from torch import Tensor

from raypose.errors import RayposeError


def instance_bbox(keypoints: Tensor, keypoints_visible: Tensor) -> Tensor:
    """Return the box (..., 4) xyxy of the visible keypoints, zeros without any."""
    low, high, visible = _extent(keypoints, keypoints_visible)
    return torch.cat([low, high], dim=-1) * visible[..., None]


def diagonal_lengths(keypoints: Tensor, keypoints_visible: Tensor) -> Tensor:
    """Return the diagonal (...) of the box of the visible keypoints, 0 without any."""
    low, high, visible = _extent(keypoints, keypoints_visible)
    return torch.where(visible, (high - low).square().sum(dim=-1).sqrt(), 0.0)


def instance_root(
    keypoints: Tensor, keypoints_visible: Tensor, root_type: str = "kpt_center"
) -> tuple[Tensor, Tensor]:
    """Find the point that stands for an instance.

    Args:
        keypoints: (..., K, 2).
        keypoints_visible: (..., K); keypoints above 0 count.
        root_type: `kpt_center`, their mean, or `bbox_center`, the middle of their box.

    Returns:
        Roots (..., 2), zeros without a visible keypoint, and whether there is one, 1 or 0, (...).

    Raises:
        RayposeError: if `root_type` is unknown.
    """
    if root_type == "kpt_center":
        counted = keypoints_visible > 0
        number = counted.sum(dim=-1)
        total = torch.where(counted[..., None], keypoints, 0.0).sum(dim=-2)
        roots, visible = total / number.clamp(min=1)[..., None], number > 0
    elif root_type == "bbox_center":
        low, high, visible = _extent(keypoints, keypoints_visible)
        roots = torch.where(visible[..., None], (low + high) / 2, 0.0)
    else:
        raise RayposeError(f"root_type is 'kpt_center' or 'bbox_center', got {root_type!r}")
    return roots, visible.to(keypoints.dtype)


def _extent(keypoints: Tensor, keypoints_visible: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Least and largest position (..., 2) of the visible keypoints and whether there is one."""
    counted = (keypoints_visible > 0)[..., None]
    largest = torch.finfo(keypoints.dtype).max
    low = torch.where(counted, keypoints, largest).amin(dim=-2)
    high = torch.where(counted, keypoints, -largest).amax(dim=-2)
    return low, high, counted.any(dim=-2)[..., 0]
