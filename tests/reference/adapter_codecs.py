"""Codecs and their pieces for the reference checks, on `raypose.codecs` and `raypose.ops`.

The checks hand over one image; everything here adds and removes the axis of the batch.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from raypose.codecs import BaseKeypointCodec
from raypose.ops import blur, gaussians, instances, offset_maps, peaks, refine
from raypose.registry import CODECS
from raypose.structures import CropTransform, PoseSample
from raypose.transforms import BottomupGetHeatmapMask

# Names of the reference and ours.
_OURS = {"bbox": "bboxes", "bbox_labels": "labels", "area": "areas"}


def build_codec(codec_cfg: dict[str, Any]) -> BaseKeypointCodec:
    """Build a codec.

    Raises:
        NotImplementedError: if there is none of that type.
    """
    if codec_cfg["type"] not in CODECS:
        raise NotImplementedError(codec_cfg["type"])
    return CODECS.build(codec_cfg)


def codec_encode(codec_cfg: dict[str, Any], inputs: dict[str, Any]) -> dict[str, Any]:
    """Encode one image."""
    batched = {_OURS.get(name, name): _batch(value) for name, value in inputs.items()}
    if "img_shape" in batched:  # the reference reads it as width and height
        batched["input_sizes"] = torch.tensor(batched.pop("img_shape"))
    targets = _first(build_codec(codec_cfg).encode(**batched))
    return {
        **targets,
        **{theirs: targets[ours] for theirs, ours in _OURS.items() if ours in targets},
    }


def codec_decode(codec_cfg: dict[str, Any], encoded: list[Any]) -> Any:
    """Decode the output for one image."""
    codec = build_codec(codec_cfg)
    tensors = [torch.from_numpy(value) for value in encoded]
    if codec_cfg["type"] == "AssociativeEmbedding":
        keypoints, (scores, instance_scores) = codec.decode(tensors)
        return keypoints, scores, instance_scores
    batched = [tensor[None] for tensor in tensors]
    if codec_cfg["type"] == "EDPoseLabel":
        size, *outputs = batched
        # The reference is given height and width.
        keypoints, (scores, boxes) = codec.decode([*outputs, size.flip(-1)])
        return boxes[0], keypoints[0], scores[0]
    decoded = _first(codec.decode(batched if len(batched) > 1 else batched[0]))
    if codec_cfg["type"] == "Hand3DHeatmap":
        return (decoded[0], *decoded[1])
    return decoded


def encode_targets(
    transforms: list[dict[str, Any]], gt: dict[str, Any], meta: dict[str, Any]
) -> dict[str, Any]:
    """Encode with the `GenerateTarget` of a training pipeline.

    Raises:
        NotImplementedError: if there is no single `GenerateTarget`, or its codecs are not levels.
    """
    steps = [step for step in transforms if step["type"] == "GenerateTarget"]
    if len(steps) != 1:
        raise NotImplementedError("several GenerateTarget")
    codec = build_codec(_encoder(steps[0]))
    gt = {_OURS.get(name, name): value for name, value in gt.items()}
    names = [name for name in codec.auxiliary_encode_keys if name in gt]
    keypoints = gt["transformed_keypoints"] if "transformed_keypoints" in gt else gt["keypoints"]
    batched = {name: _batch(gt[name]) for name in ("keypoints_visible", *names) if name in gt}
    targets = _first(codec.encode(_batch(keypoints), **batched))
    if steps[0].get("use_dataset_keypoint_weights"):
        targets["keypoint_weights"] = targets["keypoint_weights"] * torch.from_numpy(
            gt["dataset_keypoint_weights"]
        )
    found = {name: targets[name] for name in codec.target_keys if name in targets}
    if steps[0].get("multilevel"):
        found["heatmaps"] = list(found["heatmaps"])
        found["keypoint_weights"] = found["keypoint_weights"][:, None]  # (levels, N, K)
    if any(step["type"] == "BottomupGetHeatmapMask" for step in transforms):
        found["heatmap_mask"] = _heatmap_mask(gt, meta, codec)
    return found


def codec_op(name: str, **inputs: Any) -> Any:
    """Compute a piece of a codec.

    Raises:
        NotImplementedError: if it is not there.
    """
    if name not in _OPERATIONS:
        raise NotImplementedError(name)
    tensors = {
        key: torch.from_numpy(value) if isinstance(value, np.ndarray) else value
        for key, value in inputs.items()
    }
    return _OPERATIONS[name](**tensors)


def _encoder(step: dict[str, Any]) -> dict[str, Any]:
    encoder = step["encoder"]
    if not isinstance(encoder, list):
        return encoder
    if not step.get("multilevel"):
        raise NotImplementedError("several encoders")
    sizes = {name: encoder[0][name] for name in ("input_size", "heatmap_size")}
    return {"type": "MultilevelHeatmap", "levels": encoder, **sizes}


def _heatmap_mask(gt: dict[str, Any], meta: dict[str, Any], codec: Any) -> np.ndarray:
    crop = CropTransform.from_matrix(
        gt["warp_mat"], meta["input_center"], meta["input_scale"], tuple(meta["input_size"])
    )
    h, w = meta["img_shape"]
    sample = PoseSample(
        id="", img_shape=(h, w), transform=crop, meta={"invalid_segs": gt["invalid_segs"]}
    )
    return BottomupGetHeatmapMask(heatmap_size=codec.heatmap_size)(sample).meta["heatmap_mask"][
        None
    ]


def _batch(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return torch.from_numpy(value)[None]
    return torch.tensor([value]) if isinstance(value, float) else [value]


def _first(value: Any) -> Any:
    """Take the first sample of everything that has an axis of the batch."""
    if isinstance(value, dict):
        return {name: _first(item) for name, item in value.items()}
    if isinstance(value, tuple):
        return tuple(_first(item) for item in value)
    return None if value is None else value[0]


def _maxima(find: Callable[..., tuple[Tensor, Tensor]]) -> Callable[..., dict[str, Tensor]]:
    def call(**inputs: Any) -> dict[str, Tensor]:
        locations, values = find(*inputs.values())
        return {"locations": locations, "values": values}

    return call


def _drawn(name: str, draw: Callable[..., tuple[Tensor, Tensor]]) -> Callable[..., Any]:
    def call(heatmap_size: list[int], **inputs: Any) -> dict[str, Tensor]:
        batched = {
            key: value[None] if isinstance(value, Tensor) else value
            for key, value in inputs.items()
        }
        if isinstance(batched.get("sigma"), list):
            batched["sigma"] = torch.tensor([batched["sigma"]])
        maps, weights = draw(heatmap_size, **batched)
        return {name: maps[0], "weights": weights[0]}

    return call


def _refined(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    def call(keypoints: Tensor, heatmaps: Tensor, **rest: int) -> Tensor:
        N, K, _ = keypoints.shape
        index = torch.arange(K).repeat(N)
        points = function(keypoints.flatten(0, 1), heatmaps, index, *rest.values())
        return points.view(N, K, 2)

    return call


def _root(keypoints: Tensor, keypoints_visible: Tensor, root_type: str) -> dict[str, Tensor]:
    roots, visible = instances.instance_root(keypoints, keypoints_visible, root_type)
    return {"roots": roots, "visible": visible}


_OPERATIONS: dict[str, Callable[..., Any]] = {
    "heatmap_maximum": _maxima(peaks.heatmap_maximum),
    "heatmap_3d_maximum": _maxima(peaks.heatmap_3d_maximum),
    "simcc_maximum": _maxima(peaks.simcc_maximum),
    "simcc_normalized": lambda simcc, sigma=None: peaks.simcc_normalized(simcc, sigma),
    "heatmap_nms": lambda heatmaps, kernel: peaks.heatmap_nms(heatmaps, kernel),
    "gaussian_blur": lambda heatmaps, kernel: blur.gaussian_blur(heatmaps, kernel),
    "gaussian_blur1d": lambda simcc, kernel: blur.gaussian_blur1d(simcc.flatten(0, 1), kernel).view(
        simcc.shape
    ),
    "refine": _refined(refine.refine_keypoints),
    "refine_dark": _refined(refine.refine_keypoints_dark),
    "refine_dark_udp": _refined(refine.refine_keypoints_dark_udp),
    "instance_root": _root,
    "instance_bbox": instances.instance_bbox,
    "diagonal_lengths": instances.diagonal_lengths,
    "gaussian_heatmaps": _drawn("heatmaps", gaussians.gaussian_heatmaps),
    "unbiased_gaussian_heatmaps": _drawn("heatmaps", gaussians.unbiased_gaussian_heatmaps),
    "udp_gaussian_heatmaps": _drawn("heatmaps", gaussians.udp_gaussian_heatmaps),
    "offset_heatmap": _drawn("heatmaps", offset_maps.offset_heatmap),
    "displacement_heatmap": _drawn("displacements", offset_maps.displacement_heatmap),
}
