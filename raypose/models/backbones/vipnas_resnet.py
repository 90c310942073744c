"""ViPNAS-ResNet.

Paper: Xu et al., ViPNAS: Efficient Video Pose Estimation via Neural Architecture Search, CVPR 2021.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor, nn

from raypose.errors import ConfigError
from raypose.models.backbones.residual_backbone import ResidualBackbone
from raypose.models.backbones.staged_backbone import NORMAL_INIT
from raypose.models.base_module import InitCfg
from raypose.models.layers import Bottleneck, ContextBlock, make_res_layer
from raypose.models.layers.norm import BN
from raypose.models.layers.residual import Style
from raypose.registry import MODELS


class ViPNASBottleneck(Bottleneck):
    """A bottleneck that may add global context to its branch.

    Args:
        in_channels: channels of the input.
        out_channels: channels of the output.
        attention: add the context.
        **arguments: the other arguments of `Bottleneck`.
    """

    default_expansion = 1

    def __init__(
        self, in_channels: int, out_channels: int, attention: bool = False, **arguments: Any
    ) -> None:
        super().__init__(in_channels, out_channels, **arguments)
        self.attention: nn.Module = nn.Identity()
        if attention:
            self.attention = ContextBlock(out_channels, max(out_channels // 16, 16))

    def branch(self, x: Tensor) -> Tensor:
        """See `ResidualBlock.branch`."""
        return self.attention(super().branch(x))


@MODELS.register_module()
class ViPNAS_ResNet(ResidualBackbone):  # noqa: N801 - the name that configs use
    """A ResNet whose widths, depths and kernels were searched; stage i has stride 4 * 2^i.

    Args:
        depth: 50, the network that the search started from.
        in_channels: channels of the image.
        num_stages: number of stages, up to 4.
        strides: stride of each stage.
        dilations: dilation of each stage.
        out_indices: stages whose outputs are returned.
        style: see `ResNet`.
        deep_stem: three 3x3 convolutions in the stem instead of one of size `ks[0]`.
        avg_down: see `ResNet`.
        frozen_stages: see `StagedBackbone`.
        conv_cfg: kind of convolution.
        norm_cfg: kind of norm.
        norm_eval: see `StagedBackbone`.
        with_cp: save memory by computing blocks again in the backward pass.
        zero_init_residual: start each block as the identity.
        wid: channels of the stem, then channels inside the blocks of each stage.
        expan: output channels of the blocks of each stage relative to those inside; the first
            entry, of the stem, is not read, as in the lists below.
        dep: blocks of each stage.
        ks: kernel size of the stem, then of the blocks of each stage.
        group: groups of the convolutions in the blocks of each stage.
        att: whether the blocks of each stage add global context.
        init_cfg: see `BaseModule`.

    Raises:
        ConfigError: for another depth, lists that are too short, or stages or indices that do
            not exist.

    Example:
        type: ViPNAS_ResNet
        depth: 50
    """

    def __init__(
        self,
        depth: int,
        in_channels: int = 3,
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
        zero_init_residual: bool = False,
        wid: Sequence[int] = (48, 80, 160, 304, 608),
        expan: Sequence[int | None] = (None, 1, 1, 1, 1),
        dep: Sequence[int | None] = (None, 4, 6, 7, 3),
        ks: Sequence[int] = (7, 3, 5, 5, 5),
        group: Sequence[int | None] = (None, 16, 16, 16, 16),
        att: Sequence[bool | None] = (None, True, False, True, True),
        init_cfg: InitCfg = NORMAL_INIT,
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
        if depth != 50:
            raise ConfigError(f"ViPNAS_ResNet: depth is 50, got {depth}")
        stages = searched_stages(
            "ViPNAS_ResNet", num_stages, wid=wid, expan=expan, dep=dep, ks=ks, group=group, att=att
        )
        channels = wid[0]
        self.add_stem(in_channels, channels, ks[0], deep_stem, conv_cfg=conv_cfg, norm_cfg=norm_cfg)
        for i, stage in enumerate(stages):
            out_channels = stage["wid"] * stage["expan"]
            layer = make_res_layer(
                ViPNASBottleneck,
                stage["dep"],
                channels,
                out_channels,
                expansion=stage["expan"],
                stride=strides[i],
                avg_down=avg_down,
                conv_cfg=conv_cfg,
                norm_cfg=norm_cfg,
                dilation=dilations[i],
                style=style,
                with_cp=with_cp,
                kernel_size=stage["ks"],
                groups=stage["group"],
                attention=stage["att"],
            )
            self.add_stage(layer)
            channels = out_channels
        self.freeze()


def searched_stages(name: str, num_stages: int, **lists: Sequence[Any]) -> list[dict[str, Any]]:
    """Return what lists of searched values say of each stage.

    Args:
        name: who asks, for messages.
        num_stages: number of stages.
        **lists: values by what they are; the first of each list is that of the stem.

    Raises:
        ConfigError: if a list has no value for a stage.
    """
    stages = [
        {key: values[i] if i < len(values) else None for key, values in lists.items()}
        for i in range(1, num_stages + 1)
    ]
    problems = [
        f"{name}: {key} has a value for the stem and for each of {num_stages} stages, "
        f"got {list(lists[key])}"
        for key in lists
        if any(stage[key] is None for stage in stages)
    ]
    if problems:
        raise ConfigError(problems)
    return stages
