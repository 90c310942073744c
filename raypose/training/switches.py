"""`ModelSwitches`: attributes of a model that take other values from an epoch on."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import Any

from torch import nn

from raypose.config.sections import ModelSwitchSection
from raypose.errors import ConfigError, did_you_mean


class ModelSwitches:
    """What `train.model_switches` says.

    Args:
        sections: in any order.
        model: has the attributes.

    Raises:
        ConfigError: naming every attribute that the model lacks or that is of another kind.
    """

    def __init__(self, sections: Sequence[ModelSwitchSection], model: nn.Module) -> None:
        self._sections = sorted(sections, key=lambda section: section.epoch)
        problems = [
            f"train.model_switches.{i}.set.{path}: {problem}"
            for i, section in enumerate(sections)
            for path, value in section.set.items()
            if (problem := _problem(model, path, value)) is not None
        ]
        if problems:
            raise ConfigError(problems)

    def apply(self, model: nn.Module, epoch: int) -> None:
        """Set what holds in an epoch, counted from 0; also after a resume."""
        values: Mapping[str, Any] = {}
        for section in self._sections:
            if section.epoch <= epoch:
                values = {**values, **section.set}
        for path, value in values.items():
            owner, _, name = path.rpartition(".")
            setattr(_get(model, owner), name, value)


def _get(model: nn.Module, path: str) -> Any:
    return functools.reduce(getattr, path.split(".") if path else [], model)


def _problem(model: nn.Module, path: str, value: Any) -> str | None:
    owner: Any = model
    for name in path.split("."):
        if not hasattr(owner, name):
            names = (*vars(owner), *getattr(owner, "_modules", ()))
            known = [key for key in names if not key.startswith("_")]
            return f"{type(owner).__name__} has no '{name}'.{did_you_mean(name, known)}"
        owner = getattr(owner, name)
    if _kind(owner) is not _kind(value):
        return f"got {value!r}, expected something like {owner!r}"
    return None


def _kind(value: Any) -> type:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return float if is_number else type(value)
