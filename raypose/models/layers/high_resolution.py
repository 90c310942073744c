"""What networks of several resolutions side by side consist of.

Paper: Sun et al., Deep High-Resolution Representation Learning, CVPR 2019.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from torch import Tensor, nn

from raypose.models.layers.conv_module import build_conv_layer
from raypose.models.layers.norm import build_norm_layer
from raypose.models.layers.residual import BasicBlock, Bottleneck, make_res_layer


@dataclass(frozen=True)
class HRLayers:
    """Makes the layers of a network; a subclass may make its branches of other blocks.

    Args:
        conv_cfg: kind of convolution.
        norm_cfg: kind of norm.
        with_cp: compute blocks again in the backward pass.
        upsample: how maps are enlarged, `mode` and `align_corners`.
    """

    # Name in a config -> class.
    blocks: ClassVar[Mapping[str, type[nn.Module]]] = {
        "BASIC": BasicBlock,
        "BOTTLENECK": Bottleneck,
    }
    conv_cfg: Mapping[str, Any] | None
    norm_cfg: Mapping[str, Any]
    with_cp: bool
    upsample: Mapping[str, Any]

    def conv(
        self, in_channels: int, out_channels: int, kernel: int, stride: int, groups: int = 1
    ) -> list[nn.Module]:
        """Return a convolution and its norm."""
        conv = build_conv_layer(
            self.conv_cfg,
            in_channels,
            out_channels,
            kernel,
            stride=stride,
            padding=kernel // 2,
            groups=groups,
            bias=False,
        )
        return [conv, build_norm_layer(self.norm_cfg, out_channels)]

    def shrink(self, in_channels: int, out_channels: int) -> list[nn.Module]:
        """Return what halves a map on its way to a lower branch."""
        return self.conv(in_channels, out_channels, 3, stride=2)

    def lead(self, in_channels: int, out_channels: int, stride: int) -> list[nn.Module]:
        """Return what leads from a branch to one of the next stage."""
        return self.conv(in_channels, out_channels, 3, stride)

    def complete(self, extra: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return the stages of a config with what they get from its other entries."""
        return extra

    def branch_keys(self, block: str) -> tuple[str, ...]:
        """Return what a stage with this kind of block says for each of its branches."""
        return ("num_blocks", "num_channels")

    def channels(self, stage: Mapping[str, Any]) -> list[int]:
        """Return the output channels of each branch of a stage."""
        expansion = getattr(self.blocks[stage["block"]], "default_expansion", 1)
        return [count * expansion for count in stage["num_channels"]]

    def branch(
        self, stage: Mapping[str, Any], module: int, branch: int, in_channels: int
    ) -> nn.Sequential:
        """Return the blocks of a branch.

        Args:
            stage: the entry of the config.
            module: number of the module in its stage.
            branch: number of the branch in its module.
            in_channels: channels of its input.
        """
        block: Any = self.blocks[stage["block"]]
        return make_res_layer(
            block,
            stage["num_blocks"][branch],
            in_channels,
            self.channels(stage)[branch],
            conv_cfg=self.conv_cfg,
            norm_cfg=self.norm_cfg,
            with_cp=self.with_cp,
        )


class HRModule(nn.Module):
    """Branches of blocks, one for each resolution, and what fuses them.

    Args:
        branches: the branches, highest resolution first.
        channels: output channels of each branch.
        layers: makes the layers.
        multiscale_output: return all resolutions, not only the highest.
    """

    def __init__(
        self,
        branches: Sequence[nn.Module],
        channels: Sequence[int],
        layers: HRLayers,
        multiscale_output: bool,
    ) -> None:
        super().__init__()
        self.branches = nn.ModuleList(branches)
        count = len(branches)
        self.fuse_layers = nn.ModuleList(
            [
                nn.ModuleList([make_path(channels, j, i, layers) for j in range(count)])
                for i in range(count if multiscale_output else 1)
            ]
        )
        self.relu = nn.ReLU(inplace=True)

    def forward(self, xs: list[Tensor]) -> list[Tensor]:
        """Return maps, highest resolution first, from maps of all resolutions."""
        xs = [branch(x) for branch, x in zip(self.branches, xs, strict=True)]
        fused = []
        for layers in self.fuse_layers:
            parts = [layer(x) for layer, x in zip(layers, xs, strict=True)]  # type: ignore[arg-type]
            total = parts[0]
            for part in parts[1:]:
                total = total + part
            fused.append(self.relu(total))
        return fused


def make_transition(before: Sequence[int], after: Sequence[int], layers: HRLayers) -> nn.ModuleList:
    """Return what leads from the branches of one stage to those of the next."""
    paths: list[nn.Module] = []
    for i, channels in enumerate(after):
        if i < len(before):
            same = channels == before[i]
            fit = [*layers.lead(before[i], channels, stride=1), nn.ReLU(inplace=True)]
            paths.append(nn.Identity() if same else nn.Sequential(*fit))
            continue
        steps = []
        for last in [False] * (i - len(before)) + [True]:
            target = channels if last else before[-1]
            step = [*layers.lead(before[-1], target, stride=2), nn.ReLU(inplace=True)]
            steps.append(nn.Sequential(*step))
        paths.append(nn.Sequential(*steps))
    return nn.ModuleList(paths)


def make_path(channels: Sequence[int], source: int, target: int, layers: HRLayers) -> nn.Module:
    """Return what brings the map of one branch to the size and channels of another."""
    if source == target:
        return nn.Identity()
    if source > target:
        upsample = nn.Upsample(
            scale_factor=2 ** (source - target),
            mode=layers.upsample["mode"],
            align_corners=layers.upsample["align_corners"],
        )
        return nn.Sequential(
            *layers.conv(channels[source], channels[target], 1, stride=1), upsample
        )
    steps = []
    for step in range(source + 1, target + 1):
        last = step == target
        step_layers = layers.shrink(channels[source], channels[target if last else source])
        steps.append(nn.Sequential(*step_layers, *([] if last else [nn.ReLU(inplace=True)])))
    return nn.Sequential(*steps)
