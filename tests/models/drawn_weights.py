"""Weights and inputs that depend on names and shapes only, as the reference numbers use them."""

from __future__ import annotations

import math
import zlib
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor, nn

INPUT_SEED = 20240101
M = TypeVar("M", bound=nn.Module)


@torch.no_grad()
def draw_weights(module: M) -> M:
    """Overwrite the weights: each state-dict entry from a generator seeded by its key.

    Vectors called `weight` and variances are uniform in 0.5..1.5, biases and means normal with
    deviation 0.1, everything else normal with the deviation sqrt(1 / fan in). Buffers other than
    running statistics stay.
    """
    parameters = {name for name, _ in module.named_parameters(remove_duplicate=False)}
    for key, tensor in module.state_dict().items():
        name = key.rsplit(".", 1)[-1]
        shape = tuple(tensor.shape)
        random = np.random.default_rng(zlib.crc32(key.encode()))
        if name == "num_batches_tracked":
            tensor.zero_()
        elif name == "running_var" or (name == "weight" and len(shape) == 1 and key in parameters):
            tensor.copy_(torch.from_numpy(random.uniform(0.5, 1.5, shape)))
        elif name == "running_mean" or (name == "bias" and key in parameters):
            tensor.copy_(torch.from_numpy(random.normal(0, 0.1, shape)))
        elif key in parameters:
            fan_in = math.prod(shape[1:]) if len(shape) > 1 else math.prod(shape)
            values = random.normal(0, 1, shape) * math.sqrt(1 / max(fan_in, 1))
            tensor.copy_(torch.from_numpy(np.asarray(values)))
    return module


def normal_input(shape: tuple[int, ...], seed: int = INPUT_SEED) -> Tensor:
    """Return standard normal float32."""
    return torch.from_numpy(np.random.default_rng(seed).normal(0, 1, shape).astype(np.float32))
