"""`ShuffleBackbone`: what both ShuffleNets share.

Papers: Zhang et al., ShuffleNet: An Extremely Efficient Convolutional Neural Network for Mobile
Devices, CVPR 2018; Ma et al., ShuffleNet V2: Practical Guidelines for Efficient CNN Architecture
Design, ECCV 2018.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from torch import Tensor, nn

from raypose.errors import ConfigError
from raypose.models.backbones.staged_backbone import StagedBackbone, check_indices, run_stages
from raypose.models.base_module import InitCfg
from raypose.models.layers import ConvModule
from raypose.models.layers.initialize import is_pretrained

STAGE_BLOCKS = (4, 8, 4)
SHUFFLE_INIT: Sequence[Mapping[str, Any]] = (
    {"type": "Normal", "std": 0.01, "layer": ["Conv2d"]},
    {"type": "Constant", "val": 1, "bias": 0.0001, "layer": ["_BatchNorm", "GroupNorm"]},
)


class ShuffleBackbone(StagedBackbone):
    """Parent of backbones with a stem of stride 4 and stages `layers.0`, `layers.1` and so on.

    A constructor fills `layers` and calls `freeze`.

    Args:
        stem_channels: channels after the stem.
        num_layers: how many `layers` there will be.
        out_indices: layers whose outputs are returned.
        frozen_stages: see `StagedBackbone`.
        norm_eval: see `StagedBackbone`.
        init_cfg: see `BaseModule`.
        conv_cfg: kind of convolution.
        norm_cfg: kind of norm.
        act_cfg: kind of activation.

    Raises:
        ConfigError: for layers that do not exist.
    """

    def __init__(
        self,
        stem_channels: int,
        num_layers: int,
        out_indices: Sequence[int],
        frozen_stages: int,
        norm_eval: bool,
        init_cfg: InitCfg,
        conv_cfg: Mapping[str, Any] | None,
        norm_cfg: Mapping[str, Any],
        act_cfg: Mapping[str, Any],
    ) -> None:
        super().__init__(frozen_stages, norm_eval, init_cfg)
        name = type(self).__name__
        self.out_indices = check_indices(f"{name}: out_indices", out_indices, num_layers)
        if not -1 <= frozen_stages < num_layers:
            raise ConfigError(
                f"{name}: frozen_stages is within -1 ... {num_layers - 1}, got {frozen_stages}"
            )
        self.conv1 = ConvModule(
            3,
            stem_channels,
            3,
            stride=2,
            padding=1,
            conv_cfg=conv_cfg,
            norm_cfg=norm_cfg,
            act_cfg=act_cfg,
        )
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        self.layers = nn.ModuleList()

    def init_weights(self) -> None:
        """Start by `init_cfg`; without a file, convolutions behind the stem by their width."""
        super().init_weights()
        if is_pretrained(self.init_cfg):
            return
        for module in self.layers.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.normal_(module.weight, std=1.0 / module.weight.shape[1])

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """See `BaseBackbone.forward`."""
        return run_stages(self.layers, self.maxpool(self.conv1(x)), self.out_indices)

    def frozen_modules(self) -> Iterator[nn.Module]:
        """See `StagedBackbone.frozen_modules`."""
        if self.frozen_stages >= 0:
            yield self.conv1
            yield from self.layers[: self.frozen_stages]
