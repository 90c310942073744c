"""MotionBERT's image space: pixels, and a depth that is measured in them too (torch).

Paper: Zhu et al., MotionBERT: A Unified Perspective on Learning Human Motion Representations,
ICCV 2023. B cameras, S poses of each, K keypoints.
"""

from __future__ import annotations

import torch
from torch import Tensor


def camera_to_image_coord(
    root_index: int, keypoints: Tensor, focal: Tensor, center: Tensor
) -> tuple[Tensor, Tensor]:
    """Bring camera-space poses into image space, about the depth of their root.

    A segment 2 units long in x at the depth of the root gives the scale of the depth.

    Args:
        root_index: keypoint whose depth becomes 0.
        keypoints: (B, S, K, 3).
        focal: (B, 2) focal length in pixels.
        center: (B, 2) middle of the image in pixels.

    Returns:
        Keypoints (B, S, K, 3) in thousands of pixels, and the factor (B, S) that maps them back to
        the unit of the input.
    """
    focal, center = focal[:, None, None] / 1000, center[:, None, None] / 1000
    depth = keypoints[..., 2:]
    root_depth = depth[..., root_index, :]
    # The reference keeps the segment from vanishing by the constant.
    width = 2 * focal[:, 0, :, :1] / root_depth + 0.001
    places = keypoints[..., :2] / depth * focal + center
    scaled = (depth - root_depth[..., None]) * (width / 2)[..., None]
    return torch.cat([places, scaled], dim=-1), 2 / width[..., 0]
