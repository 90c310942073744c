"""Small estimators, one for each family of heads, and batches for them."""

from __future__ import annotations

from typing import Any

import torch

from raypose.models.estimators.base import BasePoseEstimator
from raypose.registry import MODELS
from raypose.structures import CropTransform, PoseBatch
from tests.models.drawn_weights import draw_weights
from tests.models.heads.test_one_stage_heads import CONFIGS as ONE_STAGE
from tests.models.heads.topdown_heads import CONFIGS as TOPDOWN
from tests.models.heads.topdown_heads import FLIP_INDICES, INPUT_SIZE, K

_RESNET: dict[str, Any] = {"type": "ResNet", "depth": 18, "base_channels": 4, "stem_channels": 4}
_SIX = {"type": "ChannelMapper", "in_channels": [32], "out_channels": 6, "kernel_size": 1}
_FLIP = {"flip_test": True, "flip_mode": "heatmap"}
_MSE = {"type": "KeypointMSELoss", "use_target_weight": True}


def _topdown(head: Any, backbone: Any = _RESNET, neck: Any = _SIX, flip: bool = True) -> Any:
    return {
        "type": "TopdownPoseEstimator",
        "backbone": backbone,
        "neck": neck,
        "head": head,
        "test_cfg": _FLIP if flip else {},
    }


def _bottomup(head: Any, backbone: Any, neck: Any = None, **test_cfg: Any) -> Any:
    return {
        "type": "BottomupPoseEstimator",
        "backbone": backbone,
        "neck": neck,
        "head": head,
        "test_cfg": test_cfg,
    }


_POOLED = {"type": "GlobalAveragePooling"}
_MAPS = {**_RESNET, "out_indices": [2, 3]}
_FINER = {**_RESNET, "out_indices": [1, 2]}

TOPDOWN_MODELS: dict[str, Any] = {
    "heatmap": _topdown(TOPDOWN["heatmap"]),
    "udp": _topdown({**TOPDOWN["combined"]}) | {"test_cfg": {**_FLIP, "flip_mode": "udp_combined"}},
    "simcc": _topdown(TOPDOWN["simcc_deconv"]),
    "rtmcc": _topdown(TOPDOWN["rtmcc"]),
    "regression": _topdown({**TOPDOWN["regression"], "in_channels": 32}, neck=_POOLED),
    "rle": _topdown({**TOPDOWN["rle"], "in_channels": 32}, neck=_POOLED),
    "vit": _topdown(
        {
            **TOPDOWN["heatmap"],
            "in_channels": 16,
            "deconv_out_channels": [8, 8],
            "deconv_kernel_sizes": [4, 4],
        },
        backbone={
            "type": "VisionTransformer",
            "arch": {
                "embed_dims": 16,
                "num_layers": 2,
                "num_heads": 2,
                "feedforward_channels": 32,
            },
            "img_size": INPUT_SIZE[::-1],
            "patch_size": 16,
            "with_cls_token": False,
            "out_type": "featmap",
        },
        neck=None,
    ),
    "mspn": _topdown(
        {
            "type": "MSPNHead",
            "num_stages": 2,
            "num_units": 2,
            "out_shape": [32, 24],
            "unit_channels": 8,
            "out_channels": K,
            "level_indices": [0, 1] * 2,
            "loss": [_MSE] * 4,
            "decoder": {
                "type": "MegviiHeatmap",
                "input_size": INPUT_SIZE,
                "heatmap_size": [24, 32],
                "kernel_size": 5,
            },
        },
        backbone={
            "type": "MSPN",
            "unit_channels": 8,
            "num_stages": 2,
            "num_units": 2,
            "num_blocks": [1, 1],
            "res_top_channels": 8,
        },
        neck=None,
    ),
    "visibility": _topdown({"type": "VisPredictHead", "pose_cfg": TOPDOWN["heatmap"]}),
}
BOTTOMUP_MODELS: dict[str, Any] = {
    "ae": _bottomup(
        {
            "type": "AssociativeEmbeddingHead",
            "in_channels": 32,
            "num_keypoints": K,
            "deconv_out_channels": [8, 8, 8],
            "deconv_kernel_sizes": [4, 4, 4],
            "decoder": {
                "type": "AssociativeEmbedding",
                "input_size": [64, 64],
                "heatmap_size": [16, 16],
                "decode_keypoint_order": list(range(K)),
                "decode_max_instances": 4,
            },
        },
        _RESNET,
        flip_test=True,
    ),
    "yoloxpose": _bottomup(
        ONE_STAGE["yoloxpose"],
        _FINER,
        {"type": "ChannelMapper", "in_channels": [8, 16], "out_channels": 8, "kernel_size": 1},
        score_thr=0.0,
    ),
    "rtmo": _bottomup(
        ONE_STAGE["rtmo"],
        _FINER,
        {"type": "ChannelMapper", "in_channels": [8, 16], "out_channels": 8, "kernel_size": 1},
        score_thr=0.0,
    ),
    "cid": _bottomup(
        {
            "type": "CIDHead",
            "in_channels": 32,
            "num_keypoints": K,
            "gfd_channels": 8,
            "decoder": {
                "type": "DecoupledHeatmap",
                "input_size": [64, 64],
                "heatmap_size": [2, 2],
            },
        },
        _RESNET,
    ),
}
MODELS_BY_NAME = {**TOPDOWN_MODELS, **BOTTOMUP_MODELS}


def build(name: str) -> BasePoseEstimator:
    """Return an estimator with weights that depend on its names only."""
    return draw_weights(MODELS.build(MODELS_BY_NAME[name])).eval()


def batch(name: str, size: int, seed: int = 0, grow: int = 0) -> PoseBatch:
    """Return normalised random images; bottom-up ones are `grow` larger than 64 pixels."""
    w, h = INPUT_SIZE if name in TOPDOWN_MODELS else (64, 64 + grow)
    generator = torch.Generator().manual_seed(seed)
    crop = CropTransform.from_box((w / 2, h / 2), (float(w), float(h)), (w, h))
    return PoseBatch(
        inputs=torch.randn(size, 3, h, w, generator=generator),
        transforms=[crop] * size,
        flip_indices=FLIP_INDICES,
    )


def probes(name: str) -> list[PoseBatch]:
    """Return batches to try a network with."""
    return [batch(name, 2, seed=1), batch(name, 1, seed=2, grow=32)]
