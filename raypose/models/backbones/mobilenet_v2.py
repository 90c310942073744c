"""MobileNetV2 (Sandler et al., Inverted Residuals and Linear Bottlenecks, CVPR 2018)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from raypose.errors import ConfigError
from raypose.models.backbones.staged_backbone import (
    KAIMING_INIT,
    StagedBackbone,
    check_indices,
    run_stages,
)
from raypose.models.base_module import InitCfg
from raypose.models.layers import ConvModule, make_divisible
from raypose.models.layers.norm import BN
from raypose.registry import MODELS

RELU6: Mapping[str, Any] = {"type": "ReLU6"}

# Stage by stage: expansion, output channels, blocks, stride.
_STAGES = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)


@MODELS.register_module()
class MobileNetV2(StagedBackbone):
    """MobileNetV2; outputs 0 to 6 are its stages, 7 is the last convolution.

    Args:
        widen_factor: scales the channels.
        out_indices: outputs that are returned.
        frozen_stages: see `StagedBackbone`.
        conv_cfg: kind of convolution.
        norm_cfg: kind of norm.
        act_cfg: kind of activation.
        norm_eval: see `StagedBackbone`.
        with_cp: save memory by computing blocks again in the backward pass.
        init_cfg: see `BaseModule`.

    Raises:
        ConfigError: for indices that do not exist.

    Example:
        type: MobileNetV2
        widen_factor: 1.0
        out_indices: [7]
    """

    def __init__(
        self,
        widen_factor: float = 1.0,
        out_indices: Sequence[int] = (7,),
        frozen_stages: int = -1,
        conv_cfg: Mapping[str, Any] | None = None,
        norm_cfg: Mapping[str, Any] = BN,
        act_cfg: Mapping[str, Any] = RELU6,
        norm_eval: bool = False,
        with_cp: bool = False,
        init_cfg: InitCfg = KAIMING_INIT,
    ) -> None:
        super().__init__(frozen_stages, norm_eval, init_cfg)
        self.out_indices = check_indices("MobileNetV2: out_indices", out_indices, 8)
        if not -1 <= frozen_stages < 8:
            raise ConfigError(f"MobileNetV2: frozen_stages is within -1 ... 7, got {frozen_stages}")
        layers: dict[str, Any] = {"conv_cfg": conv_cfg, "norm_cfg": norm_cfg, "act_cfg": act_cfg}
        channels = make_divisible(32 * widen_factor, 8)
        self.conv1 = ConvModule(3, channels, 3, stride=2, padding=1, **layers)
        self.layer_names = [f"layer{i + 1}" for i in range(len(_STAGES))] + ["conv2"]
        for i, (expand_ratio, width, num_blocks, stride) in enumerate(_STAGES):
            blocks = []
            for j in range(num_blocks):
                out_channels = make_divisible(width * widen_factor, 8)
                step = stride if j == 0 else 1
                blocks.append(
                    InvertedResidual(channels, out_channels, step, expand_ratio, with_cp, **layers)
                )
                channels = out_channels
            self.add_module(f"layer{i + 1}", nn.Sequential(*blocks))
        self.conv2 = ConvModule(channels, int(1280 * max(widen_factor, 1.0)), 1, **layers)
        self.freeze()

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """See `BaseBackbone.forward`."""
        stages = (getattr(self, name) for name in self.layer_names)
        return run_stages(stages, self.conv1(x), self.out_indices)

    def frozen_modules(self) -> Iterator[nn.Module]:
        """See `StagedBackbone.frozen_modules`."""
        if self.frozen_stages >= 0:
            yield self.conv1
        yield from (getattr(self, name) for name in self.layer_names[: max(self.frozen_stages, 0)])


class InvertedResidual(nn.Module):
    """Widen, convolve each channel, shrink; with a residual where the shapes agree.

    Args:
        in_channels: channels of the input.
        out_channels: channels of the output.
        stride: 1 or 2.
        expand_ratio: channels inside relative to the input's.
        with_cp: compute the block again in the backward pass.
        conv_cfg: kind of convolution.
        norm_cfg: kind of norm.
        act_cfg: kind of activation.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        stride: int,
        expand_ratio: int,
        with_cp: bool = False,
        conv_cfg: Mapping[str, Any] | None = None,
        norm_cfg: Mapping[str, Any] = BN,
        act_cfg: Mapping[str, Any] = RELU6,
    ) -> None:
        super().__init__()
        layers: dict[str, Any] = {"conv_cfg": conv_cfg, "norm_cfg": norm_cfg}
        hidden = in_channels * expand_ratio
        convs = [
            ConvModule(
                hidden,
                hidden,
                3,
                stride=stride,
                padding=1,
                groups=hidden,
                act_cfg=act_cfg,
                **layers,
            ),
            ConvModule(hidden, out_channels, 1, act_cfg=None, **layers),
        ]
        if expand_ratio != 1:
            convs.insert(0, ConvModule(in_channels, hidden, 1, act_cfg=act_cfg, **layers))
        self.conv = nn.Sequential(*convs)
        self.with_cp = with_cp
        self.has_shortcut = stride == 1 and in_channels == out_channels

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, out_channels, H', W') from (B, in_channels, H, W)."""
        if self.with_cp and x.requires_grad:
            out: Tensor = checkpoint(self.conv, x, use_reentrant=False)  # type: ignore[assignment]
        else:
            out = self.conv(x)
        return x + out if self.has_shortcut else out
