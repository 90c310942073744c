"""Configs, features and targets of every top-down head, small; K = 5, input 96 x 128 (w, h)."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from raypose.codecs.base import BaseKeypointCodec
from raypose.models.heads.base_head import BaseHead
from raypose.registry import MODELS
from raypose.structures import CropTransform, PoseBatch
from tests.models.drawn_weights import draw_weights

K = 5
FLIP_INDICES = (0, 2, 1, 4, 3)
INPUT_SIZE = (96, 128)

_MSRA = {"type": "MSRAHeatmap", "input_size": INPUT_SIZE, "heatmap_size": [24, 32], "sigma": 2}
_UDP = {
    "type": "UDPHeatmap",
    "input_size": INPUT_SIZE,
    "heatmap_size": [24, 32],
    "heatmap_type": "combined",
}
_SIMCC = {"type": "SimCCLabel", "input_size": INPUT_SIZE, "sigma": 4.0}
_LABEL = {"type": "RegressionLabel", "input_size": INPUT_SIZE}
_DECONV = {"deconv_out_channels": [8, 8, 8]}
_SIZES = {"input_size": INPUT_SIZE, "in_featuremap_size": [3, 4]}

CONFIGS: dict[str, dict[str, Any]] = {
    "heatmap": {
        "type": "HeatmapHead",
        "in_channels": 6,
        "out_channels": K,
        **_DECONV,
        "decoder": _MSRA,
    },
    "combined": {
        "type": "HeatmapHead",
        "in_channels": 6,
        "out_channels": 3 * K,
        **_DECONV,
        "loss": {"type": "CombinedTargetMSELoss", "use_target_weight": True},
        "decoder": _UDP,
    },
    "simcc": {
        "type": "SimCCHead",
        "in_channels": 6,
        "out_channels": K,
        **_SIZES,
        "deconv_out_channels": None,
        "decoder": _SIMCC,
    },
    "simcc_deconv": {
        "type": "SimCCHead",
        "in_channels": 6,
        "out_channels": K,
        **_SIZES,
        "deconv_out_channels": [8],
        "deconv_kernel_sizes": [4],
        "decoder": _SIMCC,
    },
    "rtmcc": {
        "type": "RTMCCHead",
        "in_channels": 6,
        "out_channels": K,
        **_SIZES,
        "gau_cfg": {"hidden_dims": 16, "s": 8},
        "decoder": _SIMCC,
    },
    "regression": {"type": "RegressionHead", "in_channels": 6, "num_joints": K, "decoder": _LABEL},
    "rle": {"type": "RLEHead", "in_channels": 6, "num_joints": K, "decoder": _LABEL},
}
TEST_CFGS: dict[str, dict[str, Any]] = {
    "heatmap": {"flip_mode": "heatmap", "shift_heatmap": True},
    "combined": {"flip_mode": "udp_combined"},
    "regression": {"shift_coords": True},
    "rle": {"shift_coords": True},
}


def build(name: str, **changes: Any) -> BaseHead:
    """Build a head with drawn weights, in eval mode."""
    head = MODELS.build({**CONFIGS[name], **changes})
    head.test_cfg = TEST_CFGS.get(name, {})
    return draw_weights(head).eval()


def features(name: str, B: int = 3, seed: int = 0) -> tuple[Tensor, ...]:
    """Return the features (B, 6, 4, 3), or pooled ones (B, 6, 1, 1) for regression."""
    size = (1, 1) if name in ("regression", "rle") else (4, 3)
    generator = torch.Generator().manual_seed(seed)
    return (torch.randn(B, 6, *size, generator=generator),)


def encoded_batch(codec: BaseKeypointCodec, B: int = 3, seed: int = 0) -> PoseBatch:
    """Return a batch with targets for random keypoints; the last of each sample is hidden."""
    generator = torch.Generator().manual_seed(seed)
    size = torch.tensor([INPUT_SIZE[0] - 1.0, INPUT_SIZE[1] - 1.0])
    keypoints = torch.rand(B, 1, K, 2, generator=generator) * size
    visible = torch.ones(B, 1, K)
    visible[..., -1] = 0
    return codec.encode_batch(
        PoseBatch(
            keypoints=keypoints,
            keypoints_visible=visible,
            flip_indices=FLIP_INDICES,
            transforms=[CropTransform.identity(INPUT_SIZE)] * B,
        )
    )
