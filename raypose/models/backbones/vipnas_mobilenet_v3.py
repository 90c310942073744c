"""ViPNAS-MobileNetV3.

Paper: Xu et al., ViPNAS: Efficient Video Pose Estimation via Neural Architecture Search, CVPR 2021.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from torch import Tensor, nn

from raypose.errors import ConfigError
from raypose.models.backbones.staged_backbone import NORMAL_INIT, StagedBackbone
from raypose.models.backbones.vipnas_resnet import searched_stages
from raypose.models.base_module import InitCfg
from raypose.models.layers import ConvModule, InvertedResidual
from raypose.models.layers.activation import RELU
from raypose.models.layers.norm import BN
from raypose.models.layers.se_layer import HARD_GATE
from raypose.registry import MODELS

_SE: Mapping[str, Any] = {"ratio": 4, "act_cfg": (RELU, HARD_GATE)}


@MODELS.register_module()
class ViPNAS_MobileNetV3(StagedBackbone):  # noqa: N801 - the name that configs use
    """A MobileNetV3 whose widths, depths and kernels were searched; one output, of stride 32.

    The first entry of each list is that of the stem; where it is None, it is not read.

    Args:
        wid: channels of the stem, then output channels of each stage.
        expan: channels inside the blocks of each stage relative to `wid`.
        dep: blocks of each stage.
        ks: kernel size of the stem, then of the blocks of each stage.
        group: groups of the convolutions in the blocks of each stage.
        att: whether the blocks of each stage weigh their channels.
        stride: stride of the stem, then of each stage.
        act: name of the activation of the stem, then of each stage.
        conv_cfg: kind of convolution.
        norm_cfg: kind of norm.
        frozen_stages: see `StagedBackbone`; each block is a stage.
        norm_eval: see `StagedBackbone`.
        with_cp: save memory by computing blocks again in the backward pass.
        init_cfg: see `BaseModule`.

    Raises:
        ConfigError: for lists that differ in length, or blocks that do not exist.

    Example:
        type: ViPNAS_MobileNetV3
    """

    def __init__(
        self,
        wid: Sequence[int] = (16, 16, 24, 40, 80, 112, 160),
        expan: Sequence[int | None] = (None, 1, 5, 4, 5, 5, 6),
        dep: Sequence[int | None] = (None, 1, 4, 4, 4, 4, 4),
        ks: Sequence[int] = (3, 3, 7, 7, 5, 7, 5),
        group: Sequence[int | None] = (None, 8, 120, 20, 100, 280, 240),
        att: Sequence[bool | None] = (None, True, True, False, True, True, True),
        stride: Sequence[int] = (2, 1, 2, 2, 2, 1, 2),
        act: Sequence[str] = ("HSwish", "ReLU", "ReLU", "ReLU", "HSwish", "HSwish", "HSwish"),
        conv_cfg: Mapping[str, Any] | None = None,
        norm_cfg: Mapping[str, Any] = BN,
        frozen_stages: int = -1,
        norm_eval: bool = False,
        with_cp: bool = False,
        init_cfg: InitCfg = NORMAL_INIT,
    ) -> None:
        super().__init__(frozen_stages, norm_eval, init_cfg)
        stages = searched_stages(
            "ViPNAS_MobileNetV3",
            len(dep) - 1,
            wid=wid,
            expan=expan,
            dep=dep,
            ks=ks,
            group=group,
            att=att,
            stride=stride,
            act=act,
        )
        layers: dict[str, Any] = {"conv_cfg": conv_cfg, "norm_cfg": norm_cfg}
        channels = wid[0]
        self.conv1 = ConvModule(
            3,
            channels,
            ks[0],
            stride=stride[0],
            padding=ks[0] // 2,
            act_cfg={"type": act[0]},
            **layers,
        )
        self.layer_names: list[str] = []
        for stage in stages:
            for i in range(stage["dep"]):
                block = InvertedResidual(
                    channels,
                    stage["wid"],
                    stage["wid"] * stage["expan"],
                    stage["ks"],
                    stage["group"],
                    stage["stride"] if i == 0 else 1,
                    se_cfg=_SE if stage["att"] else None,
                    with_expand_conv=stage["expan"] != 1,
                    act_cfg={"type": stage["act"]},
                    with_cp=with_cp,
                    **layers,
                )
                self.layer_names.append(f"layer{len(self.layer_names) + 1}")
                self.add_module(self.layer_names[-1], block)
                channels = stage["wid"]
        if not -1 <= frozen_stages <= len(self.layer_names):
            raise ConfigError(
                "ViPNAS_MobileNetV3: frozen_stages is within -1 ... "
                f"{len(self.layer_names)}, got {frozen_stages}"
            )
        self.freeze()

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Return maps (B, wid[-1], H, W) as a tuple of one."""
        x = self.conv1(x)
        for name in self.layer_names:
            x = getattr(self, name)(x)
        return (x,)

    def frozen_modules(self) -> Iterator[nn.Module]:
        """See `StagedBackbone.frozen_modules`."""
        if self.frozen_stages >= 0:
            yield self.conv1
            yield from (getattr(self, name) for name in self.layer_names[: self.frozen_stages])
