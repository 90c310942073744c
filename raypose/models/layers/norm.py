"""Normalisation layers from a `norm_cfg`: a mapping with `type` and the arguments of the class."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.modules.batchnorm import _BatchNorm

from raypose.errors import ConfigError, did_you_mean

BN: Mapping[str, Any] = {"type": "BN"}


class SyncBatchNorm(nn.SyncBatchNorm):
    """Batch norm over all processes on a GPU, over the own batch on a CPU.

    torch's refuses to train on a CPU within a process group, which would make every config
    with `SyncBN` one for GPUs only.
    """

    def forward(self, input: Tensor) -> Tensor:
        """Normalise (B, C, ...)."""
        if input.device.type == "cpu":
            return _BatchNorm.forward(self, input)
        return super().forward(input)


class FrozenBatchNorm2d(nn.Module):
    """Batch norm whose statistics, scale and shift are buffers: nothing of it is ever trained.

    Args:
        num_features: number of channels.
        eps: added to the variance.
    """

    weight: Tensor
    bias: Tensor
    running_mean: Tensor
    running_var: Tensor

    def __init__(self, num_features: int, eps: float = 1e-5) -> None:
        super().__init__()
        self.eps = eps
        for name, fill in (("weight", 1), ("bias", 0), ("running_mean", 0), ("running_var", 1)):
            self.register_buffer(name, torch.full((num_features,), float(fill)))

    def forward(self, input: Tensor) -> Tensor:
        """Normalise (B, C, H, W)."""
        return F.batch_norm(
            input, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps
        )


# Name in a config -> class, name of the child in state dicts.
_NORMS: dict[str, tuple[type[nn.Module], str]] = {
    "BN": (nn.BatchNorm2d, "bn"),
    "BN1d": (nn.BatchNorm1d, "bn"),
    "BN2d": (nn.BatchNorm2d, "bn"),
    "BN3d": (nn.BatchNorm3d, "bn"),
    "SyncBN": (SyncBatchNorm, "bn"),
    "FrozenBatchNorm2d": (FrozenBatchNorm2d, "bn"),
    "GN": (nn.GroupNorm, "gn"),
    "GroupNorm": (nn.GroupNorm, "gn"),
    "LN": (nn.LayerNorm, "ln"),
    "IN": (nn.InstanceNorm2d, "in"),
}


def build_norm_layer(cfg: Mapping[str, Any], num_features: int) -> nn.Module:
    """Build a normalisation layer for `num_features` channels.

    Args:
        cfg: `type` (`BN`, `SyncBN`, `GN`, `LN`, ...), arguments of the class, and
            `requires_grad`, false for weights that are not trained.
        num_features: number of channels.

    Raises:
        ConfigError: for an unknown `type`.
    """
    arguments = dict(cfg)
    layer, _ = _entry(arguments.pop("type", None))
    requires_grad = arguments.pop("requires_grad", True)
    if layer is nn.GroupNorm:
        norm = nn.GroupNorm(num_channels=num_features, **arguments)
    else:
        norm = layer(num_features, **arguments)
    for parameter in norm.parameters():
        parameter.requires_grad = requires_grad
    return norm


def as_affine(norm: nn.Module) -> tuple[Tensor, Tensor]:
    """Return the factor and the shift (C,) that a batch norm is in evaluation mode."""
    assert isinstance(norm, _BatchNorm), f"{type(norm).__name__} is no batch norm"
    assert norm.running_mean is not None
    assert norm.running_var is not None
    factor = norm.weight / (norm.running_var + norm.eps).sqrt()
    return factor, norm.bias - norm.running_mean * factor


def norm_abbreviation(cfg: Mapping[str, Any]) -> str:
    """Return how state dicts call a layer of this kind: `bn`, `gn`, `ln` or `in`."""
    return _entry(cfg.get("type"))[1]


def _entry(kind: Any) -> tuple[type[nn.Module], str]:
    name = str(kind).rsplit(".", 1)[-1]  # MMPose also writes `torch.nn.GroupNorm`
    if name not in _NORMS:
        raise ConfigError(f"unknown norm {kind!r} in norm_cfg.{did_you_mean(name, _NORMS)}")
    return _NORMS[name]
