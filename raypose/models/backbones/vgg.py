"""VGG.

Paper: Simonyan and Zisserman, Very Deep Convolutional Networks for Large-Scale Image Recognition,
ICLR 2015.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from torch import Tensor, nn

from raypose.errors import ConfigError
from raypose.models.backbones.staged_backbone import StagedBackbone, check_indices
from raypose.models.base_module import InitCfg
from raypose.models.layers import ConvModule
from raypose.models.layers.activation import RELU
from raypose.registry import MODELS

# Depth -> convolutions of each stage; the three linear layers of a classifier count, too.
_ARCHITECTURES: Mapping[int, tuple[int, ...]] = {
    11: (1, 1, 2, 2, 2),
    13: (2, 2, 2, 2, 2),
    16: (2, 2, 3, 3, 3),
    19: (2, 2, 4, 4, 4),
}
_WIDTHS = (64, 128, 256, 512, 512)
_INIT: Sequence[Mapping[str, Any]] = (
    {"type": "Kaiming", "layer": ["Conv2d"]},
    {"type": "Constant", "val": 1, "layer": ["_BatchNorm"]},
    {"type": "Normal", "std": 0.01, "layer": ["Linear"]},
)


@MODELS.register_module()
class VGG(StagedBackbone):
    """VGG; stage i ends with a pool and has stride 2^(i + 1).

    Args:
        depth: 11, 13, 16 or 19.
        num_classes: classes of a classifier, for images of 224x224; -1 for none.
        num_stages: number of stages, up to 5.
        dilations: dilation of each stage.
        out_indices: stages whose outputs are returned, 5 for scores of a classifier; the last of
            them by default.
        frozen_stages: n freezes n stages: neither weights nor running statistics change.
        conv_cfg: kind of convolution.
        norm_cfg: kind of norm; None for none.
        act_cfg: kind of activation.
        norm_eval: see `StagedBackbone`.
        ceil_mode: let pools round sizes up.
        with_last_pool: keep the pool of the last stage.
        init_cfg: see `BaseModule`.

    Raises:
        ConfigError: for a depth, stages or indices that do not exist.

    Example:
        type: VGG
        depth: 16
        norm_cfg: {type: BN}
    """

    def __init__(
        self,
        depth: int,
        num_classes: int = -1,
        num_stages: int = 5,
        dilations: Sequence[int] = (1, 1, 1, 1, 1),
        out_indices: Sequence[int] | None = None,
        frozen_stages: int = -1,
        conv_cfg: Mapping[str, Any] | None = None,
        norm_cfg: Mapping[str, Any] | None = None,
        act_cfg: Mapping[str, Any] = RELU,
        norm_eval: bool = False,
        ceil_mode: bool = False,
        with_last_pool: bool = True,
        init_cfg: InitCfg = _INIT,
    ) -> None:
        super().__init__(frozen_stages, norm_eval, init_cfg)
        if depth not in _ARCHITECTURES:
            raise ConfigError(f"VGG: depth is one of {sorted(_ARCHITECTURES)}, got {depth}")
        if not len(dilations) == num_stages <= 5:
            raise ConfigError(
                "VGG: dilations has one entry for each of num_stages (up to 5), "
                f"got {list(dilations)} for {num_stages}"
            )
        if num_classes > 0 and num_stages != 5:
            raise ConfigError(f"VGG: a classifier needs num_stages 5, got {num_stages}")
        num_outputs = num_stages + 1 if num_classes > 0 else num_stages
        if out_indices is None:
            out_indices = (num_outputs - 1,)
        self.out_indices = check_indices("VGG: out_indices", out_indices, num_outputs)
        channels = 3
        modules: list[nn.Module] = []
        self.stage_ends: list[int] = []
        for convs, width, dilation in zip(_ARCHITECTURES[depth], _WIDTHS, dilations, strict=False):
            for _ in range(convs):
                conv = ConvModule(
                    channels,
                    width,
                    3,
                    padding=dilation,
                    dilation=dilation,
                    bias=True,
                    conv_cfg=conv_cfg,
                    norm_cfg=norm_cfg,
                    act_cfg=act_cfg,
                )
                modules.append(conv)
                channels = width
            modules.append(nn.MaxPool2d(2, stride=2, ceil_mode=ceil_mode))
            self.stage_ends.append(len(modules))
        if not with_last_pool:
            modules.pop()
        self.features = nn.Sequential(*modules)
        self.classifier: nn.Module | None = None
        if num_classes > 0:
            self.classifier = nn.Sequential(
                nn.Linear(512 * 7 * 7, 4096),
                nn.ReLU(inplace=True),
                nn.Dropout(),
                nn.Linear(4096, 4096),
                nn.ReLU(inplace=True),
                nn.Dropout(),
                nn.Linear(4096, num_classes),
            )
        self.freeze()

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Return maps (B, C_i, H_i, W_i), or scores (B, num_classes), of each of `out_indices`."""
        outs = []
        for i, stage in enumerate(self._stages()):
            for module in stage:
                x = module(x)
            if i in self.out_indices:
                outs.append(x)
        if self.classifier is not None and len(self.stage_ends) in self.out_indices:
            outs.append(self.classifier(x.flatten(1)))
        return tuple(outs)

    def frozen_modules(self) -> Iterator[nn.Module]:
        """See `StagedBackbone.frozen_modules`."""
        for stage in self._stages()[: max(self.frozen_stages, 0)]:
            yield from stage

    def _stages(self) -> list[list[nn.Module]]:
        modules, starts = list(self.features), [0, *self.stage_ends]
        return [modules[start:end] for start, end in zip(starts, self.stage_ends, strict=False)]
