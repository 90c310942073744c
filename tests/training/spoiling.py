"""A backbone of a user's module whose output is no number for some batches of one process."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch.distributed
from torch import Tensor

from raypose.registry import MODELS
from tests.tiny_runs import TinyBackbone


@MODELS.register_module(force=True)
class SpoilingBackbone(TinyBackbone):
    """`TinyBackbone` that fails at times.

    Args:
        batches: of the training, counted from 0, for which it gives NaN.
        rank: process that it happens in.
        **options: those of `TinyBackbone`.
    """

    def __init__(self, batches: Sequence[int], rank: int, **options: Any) -> None:
        super().__init__(**options)
        self.batches = batches
        self.rank = rank
        self.count = 0

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        (output,) = super().forward(x)
        if self.training:
            spoiled = self.count in self.batches and torch.distributed.get_rank() == self.rank
            self.count += 1
            return (output * float("nan") if spoiled else output,)
        return (output,)
