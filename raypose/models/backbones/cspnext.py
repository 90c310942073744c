"""CSPNeXt, the backbone of RTMPose and RTMDet.

Paper: Lyu et al., RTMDet: An Empirical Study of Designing Real-Time Object Detectors, 2022.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import nn

from raypose.models.backbones.csp_backbone import CSPBackbone, Stage, pick_stages
from raypose.models.base_module import InitCfg
from raypose.models.layers import ConvModule
from raypose.models.layers.csp_layer import CSP_BN, SILU, UNIFORM_INIT
from raypose.registry import MODELS

_ARCHITECTURES: Mapping[str, Sequence[Stage]] = {
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


@MODELS.register_module()
class CSPNeXt(CSPBackbone):
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
        arch_ovewrite: Sequence[Stage] | None = None,
        spp_kernel_sizes: Sequence[int] = (5, 9, 13),
        channel_attention: bool = True,
        conv_cfg: Mapping[str, Any] | None = None,
        norm_cfg: Mapping[str, Any] = CSP_BN,
        act_cfg: Mapping[str, Any] = SILU,
        norm_eval: bool = False,
        init_cfg: InitCfg = UNIFORM_INIT,
    ) -> None:
        stages = pick_stages("CSPNeXt", arch, _ARCHITECTURES, arch_ovewrite)
        width = stages[0][0] * widen_factor
        half, full = int(width // 2), int(width)
        stem = nn.Sequential(
            ConvModule(3, half, 3, stride=2, padding=1, norm_cfg=norm_cfg, act_cfg=act_cfg),
            ConvModule(half, half, 3, padding=1, norm_cfg=norm_cfg, act_cfg=act_cfg),
            ConvModule(half, full, 3, padding=1, norm_cfg=norm_cfg, act_cfg=act_cfg),
        )
        super().__init__(
            stem,
            stages,
            deepen_factor,
            widen_factor,
            out_indices,
            frozen_stages,
            use_depthwise,
            spp_kernel_sizes,
            {"expand_ratio": expand_ratio, "channel_attention": channel_attention},
            {"conv_cfg": conv_cfg, "norm_cfg": norm_cfg, "act_cfg": act_cfg},
            norm_eval,
            init_cfg,
        )
