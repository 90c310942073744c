"""Blocks of Lite-HRNet.

Paper: Yu et al., Lite-HRNet: A Lightweight High-Resolution Network, CVPR 2021.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from raypose.models.backbones.shufflenet_v2 import ShuffleBlock
from raypose.models.layers import (
    ConvModule,
    DepthwiseSeparableConvModule,
    SELayer,
    channel_shuffle,
)
from raypose.models.layers.high_resolution import HRLayers, make_path
from raypose.models.layers.norm import BN
from raypose.models.layers.se_layer import SIGMOID


class LiteLayers(HRLayers):
    """Depthwise-separable convolutions between branches."""

    def lead(self, in_channels: int, out_channels: int, stride: int) -> list[nn.Module]:
        """See `HRLayers.lead`."""
        depthwise = self.conv(in_channels, in_channels, 3, stride, groups=in_channels)
        return [*depthwise, *self.conv(in_channels, out_channels, 1, stride=1)]

    def shrink(self, in_channels: int, out_channels: int) -> list[nn.Module]:
        """See `HRLayers.shrink`."""
        return self.lead(in_channels, out_channels, stride=2)

    @property
    def kinds(self) -> dict[str, Any]:
        """Return the kinds of convolution and norm, as arguments of `ConvModule`."""
        return {"conv_cfg": self.conv_cfg, "norm_cfg": self.norm_cfg}


class Stem(nn.Module):
    """From the image to stride 4: a convolution, then a shuffle block of stride 2.

    Args:
        in_channels: channels of the image.
        stem_channels: channels after the first convolution.
        out_channels: channels of the output.
        expand_ratio: channels inside the block relative to `stem_channels`.
        layers: makes the layers.
    """

    def __init__(
        self,
        in_channels: int,
        stem_channels: int,
        out_channels: int,
        expand_ratio: float,
        layers: LiteLayers,
    ) -> None:
        super().__init__()
        kinds = layers.kinds
        half, inside = stem_channels // 2, round(stem_channels * expand_ratio)
        main = half if stem_channels == out_channels else stem_channels
        self.conv1 = ConvModule(in_channels, stem_channels, 3, stride=2, padding=1, **kinds)
        self.branch1 = nn.Sequential(
            ConvModule(half, half, 3, stride=2, padding=1, groups=half, act_cfg=None, **kinds),
            ConvModule(half, out_channels - main, 1, **kinds),
        )
        self.expand_conv = ConvModule(half, inside, 1, **kinds)
        self.depthwise_conv = ConvModule(
            inside, inside, 3, stride=2, padding=1, groups=inside, act_cfg=None, **kinds
        )
        self.linear_conv = ConvModule(inside, main, 1, **kinds)

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, out_channels, H / 4, W / 4) from (B, in_channels, H, W)."""
        one, other = self.conv1(x).chunk(2, dim=1)
        other = self.linear_conv(self.depthwise_conv(self.expand_conv(other)))
        return channel_shuffle(torch.cat([self.branch1(one), other], dim=1), 2)


class CrossResolutionWeighting(nn.Module):
    """Weigh the channels of all resolutions at each place by what all of them show there.

    Args:
        channels: channels of each resolution.
        ratio: channels of all together relative to those inside the gate.
        layers: makes the layers.
    """

    def __init__(self, channels: Sequence[int], ratio: float, layers: LiteLayers) -> None:
        super().__init__()
        self.channels = list(channels)
        total = sum(channels)
        inside = int(total / ratio)
        self.conv1 = ConvModule(total, inside, 1, **layers.kinds)
        self.conv2 = ConvModule(inside, total, 1, act_cfg=SIGMOID, **layers.kinds)

    def forward(self, xs: Sequence[Tensor]) -> list[Tensor]:
        """Return maps of the shapes of `xs`, the highest resolution first."""
        H, W = xs[-1].shape[-2:]
        shrunk = [*[F.adaptive_avg_pool2d(x, (H, W)) for x in xs[:-1]], xs[-1]]
        gates = self.conv2(self.conv1(torch.cat(shrunk, dim=1))).split(self.channels, dim=1)
        return [
            x * F.interpolate(gate, x.shape[-2:], mode="nearest")
            for x, gate in zip(xs, gates, strict=True)
        ]


