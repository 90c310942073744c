"""Models, modules and losses of the reference checks, on `raypose.models`."""

from __future__ import annotations

import dataclasses
from pathlib import Path, PurePath
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from raypose.config.mmpose_import.findings import Findings
from raypose.config.mmpose_import.unused_options import without_unused_options
from raypose.models.data_preprocessors import PoseDataPreprocessor
from raypose.models.distillers import DWPoseDistiller
from raypose.models.estimators import (
    BasePoseEstimator,
    BottomupPoseEstimator,
    PoseLifter,
    TopdownPoseEstimator,
)
from raypose.models.heads import EDPoseHead, MotionRegressionHead
from raypose.models.losses import CombinedLoss, KDLoss, RLELoss
from raypose.registry import CODECS, MODELS
from raypose.structures import CropTransform, PoseBatch, Poses, Skeleton

# Values of `type` below these are layers, not entries of a registry.
_LAYER_CONFIGS = ("act_cfg", "conv_cfg", "norm_cfg")
_IGNORED = ("init_cfg", "pretrained", "teacher_pretrained", "_scope_")
_RESULTS = ("keypoints", "keypoint_scores", "keypoints_visible", "bboxes", "bbox_scores", "scores")


def build_model(model_cfg: dict[str, Any]) -> nn.Module:
    """Build an estimator in evaluation mode.

    Raises:
        NotImplementedError: for types that are not registered.
    """
    cfg = _ours(model_cfg)
    cfg.pop("metainfo", None)  # a skeleton by its path; flip indices come with the batch
    cfg.get("test_cfg", {}).pop("input_size", None)  # MMPose reads it for deployment only
    return MODELS.build(cfg).eval()


def features(model: BasePoseEstimator, images: Tensor) -> dict[str, Any]:
    """Return what backbone and neck return."""
    found: dict[str, Any] = {"backbone": model.backbone(images)}
    if model.neck is not None:
        found["neck"] = model.neck(found["backbone"])
    return found


def forward(model: nn.Module, images: Tensor) -> Any:
    """Return the raw outputs of the network."""
    return model(images)


def predict(
    model: BasePoseEstimator,
    images: Tensor,
    metas: list[dict[str, Any]],
    flip_test: bool | None = None,
) -> list[dict[str, np.ndarray]]:
    """Return predictions in image space."""
    if flip_test is not None:
        model.test_cfg["flip_test"] = flip_test
    if isinstance(model, BottomupPoseEstimator):
        model.required_head().skeleton = _skeleton(metas[0])
    results = [_result(poses) for poses in model.predict(_batch(model, images, metas))]
    if isinstance(
        getattr(model, "head", None), MotionRegressionHead
    ):  # the reference has an axis for the person
        results = [{name: value[None] for name, value in result.items()} for result in results]
    return results


def loss(
    model: Any,
    images: Tensor,
    gts: list[dict[str, Any]],
    metas: list[dict[str, Any]],
) -> dict[str, Tensor]:
    """Return losses for targets that the reference encoded."""
    if isinstance(model, DWPoseDistiller):
        model.set_epoch(3, 10)
    batch = _batch(model, images, metas)
    targets = {
        name: _stack([gt["targets"][name] for gt in gts]) for name in gts[0].get("targets", {})
    }
    if getattr(targets.get("heatmaps"), "ndim", 0) == 5:  # levels; the reference has N behind them
        targets["keypoint_weights"] = targets["keypoint_weights"].flatten(1, 2)
    # What `_batch` knows of a lifter's targets is for its predictions.
    return model.loss(batch.replace(targets=targets))


def build_module(cfg: dict[str, Any]) -> nn.Module:
    """Build a part of a model, or a loss."""
    return MODELS.build(_ours(cfg))


def run_module(module: nn.Module, inputs: list[Any]) -> Any:
    """Run a part of a model."""
    if isinstance(module, RLELoss):
        flow: Any = module.flow_model
        latent, log_det = flow.to_base(inputs[0])
        return [flow.log_prob(inputs[0]), latent, log_det]
    if isinstance(module, PoseDataPreprocessor):
        return module(inputs[0])
    return module(*[tuple(item) if isinstance(item, list) else item for item in inputs])


