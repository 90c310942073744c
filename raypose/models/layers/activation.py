"""Activations from an `act_cfg`: a mapping with `type` and the arguments of the class."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from raypose.errors import ConfigError, did_you_mean

RELU: Mapping[str, Any] = {"type": "ReLU"}


class HSigmoid(nn.Module):
    """A sigmoid of straight lines (Howard et al., Searching for MobileNetV3, ICCV 2019).

    Args:
        bias: added to the input.
        divisor: what the sum is divided by.
        min_value: lower limit of the output.
        max_value: upper limit of the output.
    """

    def __init__(
        self,
        bias: float = 3.0,
        divisor: float = 6.0,
        min_value: float = 0.0,
        max_value: float = 1.0,
    ) -> None:
        super().__init__()
        self.bias = bias
        self.divisor = divisor
        self.min_value = min_value
        self.max_value = max_value

    def forward(self, x: Tensor) -> Tensor:
        """Return values of the shape of the input."""
        return ((x + self.bias) / self.divisor).clamp(self.min_value, self.max_value)


_ACTIVATIONS: dict[str, type[nn.Module]] = {
    "ReLU": nn.ReLU,
    "LeakyReLU": nn.LeakyReLU,
    "PReLU": nn.PReLU,
    "RReLU": nn.RReLU,
    "ReLU6": nn.ReLU6,
    "ELU": nn.ELU,
    "Sigmoid": nn.Sigmoid,
    "Tanh": nn.Tanh,
    "GELU": nn.GELU,
    "SiLU": nn.SiLU,
    "Swish": nn.SiLU,
    "HSigmoid": HSigmoid,
    "HSwish": nn.Hardswish,
    "Hardswish": nn.Hardswish,
    "Mish": nn.Mish,
}
_WITHOUT_INPLACE = ("PReLU", "Sigmoid", "HSigmoid", "Tanh", "GELU")


def build_activation_layer(cfg: Mapping[str, Any], inplace: bool = False) -> nn.Module:
    """Build an activation.

    Args:
        cfg: `type` (`ReLU`, `SiLU`, `Swish`, `HSwish`, `GELU`, ...) and arguments of the class.
        inplace: overwrite the input, for activations that can, unless `cfg` says.

    Raises:
        ConfigError: for an unknown `type`.
    """
    arguments = dict(cfg)
    kind = arguments.pop("type", None)
    if kind not in _ACTIVATIONS:
        raise ConfigError(
            f"unknown activation {kind!r} in act_cfg.{did_you_mean(str(kind), _ACTIVATIONS)}"
        )
    if inplace and kind not in _WITHOUT_INPLACE:
        arguments.setdefault("inplace", True)
    return _ACTIVATIONS[kind](**arguments)
