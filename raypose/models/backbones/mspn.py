"""MSPN (Li et al., Rethinking on Multi-Stage Networks for Human Pose Estimation, 2019)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor, nn

from raypose.models.backbones.multi_stage import MultiStageBackbone
from raypose.models.backbones.staged_backbone import KAIMING_INIT
from raypose.models.base_module import InitCfg
from raypose.models.layers import Bottleneck
from raypose.models.layers.norm import BN
from raypose.registry import MODELS

_EXPANSION = 4


@MODELS.register_module()
class MSPN(MultiStageBackbone):
    """Stages of bottleneck blocks; each stage passes all its resolutions on to the next.

    The weights of a ResNet can be loaded: they start the top and the downsampling of all stages.

    Args:
        unit_channels: channels of the maps that are returned.
        num_stages: number of stages.
        num_units: resolutions of each stage, at least 2.
        num_blocks: bottleneck blocks of each resolution, the highest first.
        norm_cfg: kind of norm.
        res_top_channels: channels of the maps that enter the stages.
        init_cfg: see `BaseModule`.

    Raises:
        ConfigError: for numbers that do not fit.

    Example:
        type: MSPN
        unit_channels: 256
        num_stages: 2
        num_units: 4
        num_blocks: [3, 4, 6, 3]
    """

    def __init__(
        self,
        unit_channels: int = 256,
        num_stages: int = 4,
        num_units: int = 4,
        num_blocks: Sequence[int] = (2, 2, 2, 2),
        norm_cfg: Mapping[str, Any] = BN,
        res_top_channels: int = 64,
        init_cfg: InitCfg = KAIMING_INIT,
    ) -> None:
        def make_block(
            in_channels: int, out_channels: int, stride: int, downsample: nn.Module | None
        ) -> Bottleneck:
            return Bottleneck(
                in_channels,
                out_channels,
                _EXPANSION,
                stride,
                downsample=downsample,
                norm_cfg=norm_cfg,
            )

        super().__init__(
            "multi_stage_mspn",
            make_block,
            _EXPANSION,
            unit_channels,
            num_stages,
            num_units,
            num_blocks,
            norm_cfg,
            res_top_channels,
            init_cfg,
        )

    def adapt_state_dict(self, weights: dict[str, Tensor], prefix: str) -> None:
        """Put the weights of a ResNet, if that is what there is, where they belong here.

        Args:
            weights: changed in place.
            prefix: of this module's keys.
        """
        if f"{prefix}conv1.weight" not in weights:
            return
        stages = len(getattr(self, self.stages_name))
        for key in [key for key in weights if key.startswith(prefix)]:
            value, name = weights.pop(key), key.removeprefix(prefix)
            kind, _, rest = name.partition(".")
            if kind in ("conv1", "bn1"):
                weights[f"{prefix}top.top.0.{kind.removesuffix('1')}.{rest}"] = value
            elif kind.startswith("layer"):
                name = name.replace("downsample.0.", "downsample.conv.")
                name = name.replace("downsample.1.", "downsample.bn.")
                for i in range(stages):
                    weights[f"{prefix}{self.stages_name}.{i}.downsample.{name}"] = value
