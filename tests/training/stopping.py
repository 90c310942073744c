"""A backbone of a user's module that asks its run to stop."""

from __future__ import annotations

import os
import signal
from typing import Any

import torch.distributed
from torch import Tensor

from raypose.registry import MODELS
from tests.tiny_runs import TinyBackbone


@MODELS.register_module(force=True)
class StoppingBackbone(TinyBackbone):
    """`TinyBackbone` that sends SIGTERM to its process.

    Args:
        batch: of the training, counted from 0, in which it does.
        rank: process that it happens in.
        **options: those of `TinyBackbone`.
    """

    def __init__(self, batch: int, rank: int, **options: Any) -> None:
        super().__init__(**options)
        self.batch = batch
        self.rank = rank
        self.count = 0

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        if self.training:
            if self.count == self.batch and torch.distributed.get_rank() == self.rank:
                os.kill(os.getpid(), signal.SIGTERM)
            self.count += 1
        return super().forward(x)
