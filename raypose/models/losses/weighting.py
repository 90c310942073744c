"""How losses are weighted, checked and reduced; shared by the loss families of this folder."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from raypose.errors import ConfigError, RayposeError, did_you_mean

REDUCTIONS = ("mean", "sum", "none")


def check_choice(owner: nn.Module, name: str, value: str, choices: Sequence[str]) -> str:
    """Return `value` if it is one of `choices`.

    Raises:
        ConfigError: if it is not, with the nearest choice.
    """
    if value not in choices:
        raise ConfigError(
            f"{type(owner).__name__}: {name} is one of {', '.join(choices)}, got {value!r}."
            + did_you_mean(str(value), choices)
        )
    return value


def required_weight(owner: nn.Module, weight: Tensor | None) -> Tensor:
    """Return `weight`, which a loss built with `use_target_weight` cannot do without.

    Raises:
        RayposeError: if there is none.
    """
    if weight is None:
        raise RayposeError(
            f"{type(owner).__name__} was built with use_target_weight=True "
            "but was called without target weights"
        )
    return weight


def trailing_ones(weight: Tensor, values: Tensor) -> Tensor:
    """Return `weight` with axes of length 1 behind it, as many as it lacks of `values`.

    Raises:
        RayposeError: if `weight` has more axes than `values`.
    """
    missing = values.dim() - weight.dim()
    if missing < 0:
        raise RayposeError(
            f"weights of shape {tuple(weight.shape)} do not fit values of shape "
            f"{tuple(values.shape)}"
        )
    return weight.reshape(*weight.shape, *(1,) * missing)


def reduce(values: Tensor, reduction: str) -> Tensor:
    """Return the mean, the sum or the values as they are."""
    if reduction == "mean":
        return values.mean()
    if reduction == "sum":
        return values.sum()
    return values
