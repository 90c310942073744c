"""Optimisers and their parameter groups.

The groups follow MMEngine's `paramwise_cfg`, so a recipe keeps its meaning: no decay for norms
and biases, other rates for named parts, rates that shrink from layer to layer of a transformer.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from raypose.errors import ConfigError
from raypose.ops.layer_decay import vit_layer_of_parameter
from raypose.registry import OPTIMIZERS, argument_problems

_NORMS = (
    nn.modules.batchnorm._BatchNorm,
    nn.modules.instancenorm._InstanceNorm,
    nn.GroupNorm,
    nn.LayerNorm,
)
_FUSED = ("Adam", "AdamW", "SGD")

for _name in ("Adadelta", "Adagrad", "Adam", "AdamW", "NAdam", "RAdam", "RMSprop", "SGD"):
    OPTIMIZERS.register_module(name=_name, module=getattr(torch.optim, _name))


@dataclass(frozen=True, kw_only=True)
class ParamGroups:
    """How rate and decay differ between parameters; every factor is 1 by default.

    Attributes:
        norm_decay_mult: decay of normalisation layers.
        bias_lr_mult: rate of biases outside normalisation layers.
        bias_decay_mult: decay of the same.
        dwconv_decay_mult: decay of depthwise convolutions.
        flat_decay_mult: decay of all other one-dimensional parameters.
        custom_keys: part of a name -> `{lr_mult, decay_mult}`; the longest match wins and the
            factors above do not apply to it.
        num_layers: depth of the transformer for `layer_decay_rate`.
        layer_decay_rate: factor of the rate from one layer to the one below it.
    """

    norm_decay_mult: float = 1.0
    bias_lr_mult: float = 1.0
    bias_decay_mult: float = 1.0
    dwconv_decay_mult: float = 1.0
    flat_decay_mult: float = 1.0
    custom_keys: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    num_layers: int | None = None
    layer_decay_rate: float = 1.0

    def split(self, model: nn.Module, lr: float, weight_decay: float) -> list[dict[str, Any]]:
        """Return parameter groups of a model, parameters with the same settings together.

        Frozen parameters are left out.
        """
        groups: dict[tuple[float, float], dict[str, Any]] = {}
        seen: set[int] = set()
        for prefix, module in model.named_modules():
            for name, parameter in module.named_parameters(recurse=False):
                if not parameter.requires_grad or id(parameter) in seen:
                    continue
                seen.add(id(parameter))
                full = f"{prefix}.{name}" if prefix else name
                factors = self._factors(full, name, module, parameter)
                group = groups.setdefault(
                    factors,
                    {
                        "params": [],
                        "lr": lr * factors[0],
                        "weight_decay": weight_decay * factors[1],
                    },
                )
                group["params"].append(parameter)
        return list(groups.values())

    def _factors(
        self, full: str, name: str, module: nn.Module, parameter: nn.Parameter
    ) -> tuple[float, float]:
        rate = self._layer_factor(full)
        for key in sorted(self.custom_keys, key=lambda k: (-len(k), k)):
            if key in full:
                custom = self.custom_keys[key]
                return rate * custom.get("lr_mult", 1.0), custom.get("decay_mult", 1.0)
        if isinstance(module, _NORMS):
            return rate, self.norm_decay_mult
        if name == "bias":
            return rate * self.bias_lr_mult, self.bias_decay_mult
        if isinstance(module, nn.Conv2d) and 1 < module.groups == module.in_channels:
            return rate, self.dwconv_decay_mult
        return rate, self.flat_decay_mult if parameter.ndim == 1 else 1.0

    def _layer_factor(self, full: str) -> float:
        if self.num_layers is None:
            return 1.0
        layer = vit_layer_of_parameter([full], self.num_layers)[0]
        return self.layer_decay_rate ** (self.num_layers + 1 - layer)


def build_optimizer(config: Mapping[str, Any], model: nn.Module) -> torch.optim.Optimizer:
    """Build an optimiser of `torch.optim` for the trainable parameters of a model.

    Each group remembers its rate as `initial_lr`; schedules scale that.

    Args:
        config: `type`, the optimiser's arguments and `paramwise` (see `ParamGroups`).
        model: whose parameters are optimised.

    Raises:
        ConfigError: for arguments that do not fit or a model without trainable parameters.
    """
    arguments = dict(config)
    paramwise = dict(arguments.pop("paramwise", None) or {})
    problems = argument_problems(ParamGroups, paramwise)
    if problems:
        raise ConfigError([f"optimizer.paramwise: {message}" for _, message in problems])
    kind = OPTIMIZERS.get(str(arguments.pop("type")))
    groups = ParamGroups(**paramwise).split(
        model, float(arguments["lr"]), float(arguments.get("weight_decay", 0.0))
    )
    if not groups:
        raise ConfigError("optimizer: every parameter of the model is frozen")
    if kind.__name__ in _FUSED:
        arguments.setdefault("fused", _can_fuse(groups))
    problems = argument_problems(kind, {"params": groups, **arguments})
    if problems:
        raise ConfigError([f"optimizer: {message}" for _, message in problems])
    optimizer: torch.optim.Optimizer = kind(groups, **arguments)
    for group in optimizer.param_groups:
        group["initial_lr"] = group["lr"]
    return optimizer


def _can_fuse(groups: list[dict[str, Any]]) -> bool:
    return all(
        parameter.is_floating_point() and parameter.device.type in ("cpu", "cuda")
        for group in groups
        for parameter in group["params"]
    )
