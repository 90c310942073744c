"""`RTMWHead`: RTMPose's head on two maps, a coarse one and a fine one for faces and hands."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from raypose.codecs.base import BaseKeypointCodec
from raypose.errors import RayposeError
from raypose.models.base_module import InitCfg
from raypose.models.heads.base_head import Features
from raypose.models.heads.rtmcc_head import DEFAULT_GAU, gau_options
from raypose.models.heads.simcc_head import DEFAULT_LOSS, BaseSimCCHead
from raypose.models.layers import ConvModule
from raypose.models.layers.gau import RTMCCBlock, ScaleNorm
from raypose.models.layers.norm import BN
from raypose.registry import MODELS

_FINER = 2  # side of the fine map relative to that of the coarse one


@MODELS.register_module()
class RTMWHead(BaseSimCCHead):
    """Half of each keypoint's token from a coarse map, half from a fine one, then as in RTMPose.

    Jiang et al.: "RTMW: Real-Time Multi-Person 2D and 3D Whole-body Pose Estimation", 2024.

    Args:
        in_channels: channels of the coarse map; the fine one has half as many.
        out_channels: K.
        input_size: (w, h) of the network's input.
        in_featuremap_size: (w, h) of the coarse map; the fine one is twice as large.
        simcc_split_ratio: bins for each pixel of the input.
        final_layer_kernel_size: kernel size of the convolutions; odd.
        gau_cfg: see `RTMCCHead`.
        loss: config of the loss, or a module.
        decoder: config of the codec, or a codec; prediction needs it.
        init_cfg: see `BaseModule`.

    Raises:
        ConfigError: for an unknown option of `gau_cfg`.

    Example:
        type: RTMWHead
        in_channels: 768
        out_channels: 133
        input_size: [192, 256]
        in_featuremap_size: [6, 8]
        final_layer_kernel_size: 7
        gau_cfg: {hidden_dims: 256, s: 128, act_fn: SiLU}
        loss: {type: KLDiscretLoss, beta: 1.0, label_softmax: true}
        decoder:
          type: SimCCLabel
          input_size: [192, 256]
          sigma: [4.9, 5.66]
          simcc_split_ratio: 2.0
          normalize: false
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        input_size: tuple[int, int],
        in_featuremap_size: tuple[int, int],
        simcc_split_ratio: float = 2.0,
        final_layer_kernel_size: int = 1,
        gau_cfg: Mapping[str, Any] = DEFAULT_GAU,
        loss: Mapping[str, Any] | nn.Module = DEFAULT_LOSS,
        decoder: Mapping[str, Any] | BaseKeypointCodec | None = None,
        init_cfg: InitCfg = None,
    ) -> None:
        super().__init__(simcc_split_ratio, loss, decoder, init_cfg)
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.input_size = input_size
        options = gau_options(type(self).__name__, gau_cfg)
        hidden = options.pop("hidden_dims")
        cells = in_featuremap_size[0] * in_featuremap_size[1]
        quarter = in_channels // _FINER**2

        def conv(channels: int, out: int) -> ConvModule:
            size = final_layer_kernel_size
            return ConvModule(channels, out, size, padding=size // 2, norm_cfg=BN)

        self.ps = nn.PixelShuffle(_FINER)
        self.conv_dec = conv(quarter, quarter)
        self.final_layer = conv(in_channels, out_channels)
        self.final_layer2 = conv(quarter + in_channels // 2, out_channels)
        self.mlp = _half_token(cells, hidden)
        self.mlp2 = _half_token(cells * _FINER**2, hidden)
        self.gau = RTMCCBlock(out_channels, hidden, hidden, **options)
        self.cls_x = self.classifier(hidden, input_size[0])
        self.cls_y = self.classifier(hidden, input_size[1])

    def classifier(self, hidden: int, length: int) -> nn.Linear:
        """Build the layer from tokens to the bins of an axis of that length."""
        return nn.Linear(hidden, int(length * self.simcc_split_ratio), bias=False)

    def tokens(self, feats: Features) -> Tensor:
        """Return the tokens (B, K, hidden) of a fine and a coarse map.

        Raises:
            RayposeError: for another number of maps than two.
        """
        if len(feats) != 2:
            raise RayposeError(
                f"{type(self).__name__} reads two maps, a fine and a coarse one, got {len(feats)}; "
                "put a CSPNeXtPAFPN with two out_indices before it"
            )
        fine, coarse = feats
        fine = torch.cat([self.conv_dec(self.ps(coarse)), fine], dim=1)
        halves = [
            self.mlp(self.final_layer(coarse).flatten(2)),
            self.mlp2(self.final_layer2(fine).flatten(2)),
        ]
        return self.gau(torch.cat(halves, dim=2))

    def forward(self, feats: Features) -> tuple[Tensor, ...]:
        """Return logits (B, K, Wx) and (B, K, Wy) from a fine and a coarse map."""
        tokens = self.tokens(feats)
        return self.cls_x(tokens), self.cls_y(tokens)


def _half_token(cells: int, hidden: int) -> nn.Sequential:
    return nn.Sequential(ScaleNorm(cells), nn.Linear(cells, hidden // 2, bias=False))
