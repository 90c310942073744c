"""CSPDarknet, the backbone of YOLOX, YOLOX-Pose and RTMO.

Paper: Ge et al., YOLOX: Exceeding YOLO Series in 2021.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from raypose.models.backbones.csp_backbone import CSPBackbone, Stage, pick_stages
from raypose.models.base_module import InitCfg
from raypose.models.layers import ConvModule, DarknetBottleneck
from raypose.models.layers.csp_layer import CSP_BN, SWISH, UNIFORM_INIT
from raypose.registry import MODELS

_ARCHITECTURES: Mapping[str, Sequence[Stage]] = {
    "P5": (
        (64, 128, 3, True, False),
        (128, 256, 9, True, False),
        (256, 512, 9, True, False),
        (512, 1024, 3, False, True),
    ),
    "P6": (
        (64, 128, 3, True, False),
        (128, 256, 9, True, False),
        (256, 512, 9, True, False),
        (512, 768, 3, True, False),
        (768, 1024, 3, False, True),
    ),
}


class Focus(nn.Module):
    """Move each 2x2 square of an image into its channels, then one convolution (`conv`).

    Args:
        in_channels: channels of the image.
        out_channels: channels of the output.
        kernel_size: of the convolution, odd.
        conv_cfg: kind of convolution.
        norm_cfg: kind of norm.
        act_cfg: kind of activation.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int = 1,
        conv_cfg: Mapping[str, Any] | None = None,
        norm_cfg: Mapping[str, Any] = CSP_BN,
        act_cfg: Mapping[str, Any] = SWISH,
    ) -> None:
        super().__init__()
        self.conv = ConvModule(
            in_channels * 4,
            out_channels,
            kernel_size,
            padding=kernel_size // 2,
            conv_cfg=conv_cfg,
            norm_cfg=norm_cfg,
            act_cfg=act_cfg,
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, out_channels, H / 2, W / 2) from (B, in_channels, H, W)."""
        # Column by column: top left, bottom left, top right, bottom right.
        squares = [x[..., row::2, column::2] for column in (0, 1) for row in (0, 1)]
        return self.conv(torch.cat(squares, dim=1))


@MODELS.register_module()
class CSPDarknet(CSPBackbone):
    """CSPDarknet; output 0 is the stem (stride 2), output i has stride 2^(i + 1).

    Args:
        arch: `P5` (4 stages) or `P6` (5 stages).
        deepen_factor: scales the number of blocks.
        widen_factor: scales the channels.
        out_indices: outputs that are returned.
        frozen_stages: see `StagedBackbone`.
        use_depthwise: depthwise-separable convolutions after the stem.
        arch_ovewrite: stages of one's own instead of `arch` (the name is the reference's):
            lists [input channels, output channels, blocks, residuals, pyramid pooling].
        spp_kernal_sizes: windows of the pyramid pooling (the name is the reference's).
        conv_cfg: kind of convolution.
        norm_cfg: kind of norm.
        act_cfg: kind of activation.
        norm_eval: see `StagedBackbone`.
        init_cfg: see `BaseModule`.

    Raises:
        ConfigError: for an unknown `arch` or indices that do not exist.

    Example:
        type: CSPDarknet
        deepen_factor: 0.33
        widen_factor: 0.375
        out_indices: [2, 3, 4]
    """

    def __init__(
        self,
        arch: str = "P5",
        deepen_factor: float = 1.0,
        widen_factor: float = 1.0,
        out_indices: Sequence[int] = (2, 3, 4),
        frozen_stages: int = -1,
        use_depthwise: bool = False,
        arch_ovewrite: Sequence[Stage] | None = None,
        spp_kernal_sizes: Sequence[int] = (5, 9, 13),
        conv_cfg: Mapping[str, Any] | None = None,
        norm_cfg: Mapping[str, Any] = CSP_BN,
        act_cfg: Mapping[str, Any] = SWISH,
        norm_eval: bool = False,
        init_cfg: InitCfg = UNIFORM_INIT,
    ) -> None:
        stages = pick_stages("CSPDarknet", arch, _ARCHITECTURES, arch_ovewrite)
        layers: dict[str, Any] = {"conv_cfg": conv_cfg, "norm_cfg": norm_cfg, "act_cfg": act_cfg}
        super().__init__(
            Focus(3, int(stages[0][0] * widen_factor), kernel_size=3, **layers),
            stages,
            deepen_factor,
            widen_factor,
            out_indices,
            frozen_stages,
            use_depthwise,
            spp_kernal_sizes,
            {"block": DarknetBottleneck},
            layers,
            norm_eval,
            init_cfg,
        )
