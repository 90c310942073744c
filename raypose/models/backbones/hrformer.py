"""HRFormer: HRNet with attention in windows.

Paper: Yuan et al., HRFormer: High-Resolution Transformer for Dense Prediction, NeurIPS 2021.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from torch import nn

from raypose.models.backbones.high_resolution_net import HighResolutionNet
from raypose.models.backbones.staged_backbone import NORMAL_INIT
from raypose.models.base_module import InitCfg
from raypose.models.layers import Bottleneck
from raypose.models.layers.high_resolution import HRLayers
from raypose.models.layers.hrformer_block import HRFormerBlock
from raypose.models.layers.norm import BN
from raypose.models.layers.transformer import LN
from raypose.registry import MODELS

_BLOCK = "HRFORMERBLOCK"
_BILINEAR: Mapping[str, Any] = {"mode": "bilinear", "align_corners": False}


@dataclass(frozen=True)
class HRFormerLayers(HRLayers):
    """Makes the layers of HRFormer.

    Args:
        transformer_norm_cfg: kind of norm before the parts of a block.
        with_rpe: see `HRFormerBlock`.
        with_pad_mask: see `HRFormerBlock`.
    """

    blocks: ClassVar[Mapping[str, type[nn.Module]]] = {
        "BOTTLENECK": Bottleneck,
        _BLOCK: HRFormerBlock,
    }

    transformer_norm_cfg: Mapping[str, Any]
    with_rpe: bool
    with_pad_mask: bool

    def shrink(self, in_channels: int, out_channels: int) -> list[nn.Module]:
        """See `HRLayers.shrink`."""
        each = self.conv(in_channels, in_channels, 3, stride=2, groups=in_channels)
        return [*each, *self.conv(in_channels, out_channels, 1, stride=1)]

    def complete(self, extra: Mapping[str, Any]) -> Mapping[str, Any]:
        """Give each stage `drop_path_rates`, one for each block of its highest resolution.

        They grow linearly from 0, over the stages with several resolutions.
        """
        names = ("stage2", "stage3", "stage4")
        depths = [extra[name]["num_modules"] * extra[name]["num_blocks"][0] for name in names]
        step = extra.get("drop_path_rate", 0.0) / max(sum(depths) - 1, 1)
        completed = dict(extra)
        for i, name in enumerate(names):
            rates = [step * (sum(depths[:i]) + k) for k in range(depths[i])]
            completed[name] = {**extra[name], "drop_path_rates": rates}
        return completed

    def branch_keys(self, block: str) -> tuple[str, ...]:
        """See `HRLayers.branch_keys`."""
        more = ("num_heads", "window_sizes", "mlp_ratios") if block == _BLOCK else ()
        return (*super().branch_keys(block), *more)

    def branch(
        self, stage: Mapping[str, Any], module: int, branch: int, in_channels: int
    ) -> nn.Sequential:
        """See `HRLayers.branch`."""
        if stage["block"] != _BLOCK:
            return super().branch(stage, module, branch, in_channels)
        depth = stage["num_blocks"][0]
        rates = stage["drop_path_rates"][depth * module : depth * (module + 1)]
        return nn.Sequential(
            *[
                HRFormerBlock(
                    in_channels,
                    stage["num_heads"][branch],
                    window_size=stage["window_sizes"][branch],
                    mlp_ratio=stage["mlp_ratios"][branch],
                    drop_path_rate=rates[min(i, depth - 1)],
                    norm_cfg=self.norm_cfg,
                    transformer_norm_cfg=self.transformer_norm_cfg,
                    with_rpe=self.with_rpe,
                    with_pad_mask=self.with_pad_mask,
                    with_cp=self.with_cp,
                )
                for i in range(stage["num_blocks"][branch])
            ]
        )


@MODELS.register_module()
class HRFormer(HighResolutionNet):
    """HRFormer: resolutions from 1/4 downwards, side by side.

    Args:
        extra: the stages as in `HRNet`, with `block` `HRFORMERBLOCK` and then `num_heads`,
            `window_sizes` and `mlp_ratios` (one for each branch), or `BOTTLENECK`; besides them
            `drop_path_rate` (stochastic depth of the last block), `with_rpe` (bias of relative
            positions, by default), `with_pad_mask` (keep padding out of the attention) and
            `upsample` (bilinear by default).
        in_channels: channels of the image.
        conv_cfg: kind of convolution.
        norm_cfg: kind of norm of the convolutions.
        transformer_norm_cfg: kind of norm before the parts of a block.
        norm_eval: see `StagedBackbone`.
        with_cp: save memory by computing blocks again in the backward pass.
        zero_init_residual: start each residual block as the identity.
        frozen_stages: see `StagedBackbone`.
        init_cfg: see `BaseModule`.

    Raises:
        ConfigError: if `extra` misses something or contradicts itself.

    Example:
        type: HRFormer
        extra:
          drop_path_rate: 0.1
          stage1: {num_modules: 1, num_branches: 1, block: BOTTLENECK, num_blocks: [2],
            num_channels: [64]}
          stage2: {num_modules: 1, num_branches: 2, block: HRFORMERBLOCK, num_blocks: [2, 2],
            num_channels: [32, 64], num_heads: [1, 2], window_sizes: [7, 7], mlp_ratios: [4, 4]}
          stage3: {num_modules: 4, num_branches: 3, block: HRFORMERBLOCK, num_blocks: [2, 2, 2],
            num_channels: [32, 64, 128], num_heads: [1, 2, 4], window_sizes: [7, 7, 7],
            mlp_ratios: [4, 4, 4]}
          stage4: {num_modules: 2, num_branches: 4, block: HRFORMERBLOCK, num_blocks: [2, 2, 2, 2],
            num_channels: [32, 64, 128, 256], num_heads: [1, 2, 4, 8],
            window_sizes: [7, 7, 7, 7], mlp_ratios: [4, 4, 4, 4]}
    """

    options: ClassVar[tuple[str, ...]] = (
        "upsample",
        "drop_path_rate",
        "with_rpe",
        "with_pad_mask",
    )

    def __init__(
        self,
        extra: Mapping[str, Any],
        in_channels: int = 3,
        conv_cfg: Mapping[str, Any] | None = None,
        norm_cfg: Mapping[str, Any] = BN,
        transformer_norm_cfg: Mapping[str, Any] = LN,
        norm_eval: bool = False,
        with_cp: bool = False,
        zero_init_residual: bool = False,
        frozen_stages: int = -1,
        init_cfg: InitCfg = NORMAL_INIT,
    ) -> None:
        layers = HRFormerLayers(
            conv_cfg,
            norm_cfg,
            with_cp,
            extra.get("upsample", _BILINEAR),
            transformer_norm_cfg,
            extra.get("with_rpe", True),
            extra.get("with_pad_mask", False),
        )
        super().__init__(
            extra,
            layers,
            in_channels,
            norm_eval,
            zero_init_residual,
            frozen_stages,
            init_cfg,
        )
