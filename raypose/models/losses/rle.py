"""Residual log-likelihood estimation: regression that learns how its errors are distributed."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from raypose.models.layers.real_nvp import RealNVP
from raypose.models.losses.weighting import check_choice, required_weight
from raypose.registry import MODELS


@MODELS.register_module()
class RLELoss(nn.Module):
    """Negative log-likelihood of coordinates under a learned error distribution.

    Li et al.: "Human Pose Regression with Residual Log-likelihood Estimation", ICCV 2021.

    Args:
        use_target_weight: multiply by the weights.
        size_average: divide by the number of instances.
        residual: let the flow learn what a plain distribution leaves over, and add that
            distribution's likelihood.
        q_distribution: the plain distribution, `laplace` or `gaussian`.

    Raises:
        ConfigError: for another `q_distribution`.

    Example:
        type: RLELoss
        use_target_weight: true
    """

    def __init__(
        self,
        use_target_weight: bool = False,
        size_average: bool = True,
        residual: bool = True,
        q_distribution: str = "laplace",
    ) -> None:
        super().__init__()
        self.use_target_weight = use_target_weight
        self.size_average = size_average
        self.residual = residual
        self.q_distribution = check_choice(
            self, "q_distribution", q_distribution, ("laplace", "gaussian")
        )
        self.flow_model = RealNVP()

    def forward(
        self,
        pred: Tensor,
        sigma: Tensor,
        target: Tensor,
        target_weight: Tensor | None = None,
    ) -> Tensor:
        """Return the sum over keypoints and coordinates, averaged or summed over instances.

        Args:
            pred: (N, K, 2) coordinates.
            sigma: (N, K, 2) spreads before their sigmoid.
            target: (N, K, 2).
            target_weight: (N, K, 2) or (N, K, 1).

        Raises:
            RayposeError: if weights are missing.
        """
        sigma = sigma.sigmoid()
        error = (pred - target) / (sigma + 1e-9)
        log_density = self.flow_model.log_prob(error.reshape(-1, 2)).reshape(*error.shape[:2], 1)
        loss = torch.log(sigma) - log_density
        if self.residual:
            loss = loss + self._plain(error, sigma)
        if self.use_target_weight:
            loss = loss * required_weight(self, target_weight)
        return loss.sum() / len(loss) if self.size_average else loss.sum()

    def _plain(self, error: Tensor, sigma: Tensor) -> Tensor:
        """Return the negative log-likelihood of the plain distribution."""
        if self.q_distribution == "laplace":
            return torch.log(2 * sigma) + error.abs()
        return torch.log(sigma * math.sqrt(2 * math.pi)) + 0.5 * error.square()
