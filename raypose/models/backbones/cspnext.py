"""CSPNeXt, the backbone of RTMPose and RTMDet.

Paper: Lyu et al., RTMDet: An Empirical Study of Designing Real-Time Object Detectors, 2022.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from torch import Tensor, nn

from raypose.errors import ConfigError, did_you_mean
from raypose.models.backbones.staged_backbone import StagedBackbone, check_indices, run_stages
from raypose.models.base_module import InitCfg
from raypose.models.layers import (
    ConvModule,
    CSPLayer,
    DepthwiseSeparableConvModule,
    SPPBottleneck,
)
from raypose.models.layers.csp_layer import CSP_BN, SILU
from raypose.registry import MODELS

# Stage by stage: input channels, output channels, blocks, residuals in the blocks, pyramid pooling.
_ARCHITECTURES: dict[str, tuple[tuple[int, int, int, bool, bool], ...]] = {
    "P5": (
        (64, 128, 3, True, False),
        (128, 256, 6, True, False),
        (256, 512, 6, True, False),
        (512, 1024, 3, False, True),
    ),
    "P6": (
        (64, 128, 3, True, False),
        (128, 256, 6, True, False),
        (256, 512, 6, True, False),
        (512, 768, 3, True, False),
        (768, 1024, 3, False, True),
    ),
}
_INIT: Mapping[str, Any] = {
    "type": "Kaiming",
    "layer": "Conv2d",
    "a": math.sqrt(5),
    "distribution": "uniform",
    "mode": "fan_in",
    "nonlinearity": "leaky_relu",
}


@MODELS.register_module()
class CSPNeXt(StagedBackbone):
    """CSPNeXt; output 0 is the stem (stride 2), output i has stride 2^(i + 1).

    Args:
        arch: `P5` (4 stages) or `P6` (5 stages).
        deepen_factor: scales the number of blocks.
        widen_factor: scales the channels.
        out_indices: outputs that are returned.
        frozen_stages: see `StagedBackbone`.
        use_depthwise: depthwise-separable convolutions throughout.
        expand_ratio: channels of half a CSP layer relative to its output.
        arch_ovewrite: stages of one's own instead of `arch` (the name is the reference's):
            lists [input channels, output channels, blocks, residuals, pyramid pooling].
        spp_kernel_sizes: windows of the pyramid pooling.
        channel_attention: weigh channels in each stage.
        conv_cfg: kind of convolution.
        norm_cfg: kind of norm.
        act_cfg: kind of activation.
        norm_eval: see `StagedBackbone`.
        init_cfg: see `BaseModule`.

    Raises:
        ConfigError: for an unknown `arch` or indices that do not exist.

    Example:
        type: CSPNeXt
        arch: P5
        deepen_factor: 0.33
        widen_factor: 0.5
        out_indices: [4]
    """

    def __init__(
        self,
        arch: str = "P5",
        deepen_factor: float = 1.0,
        widen_factor: float = 1.0,
        out_indices: Sequence[int] = (2, 3, 4),
        frozen_stages: int = -1,
        use_depthwise: bool = False,
        expand_ratio: float = 0.5,
        arch_ovewrite: Sequence[Sequence[Any]] | None = None,
        spp_kernel_sizes: Sequence[int] = (5, 9, 13),
        channel_attention: bool = True,
        conv_cfg: Mapping[str, Any] | None = None,
        norm_cfg: Mapping[str, Any] = CSP_BN,
        act_cfg: Mapping[str, Any] = SILU,
        norm_eval: bool = False,
        init_cfg: InitCfg = _INIT,
    ) -> None:
        super().__init__(frozen_stages, norm_eval, init_cfg)
        if arch not in _ARCHITECTURES:
            hint = did_you_mean(str(arch), _ARCHITECTURES)
            raise ConfigError(
                f"CSPNeXt: arch is one of {', '.join(_ARCHITECTURES)}, got {arch!r}.{hint}"
            )
        stages = arch_ovewrite or _ARCHITECTURES[arch]
        count = len(stages) + 1
        self.out_indices = check_indices("CSPNeXt: out_indices", out_indices, count)
        if not -1 <= frozen_stages < count:
            raise ConfigError(
                f"CSPNeXt: frozen_stages is within -1 ... {count - 1}, got {frozen_stages}"
            )
        layers: dict[str, Any] = {"conv_cfg": conv_cfg, "norm_cfg": norm_cfg, "act_cfg": act_cfg}
        width = stages[0][0] * widen_factor
        half, full = int(width // 2), int(width)
        self.stem = nn.Sequential(
            ConvModule(3, half, 3, stride=2, padding=1, norm_cfg=norm_cfg, act_cfg=act_cfg),
            ConvModule(half, half, 3, padding=1, norm_cfg=norm_cfg, act_cfg=act_cfg),
            ConvModule(half, full, 3, padding=1, norm_cfg=norm_cfg, act_cfg=act_cfg),
        )
        self.layer_names = ["stem"]
        conv = DepthwiseSeparableConvModule if use_depthwise else ConvModule
        for i, (channels, out, num_blocks, add_identity, use_spp) in enumerate(stages):
            out = int(out * widen_factor)
            stage: list[nn.Module] = [
                conv(int(channels * widen_factor), out, 3, stride=2, padding=1, **layers)
            ]
            if use_spp:
                stage.append(SPPBottleneck(out, out, spp_kernel_sizes, **layers))
            stage.append(
                CSPLayer(
                    out,
                    out,
                    expand_ratio=expand_ratio,
                    num_blocks=max(round(num_blocks * deepen_factor), 1),
                    add_identity=add_identity,
                    use_depthwise=use_depthwise,
                    channel_attention=channel_attention,
                    **layers,
                )
            )
            self.layer_names.append(f"stage{i + 1}")
            self.add_module(self.layer_names[-1], nn.Sequential(*stage))
        self.freeze()

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """See `BaseBackbone.forward`."""
        return run_stages((getattr(self, n) for n in self.layer_names), x, self.out_indices)

    def frozen_modules(self) -> Iterator[nn.Module]:
        """See `StagedBackbone.frozen_modules`."""
        return (getattr(self, name) for name in self.layer_names[: self.frozen_stages + 1])
