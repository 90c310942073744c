from __future__ import annotations

import torch

from raypose.ops.image_space import camera_to_image_coord


def test_the_root_gets_depth_zero_and_the_factor_maps_back() -> None:
    generator = torch.Generator().manual_seed(0)
    poses = torch.randn(2, 3, 5, 3, generator=generator) + torch.tensor([0.0, 0.0, 6.0])
    focal = torch.tensor([[1100.0, 1150.0], [900.0, 950.0]])
    center = torch.tensor([[510.0, 390.0], [500.0, 400.0]])

    image, factor = camera_to_image_coord(2, poses, focal, center)

    pixels = poses[..., :2] / poses[..., 2:] * focal[:, None, None] + center[:, None, None]
    torch.testing.assert_close(image[..., :2] * 1000, pixels)
    depth = poses[..., 2] - poses[:, :, 2:3, 2]
    torch.testing.assert_close(image[..., 2] * factor[..., None], depth)
    # Half of what 2 units at the depth of the root measure in thousands of pixels.
    scale = focal[:, None, 0] / 1000 / poses[:, :, 2, 2]
    torch.testing.assert_close(1 / factor, scale + 0.0005)
