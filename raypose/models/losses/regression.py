"""Losses between predicted and target coordinates.

N instances, K keypoints, D dimensions. Weights are (N, K, D), (N, K, 1) or, where the class says
so, have fewer axes.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from raypose.models.losses.weighting import (
    REDUCTIONS,
    check_choice,
    reduce,
    required_weight,
    trailing_ones,
)
from raypose.registry import MODELS


class CoordinateLoss(nn.Module, ABC):
    """Parent of losses that multiply both sides by the weights before they compare them.

    Args:
        use_target_weight: multiply by the weights.
        loss_weight: factor of the result.
    """

    def __init__(self, use_target_weight: bool = False, loss_weight: float = 1.0) -> None:
        super().__init__()
        self.use_target_weight = use_target_weight
        self.loss_weight = loss_weight

    def forward(
        self, output: Tensor, target: Tensor, target_weight: Tensor | None = None
    ) -> Tensor:
        """Return the loss.

        Args:
            output: (N, K, D).
            target: (N, K, D).
            target_weight: (N, K, D), or fewer axes: those behind are added.

        Raises:
            RayposeError: if weights are missing or do not fit.
        """
        if self.use_target_weight:
            weight = trailing_ones(required_weight(self, target_weight), output)
            output, target = output * weight, target * weight
        return self.criterion(output, target) * self.loss_weight

    @abstractmethod
    def criterion(self, output: Tensor, target: Tensor) -> Tensor:
        """Compare weighted coordinates."""


@MODELS.register_module()
class MSELoss(CoordinateLoss):
    """Mean squared error of coordinates.

    Args: see `CoordinateLoss`.

    Example:
        type: MSELoss
        use_target_weight: true
    """

    def criterion(self, output: Tensor, target: Tensor) -> Tensor:
        """Return the mean."""
        return F.mse_loss(output, target)


@MODELS.register_module()
class L1Loss(CoordinateLoss):
    """Absolute error of coordinates.

    Args:
        reduction: `mean`, `sum` or `none`.
        use_target_weight: multiply by the weights.
        loss_weight: factor of the result.

    Raises:
        ConfigError: for another `reduction`.

    Example:
        type: L1Loss
        reduction: sum
    """

    def __init__(
        self,
        reduction: str = "mean",
        use_target_weight: bool = False,
        loss_weight: float = 1.0,
    ) -> None:
        super().__init__(use_target_weight, loss_weight)
        self.reduction = check_choice(self, "reduction", reduction, REDUCTIONS)

    def criterion(self, output: Tensor, target: Tensor) -> Tensor:
        """Return the reduced error."""
        return reduce((output - target).abs(), self.reduction)


@MODELS.register_module()
class SmoothL1Loss(CoordinateLoss):
    """Absolute error of coordinates, squared where it is below 1.

    Args: see `CoordinateLoss`.

    Example:
        type: SmoothL1Loss
        use_target_weight: true
    """

    def criterion(self, output: Tensor, target: Tensor) -> Tensor:
        """Return the mean."""
        return F.smooth_l1_loss(output, target)


@MODELS.register_module()
class SoftWeightSmoothL1Loss(nn.Module):
    """Smooth L1 whose error, not whose coordinates, is multiplied by the weights.

    Args:
        use_target_weight: multiply by the weights.
        supervise_empty: divide by the number of all values instead of the number of weights
            above zero.
        beta: error at which the loss becomes linear.
        loss_weight: factor of the result.

    Example:
        type: SoftWeightSmoothL1Loss
        use_target_weight: true
        supervise_empty: false
        beta: 0.1111
    """

    def __init__(
        self,
        use_target_weight: bool = False,
        supervise_empty: bool = True,
        beta: float = 1.0,
        loss_weight: float = 1.0,
    ) -> None:
        super().__init__()
        self.use_target_weight = use_target_weight
        self.supervise_empty = supervise_empty
        self.beta = beta
        self.loss_weight = loss_weight

    def forward(
        self, output: Tensor, target: Tensor, target_weight: Tensor | None = None
    ) -> Tensor:
        """Return the loss.

        Args:
            output: (N, K, D).
            target: (N, K, D).
            target_weight: (N, K, D), or fewer axes: those behind are added.

        Raises:
            RayposeError: if weights are missing or do not fit.
        """
        if not self.use_target_weight:
            return F.smooth_l1_loss(output, target, beta=self.beta) * self.loss_weight
        weight = trailing_ones(required_weight(self, target_weight), output)
        error = F.smooth_l1_loss(output, target, reduction="none", beta=self.beta) * weight
        if self.supervise_empty:
            return error.mean() * self.loss_weight
        return error.sum() / (weight > 0).sum().clamp(min=1) * self.loss_weight


@MODELS.register_module()
class WingLoss(CoordinateLoss):
    """Wing loss: logarithmic for small errors, linear for large ones.

    Feng et al.: "Wing Loss for Robust Facial Landmark Localisation with Convolutional Neural
    Networks", CVPR 2018.

    Args:
        omega: error at which the loss becomes linear.
        epsilon: curvature of the logarithmic part.
        use_target_weight: multiply by the weights.
        loss_weight: factor of the result.

    Example:
        type: WingLoss
        use_target_weight: true
    """

    def __init__(
        self,
        omega: float = 10.0,
        epsilon: float = 2.0,
        use_target_weight: bool = False,
        loss_weight: float = 1.0,
    ) -> None:
        super().__init__(use_target_weight, loss_weight)
        self.omega = omega
        self.epsilon = epsilon

    def criterion(self, output: Tensor, target: Tensor) -> Tensor:
        """Return the sum over keypoints and dimensions, averaged over instances."""
        error = (target - output).abs()
        curved = self.omega * torch.log(1 + error / self.epsilon)
        drop = self.omega - self.omega * math.log(1 + self.omega / self.epsilon)
        return torch.where(error < self.omega, curved, error - drop).sum(dim=(1, 2)).mean()


@MODELS.register_module()
class SoftWingLoss(CoordinateLoss):
    """Soft wing loss: linear for small errors, logarithmic for large ones.

    Lin et al.: "Structure-Coherent Deep Feature Learning for Robust Face Alignment", TIP 2021.

    Args:
        omega1: error at which the loss becomes logarithmic.
        omega2: height of the logarithmic part.
        epsilon: curvature of the logarithmic part.
        use_target_weight: multiply by the weights.
        loss_weight: factor of the result.

    Example:
        type: SoftWingLoss
        use_target_weight: true
    """

    def __init__(
        self,
        omega1: float = 2.0,
        omega2: float = 20.0,
        epsilon: float = 0.5,
        use_target_weight: bool = False,
        loss_weight: float = 1.0,
    ) -> None:
        super().__init__(use_target_weight, loss_weight)
        self.omega1 = omega1
        self.omega2 = omega2
        self.epsilon = epsilon

    def criterion(self, output: Tensor, target: Tensor) -> Tensor:
        """Return the sum over keypoints and dimensions, averaged over instances."""
        error = (target - output).abs()
        rise = self.omega1 - self.omega2 * math.log(1 + self.omega1 / self.epsilon)
        curved = self.omega2 * torch.log(1 + error / self.epsilon) + rise
        return torch.where(error < self.omega1, error, curved).sum(dim=(1, 2)).mean()
