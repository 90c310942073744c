"""Losses between 3D poses.

B sequences, T frames, K keypoints, D dimensions.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from raypose.models.losses.regression import CoordinateLoss
from raypose.models.losses.weighting import required_weight, trailing_ones
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
        return _mean_length(output - target)


@MODELS.register_module()
class MPJPEVelocityJointLoss(nn.Module):
    """Errors of positions, of positions scaled to fit best, and of movements between frames.

    Zhu et al.: "MotionBERT: A Unified Perspective on Learning Human Motion Representations", ICCV
    2023.

    Args:
        use_target_weight: multiply by the weights.
        loss_weight: factor of the result.
        lambda_scale: factor of the error of scaled positions.
        lambda_3d_velocity: factor of the error of movements.

    Example:
        type: MPJPEVelocityJointLoss
        lambda_scale: 0.5
        lambda_3d_velocity: 20.0
    """

    def __init__(
        self,
        use_target_weight: bool = False,
        loss_weight: float = 1.0,
        lambda_scale: float = 0.5,
        lambda_3d_velocity: float = 20.0,
    ) -> None:
        super().__init__()
        self.use_target_weight = use_target_weight
        self.loss_weight = loss_weight
        self.lambda_scale = lambda_scale
        self.lambda_3d_velocity = lambda_3d_velocity

    def forward(
        self, output: Tensor, target: Tensor, target_weight: Tensor | None = None
    ) -> Tensor:
        """Return the loss.

        Args:
            output: (B, T, K, D).
            target: (B, T, K, D).
            target_weight: (B, T, K, D), or fewer axes: those behind are added. A movement counts
                as much as the lesser of its two frames.

        Raises:
            RayposeError: if weights are missing or do not fit.
        """
        weight = output.new_ones(1, 1, 1)
        if self.use_target_weight:
            weight = trailing_ones(required_weight(self, target_weight), output)
        # The factor that scales the pose of each frame to fit its target best.
        product = (target * output).sum(dim=-1).mean(dim=-1)
        square = output.square().sum(dim=-1).mean(dim=-1)
        factor = product / square.clamp(min=torch.finfo(square.dtype).tiny)
        scaled = factor[..., None, None] * output
        loss = _mean_length((output - target) * weight)
        loss = loss + self.lambda_scale * _mean_length((scaled - target) * weight)
        if weight.shape[-3] > 1:
            weight = torch.minimum(weight[..., 1:, :, :], weight[..., :-1, :, :])
        movement = (output.diff(dim=-3) - target.diff(dim=-3)) * weight
        return (loss + self.lambda_3d_velocity * _mean_length(movement)) * self.loss_weight


def _mean_length(vectors: Tensor) -> Tensor:
    return torch.linalg.vector_norm(vectors, dim=-1).mean()
