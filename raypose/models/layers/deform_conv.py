"""Deformable convolution: every element of the kernel reads where an offset sends it.

Dai et al.: "Deformable Convolutional Networks", ICCV 2017. Written in torch's own operations, with
the layout of weights and offsets that mmcv's `DeformConv2d` has.

B samples, C channels, G groups of offsets, P elements of the kernel, H and W of the output.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.modules.utils import _pair

from raypose.errors import ConfigError, RayposeError

IntOrPair = int | tuple[int, int]


class DeformConv2d(nn.Module):
    """A convolution without bias whose samples are moved by offsets.

    Args:
        in_channels: channels of the input.
        out_channels: channels of the output.
        kernel_size: size of the kernel, (height, width) or one number; so are the next three.
        stride: stride of the convolution.
        padding: zeros on each side.
        dilation: spacing of the kernel's elements.
        groups: groups of channels.
        deform_groups: G; channels of a group move together.

    Raises:
        ConfigError: if channels cannot be shared out among the groups.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: IntOrPair,
        stride: IntOrPair = 1,
        padding: IntOrPair = 0,
        dilation: IntOrPair = 1,
        groups: int = 1,
        deform_groups: int = 1,
    ) -> None:
        super().__init__()
        if in_channels % groups or out_channels % groups or in_channels % deform_groups:
            raise ConfigError(
                f"DeformConv2d: {in_channels} and {out_channels} channels cannot be shared out "
                f"among {groups} groups and {deform_groups} groups of offsets"
            )
        self.kernel_size: tuple[int, int] = _pair(kernel_size)
        self.stride: tuple[int, int] = _pair(stride)
        self.padding: tuple[int, int] = _pair(padding)
        self.dilation: tuple[int, int] = _pair(dilation)
        self.groups = groups
        self.deform_groups = deform_groups
        self.weight = nn.Parameter(
            torch.empty(out_channels, in_channels // groups, *self.kernel_size)
        )
        nn.init.kaiming_uniform_(self.weight, nonlinearity="relu")

    def forward(self, x: Tensor, offset: Tensor) -> Tensor:
        """Return (B, out_channels, H, W) from (B, in_channels, H', W').

        Args:
            x: the input.
            offset: (B, G * P * 2, H, W): for each group and each element of the kernel, row after
                row, how far down and how far right it is moved, in cells of the input.

        Raises:
            RayposeError: if the offsets are of another shape.
        """
        return deform_conv2d(
            x,
            offset,
            self.weight,
            self.stride,
            self.padding,
            self.dilation,
            self.groups,
            self.deform_groups,
        )


def deform_conv2d(
    x: Tensor,
    offset: Tensor,
    weight: Tensor,
    stride: tuple[int, int] = (1, 1),
    padding: tuple[int, int] = (0, 0),
    dilation: tuple[int, int] = (1, 1),
    groups: int = 1,
    deform_groups: int = 1,
) -> Tensor:
    """Compute a deformable convolution; see `DeformConv2d`.

    What lies outside of the input is zero, and samples next to its border mix with these zeros.

    Raises:
        RayposeError: if the offsets are not of the shape that belongs to the input.
    """
    kernel = tuple(weight.shape[-2:])
    H, W = (
        (x.shape[2 + axis] + 2 * padding[axis] - dilation[axis] * (kernel[axis] - 1) - 1)
        // stride[axis]
        + 1
        for axis in (0, 1)
    )
    B = x.shape[0]
    wanted = (B, 2 * deform_groups * kernel[0] * kernel[1], H, W)
    if tuple(offset.shape) != wanted:
        raise RayposeError(
            f"a deformable convolution of {tuple(x.shape)} needs offsets {wanted}, "
            f"got {tuple(offset.shape)}"
        )
    offset = offset.reshape(B, deform_groups, *kernel, 2, H, W)
    columns = _samples(x, offset, stride, padding, dilation).reshape(B, groups, -1, H * W)
    return (weight.reshape(groups, -1, columns.shape[2]) @ columns).view(B, -1, H, W)


def _samples(
    x: Tensor,
    offset: Tensor,
    stride: tuple[int, int],
    padding: tuple[int, int],
    dilation: tuple[int, int],
) -> Tensor:
    """Read the input (B, C, H', W') where offsets (B, G, h, w, 2, H, W) say: (B, C * P, H, W)."""
    B, groups, h, w, _, H, W = offset.shape
    rows, columns = x.shape[-2:]
    # Positions in half precision would be off by parts of a cell.
    offset = offset.to(torch.promote_types(offset.dtype, torch.float32))
    positions = []
    for axis, (length, cells, elements) in enumerate(((rows, H, h), (columns, W, w))):
        first = torch.arange(cells, device=x.device) * stride[axis] - padding[axis]
        step = torch.arange(elements, device=x.device) * dilation[axis]
        place = (first + step[:, None]).view((h, 1, H, 1) if axis == 0 else (1, w, 1, W))
        # For grid_sample -1 and 1 are the outer borders of the first and the last cell.
        positions.append((2 * (offset[:, :, :, :, axis] + place) + 1) / length - 1)
    grid = torch.stack(positions[::-1], dim=-1).view(B * groups, h * w * H, W, 2)
    maps = x.reshape(B * groups, -1, rows, columns).to(grid.dtype)
    found = F.grid_sample(maps, grid, mode="bilinear", padding_mode="zeros", align_corners=False)
    return found.reshape(B, -1, H, W).to(x.dtype)
