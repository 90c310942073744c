"""RegNet (Radosavovic et al., Designing Network Design Spaces, CVPR 2020)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any, NamedTuple

import numpy as np

from raypose.errors import ConfigError, did_you_mean
from raypose.models.backbones.residual_backbone import ResidualBackbone
from raypose.models.backbones.staged_backbone import KAIMING_INIT
from raypose.models.base_module import InitCfg
from raypose.models.layers import Bottleneck, make_res_layer
from raypose.models.layers.norm import BN
from raypose.models.layers.residual import Style
from raypose.registry import MODELS, argument_problems

_MULTIPLE = 8  # widths are multiples of it


class Arch(NamedTuple):
    """The rule behind the widths of all blocks.

    Width of block j before rounding: `w0 + wa * j`; it becomes the nearest `w0 * wm^n`.
    """

    w0: int
    wa: float
    wm: float
    group_w: int
    depth: int
    bot_mul: float = 1.0


class _Stage(NamedTuple):
    """Blocks of one width."""

    blocks: int
    width: int  # channels of the output
    middle: int  # channels inside the blocks
    groups: int


_ARCHITECTURES: Mapping[str, Arch] = {
    "regnetx_400mf": Arch(24, 24.48, 2.54, 16, 22),
    "regnetx_800mf": Arch(56, 35.73, 2.28, 16, 16),
    "regnetx_1.6gf": Arch(80, 34.01, 2.25, 24, 18),
    "regnetx_3.2gf": Arch(88, 26.31, 2.25, 48, 25),
    "regnetx_4.0gf": Arch(96, 38.65, 2.43, 40, 23),
    "regnetx_6.4gf": Arch(184, 60.83, 2.07, 56, 17),
    "regnetx_8.0gf": Arch(80, 49.56, 2.88, 120, 23),
    "regnetx_12gf": Arch(168, 73.36, 2.37, 112, 19),
}


@MODELS.register_module()
class RegNet(ResidualBackbone):
    """RegNet; with the usual strides, stage i has stride 4 * 2^i.

    The number of stages follows from `arch`; it is 4 for all that have a name.

    Args:
        arch: a name (`regnetx_400mf`, `regnetx_800mf`, `regnetx_1.6gf`, ...), or a mapping with
            `w0`, `wa`, `wm`, `group_w`, `depth` and `bot_mul`: width of the first block, how it
            grows from block to block, ratio of the widths of stages, width of a group, number
            of blocks, channels inside a block relative to its output.
        in_channels: channels of the image.
        stem_channels: channels after the stem.
        strides: stride of each stage.
        dilations: dilation of each stage.
        out_indices: stages whose outputs are returned.
        style: see `ResNet`.
        deep_stem: three 3x3 convolutions in the stem instead of one.
        avg_down: see `ResNet`.
        frozen_stages: see `StagedBackbone`.
        conv_cfg: kind of convolution.
        norm_cfg: kind of norm.
        norm_eval: see `StagedBackbone`.
        with_cp: save memory by computing blocks again in the backward pass.
        zero_init_residual: start each block as the identity.
        init_cfg: see `BaseModule`.

    Raises:
        ConfigError: for an unknown or impossible `arch`, or stages or indices that do not exist.

    Example:
        type: RegNet
        arch: regnetx_400mf
    """

    def __init__(
        self,
        arch: str | Mapping[str, Any],
        in_channels: int = 3,
        stem_channels: int = 32,
        strides: Sequence[int] = (2, 2, 2, 2),
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
        stages = _stages(_arch(arch))
        super().__init__(
            strides,
            dilations,
            len(stages),
            out_indices,
            frozen_stages,
            norm_eval,
            zero_init_residual,
            init_cfg,
        )
        self.add_stem(
            in_channels,
            stem_channels,
            kernel_size=3,
            deep=deep_stem,
            pool=False,
            conv_cfg=conv_cfg,
            norm_cfg=norm_cfg,
        )
        channels = stem_channels
        for stage, stride, dilation in zip(stages, strides, dilations, strict=True):
            layer = make_res_layer(
                Bottleneck,
                stage.blocks,
                channels,
                stage.width,
                stride=stride,
                avg_down=avg_down,
                conv_cfg=conv_cfg,
                norm_cfg=norm_cfg,
                dilation=dilation,
                style=style,
                with_cp=with_cp,
                middle_channels=stage.middle,
                groups=stage.groups,
            )
            self.add_stage(layer)
            channels = stage.width
        self.freeze()


def _arch(arch: str | Mapping[str, Any]) -> Arch:
    if isinstance(arch, str):
        if arch not in _ARCHITECTURES:
            raise ConfigError(
                f"RegNet: unknown arch {arch!r}.{did_you_mean(arch, _ARCHITECTURES)}"
                f" There are {', '.join(_ARCHITECTURES)}"
            )
        return _ARCHITECTURES[arch]
    problems = [message for _, message in argument_problems(Arch, arch)]
    if problems:
        raise ConfigError([f"RegNet: arch: {message}" for message in problems])
    made = Arch(**arch)
    if made.w0 <= 0 or made.w0 % _MULTIPLE or made.wa < 0 or made.wm <= 1:
        raise ConfigError(
            f"RegNet: arch has w0 a multiple of {_MULTIPLE}, wa at least 0 and wm above 1, "
            f"got {made.w0}, {made.wa} and {made.wm}"
        )
    return made


def _stages(arch: Arch) -> list[_Stage]:
    linear = arch.w0 + arch.wa * np.arange(arch.depth)
    powers = np.round(np.log(linear / arch.w0) / np.log(arch.wm))
    widths = np.round(arch.w0 * arch.wm**powers / _MULTIPLE).astype(int) * _MULTIPLE
    stages = []
    for width, blocks in groupby(widths.tolist()):
        middle = int(width * arch.bot_mul)
        group_width = min(arch.group_w, middle)
        groups = round(middle / group_width)
        middle = groups * group_width
        stages.append(_Stage(len(list(blocks)), int(middle / arch.bot_mul), middle, groups))
    return stages
