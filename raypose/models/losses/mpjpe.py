"""Losses between 3D poses."""

from __future__ import annotations

import torch
from torch import Tensor

from raypose.models.losses.regression import CoordinateLoss
from raypose.registry import MODELS


@MODELS.register_module()
class MPJPELoss(CoordinateLoss):
    """Mean distance of keypoints (mean per-joint position error).

    Args:
        use_target_weight: multiply by the weights.
        loss_weight: factor of the result.

    Example:
        type: MPJPELoss
        use_target_weight: true
    """

    def criterion(self, output: Tensor, target: Tensor) -> Tensor:
        """Return the mean over instances (or frames) and keypoints."""
        return torch.linalg.vector_norm(output - target, dim=-1).mean()
