"""MobileNetV3 (Howard et al., Searching for MobileNetV3, ICCV 2019)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from torch import Tensor, nn

from raypose.errors import ConfigError
from raypose.models.backbones.staged_backbone import (
    KAIMING_INIT,
    StagedBackbone,
    check_indices,
    run_stages,
)
from raypose.models.base_module import InitCfg
from raypose.models.layers import ConvModule, InvertedResidual
from raypose.models.layers.activation import RELU
from raypose.models.layers.norm import BN
from raypose.models.layers.se_layer import HARD_GATE
from raypose.registry import MODELS


class _Block(NamedTuple):
    kernel_size: int
    mid_channels: int
    out_channels: int
    with_se: bool
    activation: str
    stride: int


_ARCHITECTURES: Mapping[str, tuple[_Block, ...]] = {
    "small": (
        _Block(3, 16, 16, True, "ReLU", 2),
        _Block(3, 72, 24, False, "ReLU", 2),
        _Block(3, 88, 24, False, "ReLU", 1),
        _Block(5, 96, 40, True, "HSwish", 2),
        _Block(5, 240, 40, True, "HSwish", 1),
        _Block(5, 240, 40, True, "HSwish", 1),
        _Block(5, 120, 48, True, "HSwish", 1),
        _Block(5, 144, 48, True, "HSwish", 1),
        _Block(5, 288, 96, True, "HSwish", 2),
        _Block(5, 576, 96, True, "HSwish", 1),
        _Block(5, 576, 96, True, "HSwish", 1),
    ),
    "big": (
        _Block(3, 16, 16, False, "ReLU", 1),
        _Block(3, 64, 24, False, "ReLU", 2),
        _Block(3, 72, 24, False, "ReLU", 1),
        _Block(5, 72, 40, True, "ReLU", 2),
        _Block(5, 120, 40, True, "ReLU", 1),
        _Block(5, 120, 40, True, "ReLU", 1),
        _Block(3, 240, 80, False, "HSwish", 2),
        _Block(3, 200, 80, False, "HSwish", 1),
        _Block(3, 184, 80, False, "HSwish", 1),
        _Block(3, 184, 80, False, "HSwish", 1),
        _Block(3, 480, 112, True, "HSwish", 1),
        _Block(3, 672, 112, True, "HSwish", 1),
        _Block(5, 672, 160, True, "HSwish", 1),
        _Block(5, 672, 160, True, "HSwish", 2),
        _Block(5, 960, 160, True, "HSwish", 1),
    ),
}
_SE: Mapping[str, Any] = {"ratio": 4, "act_cfg": (RELU, HARD_GATE)}


@MODELS.register_module()
class MobileNetV3(StagedBackbone):
    """MobileNetV3; output i is that of block i, of stride 32 at the end.

    Args:
        arch: `small`, of 11 blocks, or `big`, of 15.
        conv_cfg: kind of convolution.
        norm_cfg: kind of norm.
        out_indices: blocks whose outputs are returned; negative ones count from the last.
        frozen_stages: see `StagedBackbone`; each block is a stage.
        norm_eval: see `StagedBackbone`.
        with_cp: save memory by computing blocks again in the backward pass.
        init_cfg: see `BaseModule`.

    Raises:
        ConfigError: for an unknown `arch` or blocks that do not exist.

    Example:
        type: MobileNetV3
        arch: small
    """

    def __init__(
        self,
        arch: str = "small",
        conv_cfg: Mapping[str, Any] | None = None,
        norm_cfg: Mapping[str, Any] = BN,
        out_indices: Sequence[int] = (-1,),
        frozen_stages: int = -1,
        norm_eval: bool = False,
        with_cp: bool = False,
        init_cfg: InitCfg = KAIMING_INIT,
    ) -> None:
        super().__init__(frozen_stages, norm_eval, init_cfg)
        if arch not in _ARCHITECTURES:
            raise ConfigError(f"MobileNetV3: arch is 'small' or 'big', got {arch!r}")
        blocks = _ARCHITECTURES[arch]
        count = len(blocks)
        indices = [i + count if -count <= i < 0 else i for i in out_indices]
        self.out_indices = check_indices("MobileNetV3: out_indices", indices, count)
        if not -1 <= frozen_stages < count:
            raise ConfigError(
                f"MobileNetV3: frozen_stages is within -1 ... {count - 1}, got {frozen_stages}"
            )
        layers: dict[str, Any] = {"conv_cfg": conv_cfg, "norm_cfg": norm_cfg}
        channels = 16
        hswish = {"type": "HSwish"}
        self.conv1 = ConvModule(3, channels, 3, stride=2, padding=1, act_cfg=hswish, **layers)
        self.layer_names = [f"layer{i + 1}" for i in range(count)]
        for name, block in zip(self.layer_names, blocks, strict=True):
            layer = InvertedResidual(
                channels,
                block.out_channels,
                block.mid_channels,
                block.kernel_size,
                stride=block.stride,
                se_cfg=_SE if block.with_se else None,
                act_cfg={"type": block.activation},
                with_cp=with_cp,
                **layers,
            )
            self.add_module(name, layer)
            channels = block.out_channels
        self.freeze()

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """See `BaseBackbone.forward`."""
        stages = (getattr(self, name) for name in self.layer_names)
        return run_stages(stages, self.conv1(x), self.out_indices)

    def frozen_modules(self) -> Iterator[nn.Module]:
        """See `StagedBackbone.frozen_modules`."""
        if self.frozen_stages >= 0:
            yield self.conv1
            yield from (getattr(self, name) for name in self.layer_names[: self.frozen_stages])