def loss_function(loss: Any, args: list[Any]) -> Any:
    """Run a loss."""
    if isinstance(loss, CombinedLoss):
        return [
            loss["heatmap_loss"](args[0], args[1]),
            loss["ae_loss"](args[2], args[3]),
        ]
    if isinstance(loss, KDLoss):
        return loss(*args[:3])  # the reference has weights, which change nothing
    return loss(*args)


def _ours(cfg: dict[str, Any]) -> dict[str, Any]:
    """Return a config without what is ignored here, if everything it names is registered."""
    missing: set[str] = set()

    def walk(value: Any, key: str = "") -> Any:
        if isinstance(value, list):
            return [walk(item, key) for item in value]
        if not isinstance(value, dict):
            return value
        kind = value.get("type")
        if kind in ("OKSLoss", "PoseOKS") and "metainfo" in value:
            value = {**value, "metainfo": PurePath(value["metainfo"]).stem}
            if value["metainfo"] not in Skeleton.available():
                missing.add(f"skeleton {value['metainfo']}")
        if isinstance(kind, str) and key not in _LAYER_CONFIGS:
            if kind not in MODELS and kind not in CODECS:
                missing.add(kind)
        return {k: walk(v, k) for k, v in value.items() if k not in _IGNORED}

    found = without_unused_options(walk(cfg), Findings(Path()))
    if missing:
        raise NotImplementedError(f"not registered: {', '.join(sorted(missing))}")
    return found


def _skeleton(meta: dict[str, Any]) -> Skeleton:
    """Return a skeleton of nameless keypoints with the links of the data."""
    return Skeleton.from_coco_category(
        {
            "keypoints": [str(k) for k in range(len(meta["flip_indices"]))],
            "skeleton": [[start + 1, end + 1] for start, end in meta["skeleton_links"]],
        }
    )


def _batch(model: nn.Module, images: Tensor, metas: list[dict[str, Any]]) -> PoseBatch:
    flips = tuple(metas[0]["flip_indices"])
    if isinstance(model, PoseLifter):
        names = [name for name in ("target_root", "factor") if name in metas[0]]
        return PoseBatch(
            inputs=images,
            annotations={"camera_param": [meta["camera_param"] for meta in metas]},
            targets={name: _stack([meta[name] for meta in metas]) for name in names},
            flip_indices=flips,
        )
    transforms = [
        CropTransform.from_box(meta["input_center"], meta["input_scale"], tuple(meta["input_size"]))
        for meta in metas
    ]
    if isinstance(getattr(model, "head", None), EDPoseHead):
        transforms = [_with_swapped_size(crop) for crop in transforms]
    annotations: dict[str, Any] = {}
    if isinstance(model, (DWPoseDistiller, TopdownPoseEstimator)):
        annotations = {
            name: _stack([np.asarray(meta[name], np.float32) for meta in metas])
            for name in ("bboxes", "bbox_scores")
        }
    return PoseBatch(
        inputs=images, annotations=annotations, transforms=transforms, flip_indices=flips
    )


def _with_swapped_size(crop: CropTransform) -> CropTransform:
    """Return a crop whose way back undoes that the reference takes (w, h) for (h, w) here."""
    w, h = crop.input_size
    inverse = crop.inverse * np.array([[h / w, 1, 1], [1, w / h, 1]])
    return dataclasses.replace(crop, inverse=inverse)


def _stack(values: list[Any]) -> Any:
    """Stack arrays of one shape, leave others as a list."""
    if isinstance(values[0], dict):
        return values
    tensors = [torch.as_tensor(np.asarray(value)) for value in values]
    tensors = [t.float() if t.is_floating_point() else t for t in tensors]
    return torch.stack(tensors) if len({t.shape for t in tensors}) == 1 else tensors


def _result(poses: Poses) -> dict[str, np.ndarray]:
    found = {name: getattr(poses, name) for name in _RESULTS}
    if found["keypoints_visible"] is None:
        found["keypoints_visible"] = poses.keypoint_scores
    return {**{k: v for k, v in found.items() if v is not None}, **poses.extras}
