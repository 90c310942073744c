"""`StagedBackbone`: a backbone whose first stages can be frozen."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from typing_extensions import Self

from raypose.errors import ConfigError
from raypose.models.backbones.base_backbone import BaseBackbone
from raypose.models.base_module import InitCfg

# How most convolutional backbones start.
KAIMING_INIT: Sequence[Mapping[str, Any]] = (
    {"type": "Kaiming", "layer": ["Conv2d"]},
    {"type": "Constant", "val": 1, "layer": ["_BatchNorm", "GroupNorm"]},
)
# How HRNet, the stacked hourglass and others of the kind start.
NORMAL_INIT: Sequence[Mapping[str, Any]] = (
    {"type": "Normal", "std": 0.001, "layer": ["Conv2d"]},
    {"type": "Constant", "val": 1, "layer": ["_BatchNorm", "GroupNorm"]},
)


class StagedBackbone(BaseBackbone):
    """Parent of backbones that are a stem and stages.

    Args:
        frozen_stages: -1 trains everything, 0 freezes the stem, n the stem and n stages: neither
            weights nor running statistics change.
        norm_eval: keep the running statistics of all batch norms.
        init_cfg: see `BaseModule`.
    """

    def __init__(
        self, frozen_stages: int = -1, norm_eval: bool = False, init_cfg: InitCfg = None
    ) -> None:
        super().__init__(init_cfg)
        self.frozen_stages = frozen_stages
        self.norm_eval = norm_eval

    @abstractmethod
    def frozen_modules(self) -> Iterable[nn.Module | nn.Parameter]:
        """Return what `frozen_stages` freezes."""

    def train(self, mode: bool = True) -> Self:
        """Switch to training; what is frozen stays in evaluation mode."""
        super().train(mode)
        self.freeze()
        if mode and self.norm_eval:
            for module in self.modules():
                if isinstance(module, _BatchNorm):
                    module.eval()
        return self

    def freeze(self) -> None:
        """Take what is frozen out of the training; constructors call it when they are done."""
        for item in self.frozen_modules():
            if isinstance(item, nn.Parameter):
                item.requires_grad = False
            else:
                item.eval()
                item.requires_grad_(False)


def check_indices(name: str, indices: Iterable[int], count: int) -> tuple[int, ...]:
    """Return indices as a tuple.

    Raises:
        ConfigError: if one of them is not in 0 ... count - 1.
    """
    checked = tuple(indices)
    for index in checked:
        if not 0 <= index < count:
            raise ConfigError(f"{name} are within 0 ... {count - 1}, got {list(checked)}")
    return checked


def run_stages(
    stages: Iterable[nn.Module], x: Tensor, out_indices: Sequence[int]
) -> tuple[Tensor, ...]:
    """Run stages one after the other and return the outputs of `out_indices`."""
    outs = []
    for i, stage in enumerate(stages):
        x = stage(x)
        if i in out_indices:
            outs.append(x)
    return tuple(outs)
