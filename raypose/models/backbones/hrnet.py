"""HRNet (Sun et al., Deep High-Resolution Representation Learning, CVPR 2019)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from raypose.models.backbones.high_resolution_net import HighResolutionNet
from raypose.models.backbones.staged_backbone import NORMAL_INIT
from raypose.models.base_module import InitCfg
from raypose.models.layers.high_resolution import HRLayers
from raypose.models.layers.norm import BN
from raypose.registry import MODELS

_NEAREST: Mapping[str, Any] = {"mode": "nearest", "align_corners": None}


@MODELS.register_module()
class HRNet(HighResolutionNet):
    """HRNet: resolutions from 1/4 downwards, side by side.

    Args:
        extra: `stage1` ... `stage4`, each with `num_modules`, `num_branches`, `block` (`BASIC` or
            `BOTTLENECK`), `num_blocks` and `num_channels` (one for each branch); `stage4` may
            have `multiscale_output: true` to return all resolutions instead of the highest;
            `upsample` is how maps are enlarged (`mode`, `align_corners`).
        in_channels: channels of the image.
        conv_cfg: kind of convolution.
        norm_cfg: kind of norm.
        norm_eval: see `StagedBackbone`.
        with_cp: save memory by computing blocks again in the backward pass.
        zero_init_residual: start each block as the identity.
        frozen_stages: see `StagedBackbone`.
        init_cfg: see `BaseModule`.

    Raises:
        ConfigError: if `extra` misses something or contradicts itself.

    Example:
        type: HRNet
        extra:
          stage1: {num_modules: 1, num_branches: 1, block: BOTTLENECK, num_blocks: [4],
            num_channels: [64]}
          stage2: {num_modules: 1, num_branches: 2, block: BASIC, num_blocks: [4, 4],
            num_channels: [32, 64]}
          stage3: {num_modules: 4, num_branches: 3, block: BASIC, num_blocks: [4, 4, 4],
            num_channels: [32, 64, 128]}
          stage4: {num_modules: 3, num_branches: 4, block: BASIC, num_blocks: [4, 4, 4, 4],
            num_channels: [32, 64, 128, 256]}
    """

    def __init__(
        self,
        extra: Mapping[str, Any],
        in_channels: int = 3,
        conv_cfg: Mapping[str, Any] | None = None,
        norm_cfg: Mapping[str, Any] = BN,
        norm_eval: bool = False,
        with_cp: bool = False,
        zero_init_residual: bool = False,
        frozen_stages: int = -1,
        init_cfg: InitCfg = NORMAL_INIT,
    ) -> None:
        super().__init__(
            extra,
            HRLayers(conv_cfg, norm_cfg, with_cp, extra.get("upsample", _NEAREST)),
            in_channels,
            norm_eval,
            zero_init_residual,
            frozen_stages,
            init_cfg,
        )
