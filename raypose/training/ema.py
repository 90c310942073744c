"""Exponential moving average of weights, evaluated and saved in place of the raw ones."""

from __future__ import annotations

import copy
import math
from typing import Generic, TypeVar

import torch
from torch import nn

Model = TypeVar("Model", bound=nn.Module)


class ExponentialMovingAverage(Generic[Model]):
    """A slow copy of a model.

    At step n the average moves by `momentum + (1 - momentum) * exp(-(1 + n) / gamma)` towards
    the model, so that it follows closely at first (MMDetection's `ExpMomentumEMA`).

    Args:
        model: the model that is trained.
        momentum: share of the new weights in the long run.
        gamma: how many steps the fast start lasts; None for a constant share.
        update_buffers: average batch statistics too instead of copying them.
    """

    def __init__(
        self,
        model: Model,
        momentum: float = 0.0002,
        gamma: int | None = 2000,
        update_buffers: bool = True,
    ) -> None:
        self.module: Model = copy.deepcopy(model).eval().requires_grad_(False)
        self.momentum = momentum
        self.gamma = gamma
        self.steps = 0
        names = set(dict(model.named_parameters()))
        if update_buffers:
            names |= set(model.state_dict())
        self._averaged = [
            name
            for name, value in model.state_dict().items()
            if name in names and value.is_floating_point()
        ]

    @torch.no_grad()
    def update(self, model: nn.Module) -> None:
        """Move towards the model; what is not averaged is copied."""
        share = self.momentum
        if self.gamma is not None:
            share += (1 - self.momentum) * math.exp(-(1 + self.steps) / self.gamma)
        self.steps += 1
        ours, theirs = self.module.state_dict(), model.state_dict()
        # One kernel for all parameters; torch exports it without saying so.
        torch._foreach_lerp_(  # pyright: ignore[reportPrivateImportUsage]
            [ours[name] for name in self._averaged],
            [theirs[name] for name in self._averaged],
            share,
        )
        for name in ours.keys() - set(self._averaged):
            ours[name].copy_(theirs[name])
