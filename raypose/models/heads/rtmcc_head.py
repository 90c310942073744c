"""`RTMCCHead`: SimCC with attention between keypoints, the head of RTMPose."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor, nn

from raypose.codecs.base import BaseKeypointCodec
from raypose.errors import ConfigError, did_you_mean
from raypose.models.base_module import InitCfg
from raypose.models.heads.base_head import Features
from raypose.models.heads.simcc_head import DEFAULT_LOSS, BaseSimCCHead
from raypose.models.layers.gau import RTMCCBlock, ScaleNorm
from raypose.registry import MODELS

DEFAULT_GAU: Mapping[str, Any] = MappingProxyType(
    {
        "hidden_dims": 256,
        "s": 128,
        "expansion_factor": 2,
        "dropout_rate": 0.0,
        "drop_path": 0.0,
        "act_fn": "ReLU",
        "use_rel_bias": False,
        "pos_enc": False,
    }
)


@MODELS.register_module()
class RTMCCHead(BaseSimCCHead):
    """A large-kernel convolution, a gated attention unit and a linear layer for each axis.

    Jiang et al.: "RTMPose: Real-Time Multi-Person Pose Estimation based on MMPose", 2023.

    Args:
        in_channels: channels of the last feature map.
        out_channels: K.
        input_size: (w, h) of the network's input.
        in_featuremap_size: (w, h) of the last feature map.
        simcc_split_ratio: bins for each pixel of the input.
        final_layer_kernel_size: kernel size of the convolution; odd.
        gau_cfg: options of the attention unit, `DEFAULT_GAU` where left out: `hidden_dims`
            channels of the tokens, the others as in `RTMCCBlock`.
        loss: config of the loss, or a module.
        decoder: config of the codec, or a codec; prediction needs it.
        init_cfg: see `BaseModule`.

    Raises:
        ConfigError: for an unknown option of `gau_cfg`.

    Example:
        type: RTMCCHead
        in_channels: 768
        out_channels: 17
        input_size: [192, 256]
        in_featuremap_size: [6, 8]
        final_layer_kernel_size: 7
        gau_cfg: {hidden_dims: 256, s: 128, act_fn: SiLU}
        loss: {type: KLDiscretLoss, beta: 10.0, label_softmax: true}
        decoder:
          type: SimCCLabel
          input_size: [192, 256]
          sigma: [4.9, 5.66]
          simcc_split_ratio: 2.0
          normalize: false
          use_dark: false
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
        self.final_layer = nn.Conv2d(
            in_channels,
            out_channels,
            final_layer_kernel_size,
            padding=final_layer_kernel_size // 2,
        )
        cells = in_featuremap_size[0] * in_featuremap_size[1]
        self.mlp = nn.Sequential(ScaleNorm(cells), nn.Linear(cells, hidden, bias=False))
        self.gau = RTMCCBlock(out_channels, hidden, hidden, **options)
        self.cls_x = nn.Linear(hidden, int(input_size[0] * simcc_split_ratio), bias=False)
        self.cls_y = nn.Linear(hidden, int(input_size[1] * simcc_split_ratio), bias=False)

    def forward(self, feats: Features) -> tuple[Tensor, Tensor]:
        """Return logits (B, K, Wx) and (B, K, Wy) from the last of the feature maps."""
        tokens = self.gau(self.mlp(torch.flatten(self.final_layer(feats[-1]), 2)))
        return self.cls_x(tokens), self.cls_y(tokens)


def gau_options(head: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options of a head's attention unit, `DEFAULT_GAU` where left out.

    Raises:
        ConfigError: for an unknown option.
    """
    for key in given:
        if key not in DEFAULT_GAU:
            hint = did_you_mean(key, DEFAULT_GAU)
            raise ConfigError(f"gau_cfg: {head} has no option '{key}'.{hint}")
    return {**DEFAULT_GAU, **given}
