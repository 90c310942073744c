"""`ResidualBackbone`: what ResNet and its relatives share.

Paper: He et al., Deep Residual Learning for Image Recognition, CVPR 2016.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from torch import Tensor, nn

from raypose.errors import ConfigError
from raypose.models.backbones.staged_backbone import StagedBackbone, check_indices, run_stages
from raypose.models.base_module import InitCfg
from raypose.models.layers import (
    ConvModule,
    build_conv_layer,
    build_norm_layer,
    norm_abbreviation,
    zero_last_norms,
)
from raypose.models.layers.initialize import is_pretrained
from raypose.models.layers.norm import BN


class ResidualBackbone(StagedBackbone):
    """Parent of backbones that are a stem and stages of residual blocks, `layer1` and so on.

    A constructor calls `add_stem`, `add_stage` for each stage, and at last `freeze`.

    Args:
        strides: stride of each stage.
        dilations: dilation of each stage.
        num_stages: number of stages, up to 4.
        out_indices: stages whose outputs are returned.
        frozen_stages: see `StagedBackbone`.
        norm_eval: see `StagedBackbone`.
        zero_init_residual: start each block as the identity.
        init_cfg: see `BaseModule`.

    Raises:
        ConfigError: for stages or indices that do not exist.
    """

    def __init__(
        self,
        strides: Sequence[int],
        dilations: Sequence[int],
        num_stages: int,
        out_indices: Sequence[int],
        frozen_stages: int,
        norm_eval: bool,
        zero_init_residual: bool,
        init_cfg: InitCfg,
    ) -> None:
        super().__init__(frozen_stages, norm_eval, init_cfg)
        name = type(self).__name__
        if not len(strides) == len(dilations) == num_stages <= 4:
            raise ConfigError(
                f"{name}: strides and dilations have one entry for each of num_stages (up to 4), "
                f"got {list(strides)} and {list(dilations)} for {num_stages}"
            )
        self.out_indices = check_indices(f"{name}: out_indices", out_indices, num_stages)
        self.zero_init_residual = zero_init_residual
        self.stem_names: list[str] = []
        self.layer_names: list[str] = []

    def add_stem(
        self,
        in_channels: int,
        channels: int,
        kernel_size: int = 7,
        deep: bool = False,
        pool: bool = True,
        conv_cfg: Mapping[str, Any] | None = None,
        norm_cfg: Mapping[str, Any] = BN,
    ) -> None:
        """Add what runs before the stages.

        Args:
            in_channels: channels of the image.
            channels: channels of the output.
            kernel_size: of the only convolution.
            deep: three 3x3 convolutions instead of one.
            pool: end with a pool of stride 2.
            conv_cfg: kind of convolution.
            norm_cfg: kind of norm.
        """
        modules: dict[str, nn.Module]
        if deep:
            modules = {"stem": _deep_stem(in_channels, channels, conv_cfg, norm_cfg)}
        else:
            padding = kernel_size // 2
            conv = build_conv_layer(
                conv_cfg, in_channels, channels, kernel_size, stride=2, padding=padding, bias=False
            )
            norm = build_norm_layer(norm_cfg, channels)
            modules = {"conv1": conv, f"{norm_abbreviation(norm_cfg)}1": norm}
            modules["relu"] = nn.ReLU(inplace=True)
        if pool:
            modules["maxpool"] = nn.MaxPool2d(3, stride=2, padding=1)
        for name, module in modules.items():
            self.add_module(name, module)
        self.stem_names = list(modules)

    def add_stage(self, stage: nn.Module) -> None:
        """Add a stage behind the others."""
        self.layer_names.append(f"layer{len(self.layer_names) + 1}")
        self.add_module(self.layer_names[-1], stage)

    def init_weights(self) -> None:
        """Start the weights by `init_cfg`; without a file, blocks start as the identity."""
        super().init_weights()
        if self.zero_init_residual and not is_pretrained(self.init_cfg):
            zero_last_norms(self)

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """See `BaseBackbone.forward`."""
        for name in self.stem_names:
            x = getattr(self, name)(x)
        return run_stages((getattr(self, name) for name in self.layer_names), x, self.out_indices)

    def frozen_modules(self) -> Iterator[nn.Module]:
        """See `StagedBackbone.frozen_modules`."""
        if self.frozen_stages >= 0:
            names = [*self.stem_names, *self.layer_names[: self.frozen_stages]]
            yield from (getattr(self, name) for name in names)


def _deep_stem(
    in_channels: int,
    out_channels: int,
    conv_cfg: Mapping[str, Any] | None,
    norm_cfg: Mapping[str, Any],
) -> nn.Sequential:
    channels = (in_channels, out_channels // 2, out_channels // 2, out_channels)
    return nn.Sequential(
        *[
            ConvModule(
                channels[i],
                channels[i + 1],
                3,
                stride=2 if i == 0 else 1,
                padding=1,
                conv_cfg=conv_cfg,
                norm_cfg=norm_cfg,
            )
            for i in range(3)
        ]
    )
