"""Metrics and skeletons of the reference checks, on `raypose.evaluation` and the skeletons."""

from __future__ import annotations

from pathlib import PurePath
from typing import Any

import numpy as np

from raypose.evaluation import BaseMetric
from raypose.registry import METRICS
from raypose.structures import Poses, PoseSample, Skeleton

_ANNOTATION_FIELDS = ("keypoints", "keypoints_visible", "bboxes", "bbox_scores")
_PREDICTION_FIELDS = ("keypoints_visible", "bboxes", "bbox_scores")
_NOT_META = ("id", "img_id", "pred_instances", "gt_instances")


def metric(name: str, cfg: dict[str, Any], samples: list[dict[str, Any]]) -> dict[str, float]:
    """Compute a metric over a whole data set.

    Raises:
        NotImplementedError: if the metric is not there, or the skeleton it needs.
    """
    if name not in METRICS:
        raise NotImplementedError(f"no metric {name}")
    cfg = dict(cfg)
    path = cfg.pop("metainfo")
    evaluator: BaseMetric = METRICS.build({"type": name, **cfg})
    if _needs_skeleton(name, cfg):
        evaluator.set_skeleton(_load(path))
    for index, sample in enumerate(samples):
        evaluator.update(_sample(index, sample), _poses(sample))
    return evaluator.compute()


# A weight list of the reference is too short for the keypoints; raypose has a weight for each.
_SHORT_OF_WEIGHTS = ("coco_aic", "humanart_aic")


def skeleton(path: str) -> dict[str, Any]:
    """Describe a built-in skeleton as the reference does.

    Raises:
        NotImplementedError: if it is not built in, or the reference contradicts itself.
    """
    loaded = _load(path)
    if PurePath(path).stem in _SHORT_OF_WEIGHTS:
        raise NotImplementedError("the reference has 18 weights for 19 keypoints")
    sigmas = loaded.sigmas
    return {
        "dataset_name": loaded.name,
        "keypoint_names": list(loaded.keypoint_names),
        "flip_indices": list(loaded.flip_indices),
        "upper_body_ids": list(loaded.upper_body_ids),
        "lower_body_ids": list(loaded.lower_body_ids),
        "skeleton_links": [list(link) for link in loaded.links],
        "keypoint_colors": [list(color) for color in loaded.keypoint_colors],
        "skeleton_link_colors": [list(color) for color in loaded.link_colors],
        "sigmas": [] if sigmas is None else np.asarray(sigmas, np.float32).tolist(),
        "keypoint_weights": np.asarray(loaded.keypoint_weights, np.float32).tolist(),
    }


def _needs_skeleton(name: str, cfg: dict[str, Any]) -> bool:
    inner = cfg.get("metric", {}).get("type", name)
    by_name = cfg.get("norm_mode") == "keypoint_distance" and not cfg.get("keypoint_indices")
    return inner.startswith("Coco") or by_name


def _load(path: str) -> Skeleton:
    name = PurePath(path).stem
    if name not in Skeleton.available():
        raise NotImplementedError(f"no skeleton {name}")
    return Skeleton.load(name)


def _sample(index: int, sample: dict[str, Any]) -> PoseSample:
    truth = dict(sample.get("gt_instances", {}))
    fields = {name: truth.pop(name) for name in _ANNOTATION_FIELDS if name in truth}
    scales = truth.pop("bbox_scales", None)
    meta = {key: value for key, value in sample.items() if key not in _NOT_META}
    return PoseSample(
        id=str(sample.get("id", index)),
        index=index,
        img_id=sample.get("img_id", index),
        bbox_scale=scales,
        meta={**meta, **truth},
        **fields,
    )


def _poses(sample: dict[str, Any]) -> Poses:
    found = dict(sample["pred_instances"])
    keypoints = found.pop("keypoints")
    scores = found.pop("keypoint_scores", None)
    known = {name: found.pop(name) for name in _PREDICTION_FIELDS if name in found}
    return Poses(
        keypoints=keypoints,
        keypoint_scores=np.ones(keypoints.shape[:-1], np.float32) if scores is None else scores,
        extras={name: np.asarray(value) for name, value in found.items() if value is not None},
        **known,
    )
