"""`MlvlPointGenerator`: the points that the cells of feature maps stand for."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from raypose.errors import RayposeError
from raypose.registry import MODELS


@MODELS.register_module()
class MlvlPointGenerator:
    """One point for each cell of each map, in pixels of the network's input.

    Args:
        strides: of each map, one number or (x, y).
        offset: of the point within its cell, in cells.
        centralize_points: put the point on the middle pixel of the cell, (stride - 1) / 2,
            instead.

    Example:
        type: MlvlPointGenerator
        strides: [8, 16, 32]
        offset: 0
    """

    def __init__(
        self,
        strides: Sequence[int | Sequence[int]],
        offset: float = 0.5,
        centralize_points: bool = False,
    ) -> None:
        self.strides = [(s, s) if isinstance(s, int) else (s[0], s[1]) for s in strides]
        self.offset = 0.0 if centralize_points else offset
        self.centralize_points = centralize_points

    def grid_priors(
        self,
        featmap_sizes: Sequence[Sequence[int]],
        dtype: torch.dtype = torch.float32,
        device: torch.device | str = "cpu",
    ) -> Tensor:
        """Return (A, 4): x, y and the stride in x and y, of all cells, map after map, row by row.

        Args:
            featmap_sizes: (h, w) of each map.
            dtype: of the result.
            device: of the result.

        Raises:
            RayposeError: for another number of maps than strides.
        """
        if len(featmap_sizes) != len(self.strides):
            raise RayposeError(
                f"MlvlPointGenerator has {len(self.strides)} strides for {len(featmap_sizes)} maps"
            )
        levels = []
        for (height, width), (stride_x, stride_y) in zip(featmap_sizes, self.strides, strict=True):
            x = self._axis(width, stride_x, dtype, device)
            y = self._axis(height, stride_y, dtype, device)
            columns = [
                x.expand(height, width),
                y[:, None].expand(height, width),
                torch.full((height, width), float(stride_x), dtype=dtype, device=device),
                torch.full((height, width), float(stride_y), dtype=dtype, device=device),
            ]
            levels.append(torch.stack(columns, dim=-1).flatten(0, 1))
        return torch.cat(levels)

    def _axis(
        self, length: int, stride: int, dtype: torch.dtype, device: torch.device | str
    ) -> Tensor:
        points = (torch.arange(length, dtype=dtype, device=device) + self.offset) * stride
        return points + (stride - 1) / 2 if self.centralize_points else points