class ConditionalChannelWeighting(nn.Module):
    """Half of the channels of each resolution are weighed and convolved; then they are shuffled.

    Args:
        in_channels: channels of each resolution.
        reduce_ratio: see `CrossResolutionWeighting`.
        layers: makes the layers.
    """

    def __init__(self, in_channels: Sequence[int], reduce_ratio: float, layers: LiteLayers) -> None:
        super().__init__()
        self.with_cp = layers.with_cp
        halves = [channels // 2 for channels in in_channels]
        self.cross_resolution_weighting = CrossResolutionWeighting(halves, reduce_ratio, layers)
        self.depthwise_convs = nn.ModuleList(
            [
                ConvModule(half, half, 3, padding=1, groups=half, act_cfg=None, **layers.kinds)
                for half in halves
            ]
        )
        self.spatial_weighting = nn.ModuleList([SELayer(half, ratio=4) for half in halves])

    def forward(self, xs: list[Tensor]) -> list[Tensor]:
        """Return maps of the shapes of `xs`, the highest resolution first."""
        if self.with_cp and any(x.requires_grad for x in xs):
            return checkpoint(self._weigh, xs, use_reentrant=False)  # type: ignore[return-value]
        return self._weigh(xs)

    def _weigh(self, xs: list[Tensor]) -> list[Tensor]:
        past, through = zip(*[x.chunk(2, dim=1) for x in xs], strict=True)
        outs = []
        for kept, x, conv, weighting in zip(
            past,
            self.cross_resolution_weighting(through),
            self.depthwise_convs,
            self.spatial_weighting,
            strict=True,
        ):
            outs.append(channel_shuffle(torch.cat([kept, weighting(conv(x))], dim=1), 2))
        return outs


class LiteHRModule(nn.Module):
    """Blocks of branches side by side, and what fuses the branches.

    Args:
        num_blocks: number of blocks.
        channels: channels of each branch.
        reduce_ratio: see `CrossResolutionWeighting`.
        module_type: `LITE` for channel weighting, `NAIVE` for shuffle blocks.
        with_fuse: fuse the branches.
        layers: makes the layers.
    """

    def __init__(
        self,
        num_blocks: int,
        channels: Sequence[int],
        reduce_ratio: float,
        module_type: str,
        with_fuse: bool,
        layers: LiteLayers,
    ) -> None:
        super().__init__()
        self.is_lite = module_type.upper() == "LITE"
        self.layers: nn.Sequential | nn.ModuleList
        if self.is_lite:
            self.layers = nn.Sequential(
                *[
                    ConditionalChannelWeighting(channels, reduce_ratio, layers)
                    for _ in range(num_blocks)
                ]
            )
        else:
            self.layers = nn.ModuleList(
                [
                    nn.Sequential(
                        *[
                            ShuffleBlock(width, width, 1, layers.with_cp, **layers.kinds)
                            for _ in range(num_blocks)
                        ]
                    )
                    for width in channels
                ]
            )
        count = len(channels)
        self.fuse_layers = nn.ModuleList()
        if with_fuse and count > 1:
            self.fuse_layers.extend(
                nn.ModuleList([make_path(channels, j, i, layers) for j in range(count)])
                for i in range(count)
            )

    def forward(self, xs: list[Tensor]) -> list[Tensor]:
        """Return maps of the shapes of `xs`, the highest resolution first."""
        if self.is_lite:
            outs: list[Tensor] = self.layers(xs)
        else:
            outs = [branch(x) for branch, x in zip(self.layers, xs, strict=True)]
        return self._fused(outs) if len(self.fuse_layers) else outs

    def _fused(self, xs: list[Tensor]) -> list[Tensor]:
        """Add to each branch what the others show.

        As in the weights that there are, the first branch counts twice everywhere, and the lower
        ones see it after its own fusion.
        """
        xs, fused = list(xs), []
        for i, layers in enumerate(self.fuse_layers):
            parts = [layer(x) for layer, x in zip(layers, xs, strict=True)]  # type: ignore[arg-type]
            total = parts[0] + parts[0]
            for part in parts[1:]:
                total = total + part
            if i == 0:
                xs[0] = total
            fused.append(total.relu())
        return fused


class IterativeHead(nn.Module):
    """From the lowest resolution up, each map is added to the next higher one and convolved.

    Args:
        in_channels: channels of each resolution, the highest first.
        norm_cfg: kind of norm.
    """

    def __init__(self, in_channels: Sequence[int], norm_cfg: Mapping[str, Any] = BN) -> None:
        super().__init__()
        channels = list(in_channels)[::-1]
        self.projects = nn.ModuleList(
            [
                DepthwiseSeparableConvModule(
                    before, after, 3, padding=1, norm_cfg=norm_cfg, dw_act_cfg=None
                )
                for before, after in zip(channels, [*channels[1:], channels[-1]], strict=True)
            ]
        )

    def forward(self, xs: Sequence[Tensor]) -> list[Tensor]:
        """Return one map for each of `xs`, the highest resolution first."""
        outs: list[Tensor] = []
        for x, project in zip(reversed(xs), self.projects, strict=True):
            if outs:
                size = x.shape[-2:]
                x = x + F.interpolate(outs[-1], size, mode="bilinear", align_corners=True)
            outs.append(project(x))
        return outs[::-1]
