"""Starting values of weights from an `init_cfg`, with MMEngine's types and arguments."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Literal

from torch import Tensor, nn

from raypose.errors import ConfigError, did_you_mean
from raypose.models.base_module import InitCfg
from raypose.registry import argument_problems

Distribution = Literal["normal", "uniform"]


def initialize(module: nn.Module, init_cfg: InitCfg) -> None:
    """Fill the weights of a module as `init_cfg` says.

    Args:
        module: whose own and children's weights start.
        init_cfg: one mapping or a list of them, applied in order:

            * `type`: `Constant` (val), `Normal` (mean, std), `TruncNormal` (mean, std, a, b),
              `Uniform` (a, b), `Xavier` (gain, distribution), `Kaiming` (a, mode, nonlinearity,
              distribution), `Caffe2Xavier` or `Pretrained` (checkpoint, prefix).
            * `layer`: class name or names of the layers it is for; base classes count.
            * `bias`: what biases become, 0 by default; or `bias_prob`, the probability that a
              sigmoid shall give at the start.
            * `override`: a mapping or a list of them, for the attribute `name`, all its layers;
              without a `type` it takes that of the entry.

    Raises:
        ConfigError: for an unknown type or argument, or an entry without `layer` and `override`.
        CheckpointError: if pretrained weights cannot be loaded.
    """
    for entry in _entries(init_cfg):
        cfg = dict(entry)
        override = cfg.pop("override", None)
        if cfg.get("type") == "Pretrained":
            del cfg["type"]
            _load_pretrained(module, cfg)
            continue
        layers = cfg.pop("layer", None)
        if layers is None and override is None:
            raise ConfigError(
                f"init_cfg of type {cfg.get('type')!r} needs 'layer', the class names it is for, "
                "or 'override'"
            )
        names = {layers} if isinstance(layers, str) else set(layers or ())
        chosen = (m for m in module.modules() if names & {c.__name__ for c in type(m).__mro__})
        _fill(chosen, cfg)
        for item in [override] if isinstance(override, Mapping) else override or ():
            _override(module, dict(item), cfg)


def is_pretrained(init_cfg: InitCfg) -> bool:
    """Return whether an `init_cfg` loads weights from a file."""
    return any(entry.get("type") == "Pretrained" for entry in _entries(init_cfg))


def _entries(init_cfg: InitCfg) -> Sequence[Mapping[str, Any]]:
    if init_cfg is None:
        return ()
    return [init_cfg] if isinstance(init_cfg, Mapping) else init_cfg


def _override(module: nn.Module, item: dict[str, Any], cfg: Mapping[str, Any]) -> None:
    name = item.pop("name", None)
    children = dict(module.named_children())
    child = children.get(str(name))
    if child is None:
        hint = did_you_mean(str(name), children)
        raise ConfigError(
            f"override in init_cfg needs 'name', a child of {type(module).__name__}, "
            f"got {name!r}.{hint}"
        )
    _fill(child.modules(), item or cfg)


def _fill(modules: Iterable[nn.Module], cfg: Mapping[str, Any]) -> None:
    """Fill `weight` and `bias` of modules that have them."""
    arguments = dict(cfg)
    kind = arguments.pop("type", None)
    if kind not in _INITIALIZERS:
        names = [*_INITIALIZERS, "Pretrained"]
        raise ConfigError(f"unknown type {kind!r} in init_cfg.{did_you_mean(str(kind), names)}")
    bias = float(arguments.pop("bias", 0))
    probability = arguments.pop("bias_prob", None)
    if probability is not None:
        bias = -math.log((1 - probability) / probability)
    start = _INITIALIZERS[kind]
    problems = argument_problems(start, {"weight": None, **arguments})
    if problems:
        raise ConfigError([f"init_cfg: {message}" for _, message in problems])
    for module in modules:
        weight, shift = getattr(module, "weight", None), getattr(module, "bias", None)
        if isinstance(weight, Tensor):
            start(weight, **arguments)
        if isinstance(shift, Tensor):
            nn.init.constant_(shift, bias)


def _load_pretrained(module: nn.Module, arguments: Mapping[str, Any]) -> None:
    # Here: loading weights is no business of a module that only has random ones.
    from raypose.models.checkpoint import load_pretrained

    problems = argument_problems(load_pretrained, {"module": module, **arguments})
    if problems:
        raise ConfigError([f"init_cfg: {message}" for _, message in problems])
    load_pretrained(module, **arguments)


def _constant(weight: Tensor, val: float) -> None:
    nn.init.constant_(weight, val)


def _normal(weight: Tensor, mean: float = 0, std: float = 1) -> None:
    nn.init.normal_(weight, mean, std)


def _trunc_normal(
    weight: Tensor, mean: float = 0, std: float = 1, a: float = -2, b: float = 2
) -> None:
    nn.init.trunc_normal_(weight, mean, std, a, b)


def _uniform(weight: Tensor, a: float = 0, b: float = 1) -> None:
    nn.init.uniform_(weight, a, b)


def _xavier(weight: Tensor, gain: float = 1, distribution: Distribution = "normal") -> None:
    fill = {"normal": nn.init.xavier_normal_, "uniform": nn.init.xavier_uniform_}
    fill[distribution](weight, gain=gain)


def _kaiming(
    weight: Tensor,
    a: float = 0,
    mode: Literal["fan_in", "fan_out"] = "fan_out",
    nonlinearity: Literal["relu", "leaky_relu"] = "relu",
    distribution: Distribution = "normal",
) -> None:
    fill = {"normal": nn.init.kaiming_normal_, "uniform": nn.init.kaiming_uniform_}
    fill[distribution](weight, a=a, mode=mode, nonlinearity=nonlinearity)


def _caffe2_xavier(weight: Tensor) -> None:
    nn.init.kaiming_uniform_(weight, a=1, mode="fan_in", nonlinearity="leaky_relu")


_INITIALIZERS: dict[str, Callable[..., None]] = {
    "Constant": _constant,
    "Normal": _normal,
    "TruncNormal": _trunc_normal,
    "Uniform": _uniform,
    "Xavier": _xavier,
    "Kaiming": _kaiming,
    "Caffe2Xavier": _caffe2_xavier,
}
