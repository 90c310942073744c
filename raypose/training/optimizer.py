"""Optimisers and their parameter groups.

The groups follow MMEngine's `paramwise_cfg`, so a recipe keeps its meaning: no decay for norms
and biases, other rates for named parts, rates that fall from layer to layer of a transformer.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.distributed.tensor import DTensor

from raypose.config.sections import OptimizerSection, ParamwiseSection, TrainSection
from raypose.errors import ConfigError
from raypose.ops.layer_decay import vit_layer_of_parameter
from raypose.registry import OPTIMIZERS

_NORMS = (
    nn.modules.batchnorm._BatchNorm,
    nn.modules.instancenorm._InstanceNorm,
    nn.GroupNorm,
    nn.LayerNorm,
)
_FUSED = ("Adam", "AdamW", "SGD")
# Of these also for parameters that are spread over processes.
_FUSED_SPREAD = ("Adam", "AdamW")

for _name in ("Adadelta", "Adagrad", "Adam", "AdamW", "NAdam", "RAdam", "RMSprop", "SGD"):
    OPTIMIZERS.register_module(name=_name, module=getattr(torch.optim, _name))


def build_optimizer(
    section: OptimizerSection | None, model: nn.Module, lr_factor: float = 1.0
) -> torch.optim.Optimizer:
    """Build an optimiser for the trainable parameters of a model.

    Each group remembers its rate as `initial_lr`; schedules scale that.

    Args:
        section: which one.
        model: whose parameters.
        lr_factor: what its rate is multiplied by, see `auto_lr_factor`.

    Raises:
        ConfigError: without a section, or for a model without trainable parameters.
    """
    if section is None:
        raise ConfigError("training needs 'optimizer', such as {type: AdamW, lr: 5.0e-4}")
    lr = section.lr * lr_factor
    arguments: dict[str, Any] = {"type": section.type, "lr": lr}
    arguments.update(section.model_extra or {})
    decay = float(arguments.get("weight_decay", 0.0))
    groups = parameter_groups(model, section.paramwise, lr, decay)
    if not groups:
        raise ConfigError("optimizer: every parameter of the model is frozen")
    if section.type in _FUSED:
        arguments.setdefault("fused", _can_fuse(section.type, groups))
    optimizer: torch.optim.Optimizer = OPTIMIZERS.build({**arguments, "params": groups})
    for group in optimizer.param_groups:
        group["initial_lr"] = group["lr"]
    return optimizer


def auto_lr_factor(options: TrainSection) -> float:
    """Return what `train.auto_scale_lr` multiplies the rate by, for the samples of a step."""
    scale = options.auto_scale_lr
    if scale is None or not scale.enable:
        return 1.0
    return options.settled_batch_size * options.accumulate / scale.base_batch_size


def parameter_groups(
    model: nn.Module, paramwise: ParamwiseSection, lr: float, weight_decay: float
) -> list[dict[str, Any]]:
    """Return parameter groups of a model, parameters with the same settings together.

    Frozen parameters are left out, shared ones come once.
    """
    groups: dict[tuple[float, float], dict[str, Any]] = {}
    seen: set[int] = set()
    for prefix, module in model.named_modules():
        for name, parameter in module.named_parameters(recurse=False):
            if not parameter.requires_grad or id(parameter) in seen:
                continue
            seen.add(id(parameter))
            full = f"{prefix}.{name}" if prefix else name
            rate, decay = _factors(paramwise, full, module, parameter)
            settings = {"lr": lr * rate, "weight_decay": weight_decay * decay}
            group = groups.setdefault((rate, decay), {"params": [], **settings})
            group["params"].append(parameter)
    return list(groups.values())


def _factors(
    paramwise: ParamwiseSection, full: str, module: nn.Module, parameter: nn.Parameter
) -> tuple[float, float]:
    """Return what rate and decay of a parameter are multiplied by."""
    rate = 1.0
    depth = paramwise.num_layers
    if depth is not None:
        layer = vit_layer_of_parameter([full], depth)[0]
        rate = paramwise.layer_decay_rate ** (depth + 1 - layer)
    options = _options(full, module, parameter)
    factors = [1.0 if name is None else getattr(paramwise, name) for name in options]
    keys = sorted(paramwise.custom_keys, key=lambda k: (-len(k), k))
    rule = next((paramwise.custom_keys[key] for key in keys if key in full), None)
    if rule is not None:
        # Only what is set in so many words is forced upon parameters with a rule of their own.
        forced = paramwise.model_fields_set if paramwise.force_default_settings else set()
        own = (rule.lr_mult, rule.decay_mult)
        factors = [
            factor if name in forced else mult
            for factor, name, mult in zip(factors, options, own, strict=True)
        ]
    return rate * factors[0], factors[1]


def _options(
    full: str, module: nn.Module, parameter: nn.Parameter
) -> tuple[str | None, str | None]:
    """Return which options say the rate and the decay of a kind of parameter."""
    if isinstance(module, _NORMS):
        return None, "norm_decay_mult"
    if full.rsplit(".", 1)[-1] == "bias":
        return "bias_lr_mult", "bias_decay_mult"
    if isinstance(module, nn.Conv2d) and 1 < module.groups == module.in_channels:
        return None, "dwconv_decay_mult"
    return None, "flat_decay_mult" if parameter.ndim == 1 else None


def _can_fuse(name: str, groups: list[dict[str, Any]]) -> bool:
    return all(
        parameter.is_floating_point()
        and parameter.device.type in ("cpu", "cuda")
        and (name in _FUSED_SPREAD or not isinstance(parameter, DTensor))
        for group in groups
        for parameter in group["params"]
    )
