"""`BaseBackbone`: what every feature extractor is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

from torch import Tensor

from raypose.models.base_module import BaseModule


class BaseBackbone(BaseModule, ABC):
    """Parent of backbones: a plain `nn.Module` that returns a tuple of feature maps."""

    @abstractmethod
    def forward(self, x: Tensor) -> tuple[Tensor, ...] | Any:
        """Return feature maps (B, C_i, H_i, W_i), one for each of `out_indices`.

        Args:
            x: (B, 3, H, W) float32, normalised.
        """
