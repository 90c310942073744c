"""ResNet and ResNetV1d.

Papers: He et al., Deep Residual Learning for Image Recognition, CVPR 2016; He et al., Bag of
Tricks for Image Classification with Convolutional Neural Networks, CVPR 2019.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from typing_extensions import TypedDict, Unpack

from raypose.errors import ConfigError
from raypose.models.backbones.residual_backbone import ResidualBackbone
from raypose.models.backbones.staged_backbone import KAIMING_INIT
from raypose.models.base_module import InitCfg
from raypose.models.layers import BasicBlock, Bottleneck, make_res_layer
from raypose.models.layers.norm import BN
from raypose.models.layers.residual import ResidualBlock, Style
from raypose.registry import MODELS

# Depth -> blocks of each stage.
BOTTLENECK_DEPTHS: Mapping[int, tuple[int, ...]] = {
    50: (3, 4, 6, 3),
    101: (3, 4, 23, 3),
    152: (3, 8, 36, 3),
}


class ResNetV1dOptions(TypedDict, total=False):
    """Arguments of `ResNet` that `ResNetV1d` leaves open."""

    in_channels: int
    stem_channels: int
    base_channels: int
    expansion: int | None
    num_stages: int
    strides: Sequence[int]
    dilations: Sequence[int]
    out_indices: Sequence[int]
    style: Style
    frozen_stages: int
    conv_cfg: Mapping[str, Any] | None
    norm_cfg: Mapping[str, Any]
    norm_eval: bool
    with_cp: bool
    zero_init_residual: bool
    init_cfg: InitCfg


class ResNetOptions(ResNetV1dOptions, total=False):
    """Arguments of `ResNet` after the depth, for classes that add their own."""

    deep_stem: bool
    avg_down: bool


@MODELS.register_module()
class ResNet(ResidualBackbone):
    """ResNet; stage i has stride 4 * 2^i.

    Attributes:
        architectures: kind of block and blocks of each stage, by depth.

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

    architectures: ClassVar[Mapping[int, tuple[type[ResidualBlock], tuple[int, ...]]]] = {
        18: (BasicBlock, (2, 2, 2, 2)),
        34: (BasicBlock, (3, 4, 6, 3)),
        **{depth: (Bottleneck, blocks) for depth, blocks in BOTTLENECK_DEPTHS.items()},
    }

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
        super().__init__(
            strides,
            dilations,
            num_stages,
            out_indices,
            frozen_stages,
            norm_eval,
            zero_init_residual,
            init_cfg,
        )
        if depth not in self.architectures:
            raise ConfigError(
                f"{type(self).__name__}: depth is one of {sorted(self.architectures)}, got {depth}"
            )
        self.base_channels = base_channels
        self.add_stem(
            in_channels, stem_channels, deep=deep_stem, conv_cfg=conv_cfg, norm_cfg=norm_cfg
        )
        block, depths = self.architectures[depth]
        expansion = block.default_expansion if expansion is None else expansion
        channels = stem_channels
        for i in range(num_stages):
            middle = base_channels * 2**i
            stage = make_res_layer(
                block,
                depths[i],
                channels,
                middle * expansion,
                expansion=expansion,
                stride=strides[i],
                avg_down=avg_down,
                conv_cfg=conv_cfg,
                norm_cfg=norm_cfg,
                dilation=dilations[i],
                style=style,
                with_cp=with_cp,
                **self.block_arguments(middle),
            )
            self.add_stage(stage)
            channels = middle * expansion
        self.freeze()

    def block_arguments(self, channels: int) -> dict[str, Any]:
        """Return further arguments of the blocks of a stage, none here.

        The constructor calls this: a subclass sets what it needs before it calls the constructor.

        Args:
            channels: channels inside the blocks.
        """
        return {}


@MODELS.register_module()
class ResNetV1d(ResNet):
    """ResNet with a deep stem, whose shortcuts shrink by a mean.

    Args:
        depth: 18, 34, 50, 101 or 152.
        **options: the arguments of `ResNet` but `deep_stem` and `avg_down`.

    Raises:
        ConfigError: see `ResNet`.

    Example:
        type: ResNetV1d
        depth: 50
    """

    def __init__(self, depth: int, **options: Unpack[ResNetV1dOptions]) -> None:
        super().__init__(depth, deep_stem=True, avg_down=True, **options)
