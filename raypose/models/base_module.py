"""`BaseModule`: an `nn.Module` that knows how its weights start."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

from torch import nn

InitCfg = Mapping[str, Any] | Sequence[Mapping[str, Any]] | None


@runtime_checkable
class FollowsEpochs(Protocol):
    """A module that changes over a run, such as a loss that fades."""

    def set_epoch(self, epoch: int, epochs: int) -> None:
        """Take note of the epoch that begins, counted from 0, and of the length of the run."""
        ...


class BaseModule(nn.Module):
    """Parent of backbones, necks, heads and estimators.

    Args:
        init_cfg: how `init_weights` starts the parameters: one mapping or a list of them with
            `type` `Normal`, `TruncNormal`, `Constant`, `Kaiming`, `Xavier`, `Uniform` or
            `Pretrained`, as in MMPose. Constructors never read files; `Pretrained` is applied by
            `init_weights`.
    """

    def __init__(self, init_cfg: InitCfg = None) -> None:
        super().__init__()
        self.init_cfg = init_cfg

    def init_weights(self) -> None:
        """Start the parameters as `init_cfg` says, children first."""
        from raypose.models.layers.initialize import initialize

        for child in self.children():
            for module in _outermost(child):
                module.init_weights()
        initialize(self, self.init_cfg)


def _outermost(module: nn.Module) -> list[BaseModule]:
    """Return the `BaseModule`s below (or at) a module that have no other `BaseModule` above."""
    if isinstance(module, BaseModule):
        return [module]
    return [found for child in module.children() for found in _outermost(child)]
