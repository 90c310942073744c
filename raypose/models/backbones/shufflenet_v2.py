"""ShuffleNetV2.

Paper: Ma et al., ShuffleNet V2: Practical Guidelines for Efficient CNN Architecture Design, ECCV
2018.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from raypose.errors import ConfigError
from raypose.models.backbones.shuffle_backbone import (
    SHUFFLE_INIT,
    STAGE_BLOCKS,
    ShuffleBackbone,
)
from raypose.models.base_module import InitCfg
from raypose.models.layers import ConvModule, channel_shuffle
from raypose.models.layers.activation import RELU
from raypose.models.layers.norm import BN
from raypose.registry import MODELS

# Widen factor -> channels of each stage and of the last convolution.
_WIDTHS: Mapping[float, tuple[int, ...]] = {
    0.5: (48, 96, 192, 1024),
    1.0: (116, 232, 464, 1024),
    1.5: (176, 352, 704, 1024),
    2.0: (244, 488, 976, 2048),
}
_STEM_CHANNELS = 24


@MODELS.register_module()
class ShuffleNetV2(ShuffleBackbone):
    """ShuffleNetV2; outputs 0 to 2 are its stages, of stride 8 * 2^i, 3 is the last convolution.

    Args:
        widen_factor: 0.5, 1.0, 1.5 or 2.0.
        out_indices: outputs that are returned.
        frozen_stages: see `StagedBackbone`.
        conv_cfg: kind of convolution.
        norm_cfg: kind of norm.
        act_cfg: kind of activation.
        norm_eval: see `StagedBackbone`.
        with_cp: save memory by computing blocks again in the backward pass.
        init_cfg: see `BaseModule`.

    Raises:
        ConfigError: for another widen factor or outputs that do not exist.

    Example:
        type: ShuffleNetV2
        widen_factor: 1.0
    """

    def __init__(
        self,
        widen_factor: float = 1.0,
        out_indices: Sequence[int] = (3,),
        frozen_stages: int = -1,
        conv_cfg: Mapping[str, Any] | None = None,
        norm_cfg: Mapping[str, Any] = BN,
        act_cfg: Mapping[str, Any] = RELU,
        norm_eval: bool = False,
        with_cp: bool = False,
        init_cfg: InitCfg = SHUFFLE_INIT,
    ) -> None:
        if widen_factor not in _WIDTHS:
            raise ConfigError(
                f"ShuffleNetV2: widen_factor is one of {sorted(_WIDTHS)}, got {widen_factor}"
            )
        layers: dict[str, Any] = {"conv_cfg": conv_cfg, "norm_cfg": norm_cfg, "act_cfg": act_cfg}
        *widths, last = _WIDTHS[widen_factor]
        channels = _STEM_CHANNELS
        super().__init__(
            channels, len(widths) + 1, out_indices, frozen_stages, norm_eval, init_cfg, **layers
        )
        for blocks, width in zip(STAGE_BLOCKS, widths, strict=True):
            stage = [ShuffleBlock(channels, width, 2, with_cp, **layers)]
            stage += [ShuffleBlock(width, width, 1, with_cp, **layers) for _ in range(blocks - 1)]
            self.layers.append(nn.Sequential(*stage))
            channels = width
        self.layers.append(ConvModule(channels, last, 1, **layers))
        self.freeze()


class ShuffleBlock(nn.Module):
    """Half of the channels go through convolutions, half past them; then they are shuffled.

    Args:
        in_channels: channels of the input.
        out_channels: channels of the output; with stride 1 those of the input.
        stride: 1, or 2, where both halves are made from all channels.
        with_cp: compute the block again in the backward pass instead of keeping its maps.
        conv_cfg: kind of convolution.
        norm_cfg: kind of norm.
        act_cfg: kind of activation.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        stride: int,
        with_cp: bool = False,
        conv_cfg: Mapping[str, Any] | None = None,
        norm_cfg: Mapping[str, Any] = BN,
        act_cfg: Mapping[str, Any] = RELU,
    ) -> None:
        super().__init__()
        half = out_channels // 2
        self.with_cp = with_cp
        layers: dict[str, Any] = {"conv_cfg": conv_cfg, "norm_cfg": norm_cfg}

        def depthwise(channels: int) -> ConvModule:
            return ConvModule(
                channels,
                channels,
                3,
                stride=stride,
                padding=1,
                groups=channels,
                act_cfg=None,
                **layers,
            )

        def pointwise(channels: int) -> ConvModule:
            return ConvModule(channels, half, 1, act_cfg=act_cfg, **layers)

        self.branch1: nn.Module | None = None
        if stride > 1:
            self.branch1 = nn.Sequential(depthwise(in_channels), pointwise(in_channels))
        self.branch2 = nn.Sequential(
            pointwise(in_channels if stride > 1 else half), depthwise(half), pointwise(half)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, out_channels, H', W') from (B, in_channels, H, W)."""
        if self.with_cp and x.requires_grad:
            return checkpoint(self._block, x, use_reentrant=False)  # type: ignore[return-value]
        return self._block(x)

    def _block(self, x: Tensor) -> Tensor:
        if self.branch1 is None:
            past, through = x.chunk(2, dim=1)
        else:
            past, through = self.branch1(x), x
        return channel_shuffle(torch.cat([past, self.branch2(through)], dim=1), 2)
