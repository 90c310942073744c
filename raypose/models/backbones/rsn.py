"""RSN: residual steps network.

Paper: Cai et al., Learning Delicate Local Representations for Multi-Person Pose Estimation, ECCV
2020.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from raypose.errors import ConfigError
from raypose.models.backbones.multi_stage import MultiStageBackbone
from raypose.models.backbones.staged_backbone import KAIMING_INIT
from raypose.models.base_module import InitCfg
from raypose.models.layers import ConvModule
from raypose.models.layers.norm import BN
from raypose.registry import MODELS


class RSB(nn.Module):
    """Residual steps block: branch i makes i + 1 steps, each with what branch i - 1 found there.

    Args:
        in_channels: channels of the input.
        out_channels: channels of the output.
        num_steps: number of branches.
        branch_channels: channels of each branch.
        stride: of the first convolution.
        downsample: makes the shortcut fit.
        norm_cfg: kind of norm.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        num_steps: int,
        branch_channels: int,
        stride: int = 1,
        downsample: nn.Module | None = None,
        norm_cfg: Mapping[str, Any] = BN,
    ) -> None:
        super().__init__()
        self.num_steps = num_steps
        self.downsample = downsample
        # No activation works in place: a step adds to maps that others read.
        layers: dict[str, Any] = {"norm_cfg": norm_cfg, "inplace": False}
        width = num_steps * branch_channels
        self.conv_bn_relu1 = ConvModule(in_channels, width, 1, stride=stride, **layers)
        for i in range(num_steps):
            for j in range(i + 1):
                step = ConvModule(branch_channels, branch_channels, 3, padding=1, **layers)
                self.add_module(f"conv_bn_relu2_{i + 1}_{j + 1}", step)
        self.conv_bn3 = ConvModule(width, out_channels, 1, act_cfg=None, **layers)
        self.relu = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, out_channels, H', W') from (B, in_channels, H, W)."""
        outs: list[Tensor] = []
        above: list[Tensor] = []  # the steps of the branch before
        for i, step in enumerate(self.conv_bn_relu1(x).chunk(self.num_steps, dim=1)):
            steps: list[Tensor] = []
            for j in range(i + 1):
                if j < i:
                    step = step + above[j]
                step = getattr(self, f"conv_bn_relu2_{i + 1}_{j + 1}")(step)
                steps.append(step)
            outs.append(step)
            above = steps
        shortcut = x if self.downsample is None else self.downsample(x)
        return self.relu(self.conv_bn3(torch.cat(outs, dim=1)) + shortcut)


@MODELS.register_module()
class RSN(MultiStageBackbone):
    """Stages of residual steps blocks; each stage passes all its resolutions on to the next.

    Args:
        unit_channels: channels of the maps that are returned.
        num_stages: number of stages.
        num_units: resolutions of each stage, at least 2.
        num_blocks: residual steps blocks of each resolution, the highest first.
        num_steps: branches of a block, at least 2.
        norm_cfg: kind of norm.
        res_top_channels: channels of the maps that enter the stages.
        expand_times: channels of a branch for each `res_top_channels` of a block's input.
        init_cfg: see `BaseModule`.

    Raises:
        ConfigError: for numbers that do not fit.

    Example:
        type: RSN
        unit_channels: 256
        num_stages: 1
        num_units: 4
        num_blocks: [2, 2, 2, 2]
        num_steps: 4
    """

    def __init__(
        self,
        unit_channels: int = 256,
        num_stages: int = 4,
        num_units: int = 4,
        num_blocks: Sequence[int] = (2, 2, 2, 2),
        num_steps: int = 4,
        norm_cfg: Mapping[str, Any] = BN,
        res_top_channels: int = 64,
        expand_times: int = 26,
        init_cfg: InitCfg = KAIMING_INIT,
    ) -> None:
        if num_steps < 2:
            raise ConfigError(f"RSN: num_steps is at least 2, got {num_steps}")

        def make_block(
            in_channels: int, out_channels: int, stride: int, downsample: nn.Module | None
        ) -> RSB:
            branch_channels = in_channels * expand_times // res_top_channels
            return RSB(
                in_channels, out_channels, num_steps, branch_channels, stride, downsample, norm_cfg
            )

        super().__init__(
            "multi_stage_rsn",
            make_block,
            1,
            unit_channels,
            num_stages,
            num_units,
            num_blocks,
            norm_cfg,
            res_top_channels,
            init_cfg,
        )
