"""Exponential moving average of weights, evaluated and saved in place of the raw ones."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator, Mapping

import torch
from torch import Tensor, nn

from raypose.training.sharding import ours, spread_weights


class ExponentialMovingAverage:
    """A slow copy of a model's weights.

    At step n the average moves by `momentum + (1 - momentum) * exp(-(1 + n) / gamma)` towards
    the model, so that it follows closely at first (MMDetection's `ExpMomentumEMA`).

    Args:
        model: the model that is trained; where its weights are spread, so is the average.
        momentum: share of the new weights in the long run.
        gamma: how many steps the fast start lasts; None for a constant share.
        update_buffers: average batch statistics too instead of copying them.

    Attributes:
        values: the average, by the names of the model's `state_dict`.
        steps: how often it has moved.
    """

    def __init__(
        self,
        model: nn.Module,
        momentum: float = 0.0002,
        gamma: int | None = 2000,
        update_buffers: bool = True,
    ) -> None:
        self.momentum = momentum
        self.gamma = gamma
        self.steps = 0
        self.values: dict[str, Tensor] = {
            name: value.detach().clone() for name, value in model.state_dict().items()
        }
        self._model = model
        names = set(dict(model.named_parameters()))
        if update_buffers:
            names |= set(self.values)
        self._averaged = [
            name
            for name, value in self.values.items()
            if name in names and value.is_floating_point()
        ]

    @torch.no_grad()
    def update(self) -> None:
        """Move towards the model; what is not averaged is copied."""
        share = self.momentum
        if self.gamma is not None:
            share += (1 - self.momentum) * math.exp(-(1 + self.steps) / self.gamma)
        self.steps += 1
        theirs = self._model.state_dict()
        # One kernel for all parameters; torch exports it without saying so.
        torch._foreach_lerp_(  # pyright: ignore[reportPrivateImportUsage]
            [ours(self.values[name]) for name in self._averaged],
            [ours(theirs[name]) for name in self._averaged],
            share,
        )
        for name in self.values.keys() - set(self._averaged):
            self.values[name].copy_(theirs[name])

    @contextlib.contextmanager
    def in_place(self) -> Iterator[None]:
        """Let the model have the average for its weights within the block."""
        theirs = self._model.state_dict()
        kept = {name: ours(value).clone() for name, value in theirs.items()}
        _copy(self.values, theirs)
        try:
            yield
        finally:
            # Buffers may have been made alike on all processes meanwhile.
            _copy(theirs, self.values)
            _copy(kept, theirs)

    def restore(self, values: Mapping[str, Tensor], steps: int) -> None:
        """Go on from an average of whole tensors after some steps."""
        _copy(spread_weights(values, self._model), self.values)
        self.steps = steps


@torch.no_grad()
def _copy(source: Mapping[str, Tensor], target: Mapping[str, Tensor]) -> None:
    for name, value in source.items():
        ours(target[name]).copy_(ours(value))
