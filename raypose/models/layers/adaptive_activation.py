"""`AdaptiveActivationBlock`: each keypoint's channels look where that keypoint's pixels are."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from raypose.models.layers.deform_conv import DeformConv2d


class AdaptiveActivationBlock(nn.Module):
    """A deformable 3x3 convolution whose window is an affine image of the usual one.

    Geng et al.: "Bottom-Up Human Pose Estimation Via Disentangled Keypoint Regression", CVPR 2021.
    The affine map is predicted at every cell, for each group of channels.

    Args:
        channels: channels of the input and the output.
        groups: groups of channels that do not mix, one for each keypoint.
    """

    regular_matrix: Tensor

    def __init__(self, channels: int, groups: int = 1) -> None:
        super().__init__()
        self.groups = groups
        # The window's rows, columns and a one that takes the map's shift.
        step = torch.tensor([-1.0, 0.0, 1.0])
        window = [step.repeat_interleave(3), step.repeat(3), torch.ones(9)]
        self.register_buffer("regular_matrix", torch.stack(window))
        self.transform_matrix_conv = nn.Conv2d(
            channels, 6 * groups, 3, padding=1, groups=groups, bias=True
        )
        self.adapt_conv = DeformConv2d(
            channels, channels, 3, padding=1, groups=groups, deform_groups=groups
        )
        self.norm = nn.BatchNorm2d(channels)
        self.act = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, C, H, W) from the same shape."""
        B, _, H, W = x.shape
        maps = self.transform_matrix_conv(x).reshape(B, self.groups, 2, 3, H, W)
        offset = torch.einsum("bgdkhw,kp->bgpdhw", maps, self.regular_matrix)
        return self.act(self.norm(self.adapt_conv(x, offset.reshape(B, -1, H, W))) + x)
