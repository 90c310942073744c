"""PoseWarperNeck: heatmaps of neighbouring frames, warped to the frame in question.

Bertasius et al.: "Learning Temporal Pose Estimation from Sparsely-Labeled Videos", NeurIPS 2019.

B samples, F frames, C channels, H and W.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from typing_extensions import Self

from raypose.errors import ConfigError, RayposeError, did_you_mean
from raypose.models.backbones.staged_backbone import NORMAL_INIT
from raypose.models.base_module import BaseModule, InitCfg
from raypose.models.layers import BasicBlock, Bottleneck
from raypose.models.layers.deform_conv import DeformConv2d
from raypose.registry import MODELS

Maps = Tensor | Sequence[Tensor]
_BLOCKS: dict[str, type[BasicBlock] | type[Bottleneck]] = {
    "BASIC": BasicBlock,
    "BOTTLENECK": Bottleneck,
}


@MODELS.register_module()
class PoseWarperNeck(BaseModule):
    """Deformable convolutions whose offsets follow from what differs between frames.

    Args:
        in_channels: channels of the feature maps.
        out_channels: channels of the heatmaps, as a rule the number of keypoints.
        inner_channels: channels of the residual blocks.
        deform_groups: groups of channels that move together.
        dilations: a deformable convolution for each; their results are averaged.
        trans_conv_kernel: kernel of the convolution that makes heatmaps, 1 or 3; 0 for none.
        res_blocks_cfg: `block` (`BASIC` or `BOTTLENECK`) and `num_blocks` of the residual blocks,
            20 basic ones by default.
        offsets_kernel: odd kernel of the convolutions that make offsets.
        deform_conv_kernel: odd kernel of the deformable convolutions.
        in_index: which map is used where a frame comes as several; several indices with
            `input_transform`.
        input_transform: `resize_concat` brings the maps of `in_index` to the size of the first
            of them and stacks their channels; None uses one map.
        freeze_trans_layer: do not train the convolution that makes heatmaps.
        norm_eval: keep the running statistics of all batch norms.
        im2col_step: images that a deformable convolution takes at once; fewer save memory.
        init_cfg: see `BaseModule`.

    Raises:
        ConfigError: for options that do not fit.

    Example:
        type: PoseWarperNeck
        in_channels: 48
        out_channels: 17
        inner_channels: 128
        deform_groups: 17
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        inner_channels: int,
        deform_groups: int = 17,
        dilations: Sequence[int] = (3, 6, 12, 18, 24),
        trans_conv_kernel: int = 1,
        res_blocks_cfg: Mapping[str, Any] | None = None,
        offsets_kernel: int = 3,
        deform_conv_kernel: int = 3,
        in_index: int | Sequence[int] = 0,
        input_transform: Literal["resize_concat"] | None = None,
        freeze_trans_layer: bool = True,
        norm_eval: bool = False,
        im2col_step: int = 80,
        init_cfg: InitCfg = NORMAL_INIT,
    ) -> None:
        super().__init__(init_cfg)
        if not dilations:
            raise ConfigError("PoseWarperNeck: dilations has at least one entry")
        if trans_conv_kernel not in (0, 1, 3):
            raise ConfigError(
                f"PoseWarperNeck: trans_conv_kernel is 0, 1 or 3, got {trans_conv_kernel}"
            )
        if isinstance(in_index, int) != (input_transform is None):
            raise ConfigError(
                "PoseWarperNeck: in_index is one index, or several with input_transform "
                f"'resize_concat', got {in_index} and {input_transform!r}"
            )
        self.in_index = in_index
        self.freeze_trans_layer = freeze_trans_layer
        self.norm_eval = norm_eval
        self.im2col_step = im2col_step
        self.trans_layer: nn.Module = nn.Identity()
        if trans_conv_kernel:
            self.trans_layer = nn.Conv2d(
                in_channels, out_channels, trans_conv_kernel, padding=trans_conv_kernel // 2
            )
        self.offset_feats = _residual_blocks(out_channels, inner_channels, res_blocks_cfg or {})
        self.offset_layers = nn.ModuleList(
            [
                nn.Conv2d(
                    inner_channels,
                    2 * deform_conv_kernel**2 * deform_groups,
                    offsets_kernel,
                    padding=offsets_kernel // 2 * dilation,
                    dilation=dilation,
                    bias=False,
                )
                for dilation in dilations
            ]
        )
        self.deform_conv_layers = nn.ModuleList(
            [
                DeformConv2d(
                    out_channels,
                    out_channels,
                    deform_conv_kernel,
                    padding=deform_conv_kernel // 2 * dilation,
                    dilation=dilation,
                    deform_groups=deform_groups,
                )
                for dilation in dilations
            ]
        )
        self._freeze()

    def init_weights(self) -> None:
        """Start the weights so that heatmaps are not moved at first."""
        super().init_weights()
        for offsets in self.offset_layers:
            nn.init.zeros_(offsets.get_parameter("weight"))
        for deform_conv in self.deform_conv_layers:
            nn.init.dirac_(deform_conv.get_parameter("weight"))

    def train(self, mode: bool = True) -> Self:
        """Switch to training; what is frozen stays in evaluation mode."""
        super().train(mode)
        self._freeze()
        if mode and self.norm_eval:
            for module in self.modules():
                if isinstance(module, _BatchNorm):
                    module.eval()
        return self

    def forward(self, inputs: Sequence[Maps], frame_weight: Sequence[float]) -> Tensor:
        """Return heatmaps (B, out_channels, H, W) of the first frame.

        Args:
            inputs: the features of each frame, a map (B, C, H, W) or several of them; or one
                entry only, with the frames one after the other on its first axis, (F * B, ...).
            frame_weight: how much the warped heatmaps of each frame count.

        Raises:
            RayposeError: if there are not as many frames as weights.
        """
        count = len(frame_weight)
        maps = [self._selected(frame) for frame in inputs]
        x = self.trans_layer(torch.cat(maps))
        if len(x) % count or len(maps) not in (1, count):
            raise RayposeError(
                f"PoseWarperNeck got {count} frame weights for features of {len(maps)} frames "
                f"with {len(x)} images in all"
            )
        first = x[: len(x) // count].repeat(count, 1, 1, 1)
        differences = self.offset_feats(first - x)
        warped = [
            self._convolved(deform_conv, x, offsets(differences))
            for offsets, deform_conv in zip(
                self.offset_layers, self.deform_conv_layers, strict=True
            )
        ]
        frames = torch.stack(warped).mean(dim=0).chunk(count)
        weighted = [frame * weight for frame, weight in zip(frames, frame_weight, strict=True)]
        return torch.stack(weighted).sum(dim=0)

    def _selected(self, frame: Maps) -> Tensor:
        """Return the map of a frame that is used."""
        if isinstance(frame, Tensor):
            return frame
        if isinstance(self.in_index, int):
            return frame[self.in_index]
        maps = [frame[index] for index in self.in_index]
        size = maps[0].shape[-2:]
        return torch.cat([F.interpolate(x, size, mode="bilinear") for x in maps], dim=1)

    def _convolved(self, deform_conv: nn.Module, x: Tensor, offset: Tensor) -> Tensor:
        parts = zip(x.split(self.im2col_step), offset.split(self.im2col_step), strict=True)
        return torch.cat([deform_conv(*part) for part in parts])

    def _freeze(self) -> None:
        if self.freeze_trans_layer:
            self.trans_layer.eval().requires_grad_(False)


def _residual_blocks(
    in_channels: int, out_channels: int, options: Mapping[str, Any]
) -> nn.Sequential:
    name, count = options.get("block", "BASIC"), options.get("num_blocks", 20)
    unknown = [key for key in options if key not in ("block", "num_blocks")]
    if unknown or name not in _BLOCKS:
        raise ConfigError(
            f"PoseWarperNeck: res_blocks_cfg has block, one of {', '.join(_BLOCKS)}, and "
            f"num_blocks, got {dict(options)}.{did_you_mean(str(name), _BLOCKS)}"
        )
    block = _BLOCKS[name]
    downsample = nn.Sequential(
        nn.Conv2d(in_channels, out_channels, 1, bias=False), nn.BatchNorm2d(out_channels)
    )
    first = block(in_channels, out_channels, downsample=downsample)
    return nn.Sequential(first, *[block(out_channels, out_channels) for _ in range(count - 1)])
