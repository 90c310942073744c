"""ResNet (He et al., Deep Residual Learning for Image Recognition, CVPR 2016)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from torch import Tensor, nn

from raypose.errors import ConfigError
from raypose.models.backbones.staged_backbone import (
    KAIMING_INIT,
    StagedBackbone,
    check_indices,
    run_stages,
)
from raypose.models.base_module import InitCfg
from raypose.models.layers import (
    BasicBlock,
    Bottleneck,
    ConvModule,
    build_conv_layer,
    build_norm_layer,
    make_res_layer,
    norm_abbreviation,
)
from raypose.models.layers.initialize import is_pretrained
from raypose.models.layers.norm import BN
from raypose.models.layers.residual import ResidualBlock, Style
from raypose.registry import MODELS

_ARCHITECTURES: dict[int, tuple[type[BasicBlock] | type[Bottleneck], tuple[int, ...]]] = {
    18: (BasicBlock, (2, 2, 2, 2)),
    34: (BasicBlock, (3, 4, 6, 3)),
    50: (Bottleneck, (3, 4, 6, 3)),
    101: (Bottleneck, (3, 4, 23, 3)),
    152: (Bottleneck, (3, 8, 36, 3)),
}


@MODELS.register_module()
class ResNet(StagedBackbone):
    """ResNet; stage i has stride 4 * 2^i.

    Args:
        depth: 18, 34, 50, 101 or 152.
        in_channels: channels of the image.
        stem_channels: channels after the stem.
        base_channels: channels of the first stage, before expansion.
        expansion: output channels of a block relative to those inside; of the depth by default.
        num_stages: number of stages, up to 4.
        strides: stride of each stage.
        dilations: dilation of each stage.
        out_indices: stages whose outputs are returned.
        style: `pytorch` has the stride in the 3x3 convolution of a bottleneck, `caffe` in the
            first 1x1.
        deep_stem: three 3x3 convolutions instead of one of 7x7.
        avg_down: shrink shortcuts by a mean instead of by a strided convolution.
        frozen_stages: see `StagedBackbone`.
        conv_cfg: kind of convolution.
        norm_cfg: kind of norm.
        norm_eval: see `StagedBackbone`.
        with_cp: save memory by computing blocks again in the backward pass.
        zero_init_residual: start each block as the identity.
        init_cfg: see `BaseModule`.

    Raises:
        ConfigError: for a depth, stages or indices that do not exist.

    Example:
        type: ResNet
        depth: 50
        out_indices: [3]
    """

    def __init__(
        self,
        depth: int,
        in_channels: int = 3,
        stem_channels: int = 64,
        base_channels: int = 64,
        expansion: int | None = None,
        num_stages: int = 4,
        strides: Sequence[int] = (1, 2, 2, 2),
        dilations: Sequence[int] = (1, 1, 1, 1),
        out_indices: Sequence[int] = (3,),
        style: Style = "pytorch",
        deep_stem: bool = False,
        avg_down: bool = False,
        frozen_stages: int = -1,
        conv_cfg: Mapping[str, Any] | None = None,
        norm_cfg: Mapping[str, Any] = BN,
        norm_eval: bool = False,
        with_cp: bool = False,
        zero_init_residual: bool = True,
        init_cfg: InitCfg = KAIMING_INIT,
    ) -> None:
        super().__init__(frozen_stages, norm_eval, init_cfg)
        if depth not in _ARCHITECTURES:
            raise ConfigError(f"ResNet: depth is one of {sorted(_ARCHITECTURES)}, got {depth}")
        if not len(strides) == len(dilations) == num_stages <= 4:
            raise ConfigError(
                "ResNet: strides and dilations have one entry for each of num_stages (up to 4), "
                f"got {list(strides)} and {list(dilations)} for {num_stages}"
            )
        self.out_indices = check_indices("ResNet: out_indices", out_indices, num_stages)
        self.deep_stem = deep_stem
        self.zero_init_residual = zero_init_residual
        self.norm_name = f"{norm_abbreviation(norm_cfg)}1"
        if deep_stem:
            self.stem = _deep_stem(in_channels, stem_channels, conv_cfg, norm_cfg)
        else:
            self.conv1 = build_conv_layer(
                conv_cfg, in_channels, stem_channels, 7, stride=2, padding=3, bias=False
            )
            self.add_module(self.norm_name, build_norm_layer(norm_cfg, stem_channels))
            self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        block, depths = _ARCHITECTURES[depth]
        expansion = block.default_expansion if expansion is None else expansion
        channels, out_channels = stem_channels, base_channels * expansion
        for i in range(num_stages):
            layer = make_res_layer(
                block,
                depths[i],
                channels,
                out_channels,
                expansion=expansion,
                stride=strides[i],
                avg_down=avg_down,
                conv_cfg=conv_cfg,
                norm_cfg=norm_cfg,
                dilation=dilations[i],
                style=style,
                with_cp=with_cp,
            )
            self.add_module(f"layer{i + 1}", layer)
            channels, out_channels = out_channels, out_channels * 2
        self.layer_names = [f"layer{i + 1}" for i in range(num_stages)]
        self.freeze()

    def init_weights(self) -> None:
        """Start the weights by `init_cfg`; without a file, blocks start as the identity."""
        super().init_weights()
        if self.zero_init_residual and not is_pretrained(self.init_cfg):
            zero_last_norms(self)

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """See `BaseBackbone.forward`."""
        if self.deep_stem:
            x = self.stem(x)
        else:
            x = self.relu(getattr(self, self.norm_name)(self.conv1(x)))
        stages = (getattr(self, name) for name in self.layer_names)
        return run_stages(stages, self.maxpool(x), self.out_indices)

    def frozen_modules(self) -> Iterator[nn.Module]:
        """See `StagedBackbone.frozen_modules`."""
        if self.frozen_stages >= 0:
            names = ["stem"] if self.deep_stem else ["conv1", self.norm_name]
            yield from (getattr(self, name) for name in names)
        yield from (getattr(self, name) for name in self.layer_names[: max(self.frozen_stages, 0)])


def zero_last_norms(module: nn.Module) -> None:
    """Let every residual block below a module start as the identity."""
    for block in module.modules():
        if isinstance(block, ResidualBlock):
            for parameter in block.last_norm.parameters():
                nn.init.zeros_(parameter)


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
