"""Parts of a model that keep their weights: `train.freeze`."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase

from torch import nn

from raypose.errors import ConfigError, did_you_mean


class FrozenParts:
    """Modules and parameters that do not learn.

    Batch norms of frozen modules also keep their statistics, and dropout in them is off.

    Args:
        patterns: names as in `named_modules()` or `named_parameters()`, with `*` for any part:
            `backbone`, `backbone.stage1`, `*.bias`. What is below a module goes with it.
        model: whose parts are frozen at once.

    Raises:
        ConfigError: naming each pattern that nothing of the model has.
    """

    def __init__(self, patterns: Sequence[str], model: nn.Module) -> None:
        modules = {name: module for name, module in model.named_modules() if name}
        parameters = dict(model.named_parameters())
        self._model = model
        self._names: set[str] = set()
        problems = []
        for i, pattern in enumerate(patterns):
            names = [name for name in modules if fnmatchcase(name, pattern)]
            chosen = [modules[name] for name in names]
            single = [value for name, value in parameters.items() if fnmatchcase(name, pattern)]
            if not chosen and not single:
                hint = did_you_mean(pattern, [*modules, *parameters])
                problems.append(
                    f"train.freeze.{i}: the model has no part called '{pattern}'.{hint}"
                )
            for part in [*(p for module in chosen for p in module.parameters()), *single]:
                part.requires_grad_(False)
            self._names.update(names)
        if problems:
            raise ConfigError(problems)

    def hold(self) -> None:
        """Put frozen modules into evaluation mode; `train()` of the model undoes it."""
        # By name: batch norms may have been exchanged for those of several processes.
        for name, module in self._model.named_modules():
            if name in self._names:
                module.eval()
