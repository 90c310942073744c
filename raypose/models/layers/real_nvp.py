"""A normalising flow over points of the plane (N, 2), as residual log-likelihood uses it."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

STEPS = 6
HIDDEN = 64


class RealNVP(nn.Module):
    """Density of 2D points by six affine coupling steps over a standard normal distribution.

    Dinh et al.: "Density Estimation using Real NVP", ICLR 2017. Step i keeps the coordinates
    that `mask[i]` names and shifts and scales the others by what it reads from those. `loc` and
    `cov` describe the standard normal; they are here because checkpoints hold them.
    """

    loc: Tensor
    cov: Tensor
    mask: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("loc", torch.zeros(2))
        self.register_buffer("cov", torch.tensor([[1.0, 0.0], [0.0, 1.0]]))
        self.register_buffer("mask", torch.tensor([[0.0, 1.0], [1.0, 0.0]] * (STEPS // 2)))
        self.s = nn.ModuleList(nn.Sequential(*_perceptron(), nn.Tanh()) for _ in range(STEPS))
        self.t = nn.ModuleList(nn.Sequential(*_perceptron()) for _ in range(STEPS))
        for module in self.modules():
            if isinstance(module, nn.Linear):
                # Close to the identity, so that training starts from the plain distribution.
                nn.init.xavier_uniform_(module.weight, gain=0.01)

    def to_base(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Map data to the base distribution.

        Args:
            x: (N, 2).

        Returns:
            Points (N, 2) and the logarithm of the Jacobian's determinant (N,).
        """
        log_det = x.new_zeros(len(x))
        for kept, scale, shift in zip(
            reversed(self.mask.unbind()), reversed(self.s), reversed(self.t), strict=True
        ):
            moved = 1 - kept
            seen = x * kept
            log_scale = scale(seen) * moved
            x = seen + moved * (x - shift(seen)) * torch.exp(-log_scale)
            log_det = log_det - log_scale.sum(dim=1)
        return x, log_det

    def log_prob(self, x: Tensor) -> Tensor:
        """Return the logarithm (N,) of the density at points (N, 2)."""
        z, log_det = self.to_base(x)
        return log_det - 0.5 * z.square().sum(dim=1) - math.log(2 * math.pi)


def _perceptron() -> list[nn.Module]:
    return [
        nn.Linear(2, HIDDEN),
        nn.LeakyReLU(),
        nn.Linear(HIDDEN, HIDDEN),
        nn.LeakyReLU(),
        nn.Linear(HIDDEN, 2),
    ]
