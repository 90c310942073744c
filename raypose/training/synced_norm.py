"""Batch norms with statistics over all processes, on CPUs; torch has them for GPUs only."""

from __future__ import annotations

from typing import Any

import torch
import torch.distributed
from torch import Tensor, nn
from torch.autograd import Function


class SyncedBatchNorm(nn.modules.batchnorm._BatchNorm):
    """`torch.nn.SyncBatchNorm` for any device: mean and variance are those of the whole batch.

    Processes may have unequal shares of it. Takes the arguments of `torch.nn.BatchNorm2d`.
    """

    def forward(self, input: Tensor) -> Tensor:
        """Return (B, C, ...) normalised."""
        if not self.training or not self.track_running_stats:
            return super().forward(input)
        assert self.running_mean is not None
        assert self.running_var is not None
        assert self.num_batches_tracked is not None
        dims = [0, *range(2, input.ndim)]
        shape = [1, -1, *[1] * (input.ndim - 2)]
        wide = input.float()
        count = _over_all(torch.full((), wide.numel() / wide.shape[1], device=wide.device))
        mean = _over_all(wide.sum(dims)) / count
        centered = wide - mean.view(shape)
        variance = _over_all(centered.square().sum(dims)) / count
        with torch.no_grad():
            self.num_batches_tracked += 1
            share = self.momentum
            if share is None:
                share = 1.0 / float(self.num_batches_tracked)
            unbiased = variance * (count / (count - 1).clamp(min=1))
            self.running_mean.lerp_(mean.to(self.running_mean.dtype), share)
            self.running_var.lerp_(unbiased.to(self.running_var.dtype), share)
        output = centered * torch.rsqrt(variance + self.eps).view(shape)
        if self.affine:
            output = output * self.weight.view(shape) + self.bias.view(shape)
        return output.to(input.dtype)

    def _check_input_dim(self, input: Tensor) -> None:
        if input.ndim < 2:
            raise ValueError(f"expected (B, C, ...), got {tuple(input.shape)}")


def sync_batch_norms(module: nn.Module, device: torch.device) -> None:
    """Exchange the batch norms below a module for ones with statistics over all processes.

    Weights and statistics are those of the old ones, not copies.
    """
    if device.type == "cuda":
        nn.SyncBatchNorm.convert_sync_batchnorm(module)
        return
    for name, child in module.named_children():
        if not isinstance(child, nn.modules.batchnorm._BatchNorm):
            sync_batch_norms(child, device)
            continue
        synced = SyncedBatchNorm(
            child.num_features,
            child.eps,
            child.momentum,
            child.affine,
            child.track_running_stats,
        )
        synced._parameters, synced._buffers = child._parameters, child._buffers
        synced.train(child.training)
        module.add_module(name, synced)


class _Sum(Function):
    """The sum over all processes; each gets the gradients of all."""

    @staticmethod
    def forward(ctx: Any, value: Tensor) -> Tensor:
        del ctx
        value = value.clone()
        torch.distributed.all_reduce(value)
        return value

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        del ctx
        (gradient,) = gradients
        gradient = gradient.clone()
        torch.distributed.all_reduce(gradient)
        return gradient


def _over_all(value: Tensor) -> Tensor:
    total = _Sum.apply(value)
    assert isinstance(total, Tensor)
    return total
