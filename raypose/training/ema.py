"""Exponential moving average of weights, evaluated and saved in place of the raw ones."""

from __future__ import annotations

import copy
import math

import torch
from torch import nn


class ExponentialMovingAverage:
    """A slow copy of a model.

    The average moves by `momentum + (1 - momentum) * exp(-(1 + steps) / gamma)` towards the model
    at each step, so that it follows closely at first (MMDetection's `ExpMomentumEMA`).

    Args:
        model: the model that is trained.
        momentum: share of the new weights in the long run.
        gamma: how many steps the fast start lasts.
    """

    def __init__(self, model: nn.Module, momentum: float = 0.0002, gamma: int = 2000) -> None:
        self.module = copy.deepcopy(model).eval().requires_grad_(False)
        self.momentum = momentum
        self.gamma = gamma
        self.steps = 0

    @torch.no_grad()
    def update(self, model: nn.Module) -> None:
        """Move towards the model; buffers that are not floating point are copied."""
        share = self.momentum
        share += (1 - self.momentum) * math.exp(-(1 + self.steps) / self.gamma)
        self.steps += 1
        ours, theirs = self.module.state_dict(), model.state_dict()
        floating = [key for key, value in ours.items() if value.is_floating_point()]
        torch._foreach_lerp_(  # one kernel for all parameters
            [ours[key] for key in floating], [theirs[key] for key in floating], share
        )
        for key in ours.keys() - set(floating):
            ours[key].copy_(theirs[key])
