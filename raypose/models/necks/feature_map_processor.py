"""Choosing, stacking, enlarging maps before a head."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from raypose.errors import ConfigError
from raypose.registry import MODELS


@MODELS.register_module()
class FeatureMapProcessor(nn.Module):
    """Choose maps, stack them at the size of the first, apply ReLU and rescale, in this order.

    Args:
        select_index: which maps go on; all by default.
        concat: stack them along their channels, to one map.
        scale_factor: enlarge by this factor.
        apply_relu: cut off negative values.
        align_corners: of the interpolation.

    Raises:
        ConfigError: for a `scale_factor` that is not positive.

    Example:
        type: FeatureMapProcessor
        concat: true
    """

    def __init__(
        self,
        select_index: int | Sequence[int] | None = None,
        concat: bool = False,
        scale_factor: float = 1.0,
        apply_relu: bool = False,
        align_corners: bool = False,
    ) -> None:
        super().__init__()
        if scale_factor <= 0:
            raise ConfigError(f"FeatureMapProcessor: scale_factor is positive, got {scale_factor}")
        self.select_index = (select_index,) if isinstance(select_index, int) else select_index
        self.concat = concat
        self.scale_factor = scale_factor
        self.apply_relu = apply_relu
        self.align_corners = align_corners

    def forward(self, feats: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """Return maps (B, C_i, H_i, W_i) from maps."""
        maps = list(feats)
        if self.select_index is not None:
            maps = [maps[i] for i in self.select_index]
        if self.concat:
            size = maps[0].shape[-2:]
            maps = [torch.cat([maps[0], *[self._resize(x, size) for x in maps[1:]]], dim=1)]
        if self.apply_relu:
            maps = [F.relu(x) for x in maps]
        if self.scale_factor != 1.0:
            maps = [self._rescale(x) for x in maps]
        return tuple(maps)

    def _resize(self, x: Tensor, size: tuple[int, ...]) -> Tensor:
        if x.shape[-2:] == size:
            return x
        return F.interpolate(x, list(size), mode="bilinear", align_corners=self.align_corners)

    def _rescale(self, x: Tensor) -> Tensor:
        return F.interpolate(
            x,
            scale_factor=self.scale_factor,
            mode="bilinear",
            align_corners=self.align_corners,
        )
