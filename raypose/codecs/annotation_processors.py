"""`YOLOXPoseAnnotationProcessor`: annotations as one-stage heads take them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from raypose.codecs.arguments import size_pair, visible_or_ones
from raypose.codecs.base import BaseKeypointCodec
from raypose.errors import RayposeError
from raypose.registry import CODECS


@CODECS.register_module()
class YOLOXPoseAnnotationProcessor(BaseKeypointCodec):
    """Boxes, keypoints and class labels of all instances; the head makes its targets of them.

    Encodes what it is given of `keypoints` (B, N, K, 2), `keypoints_visible` (B, N, K), `bboxes`
    (B, N, 4) xyxy, `areas` (B, N) and `keypoints_visible_weights` (B, N, K), and `labels` (B, N)
    int64, from 0, -1 for padding. It does not decode: one-stage heads read keypoints themselves.

    Maji et al.: "YOLO-Pose: Enhancing YOLO for Multi Person Pose Estimation Using Object Keypoint
    Similarity Loss", CVPR workshops 2022.

    Args:
        expand_bbox: enlarge boxes until they hold all visible keypoints.
        input_size: (w, h) of the network's input, for what reads it from the config.

    Example:
        type: YOLOXPoseAnnotationProcessor
        expand_bbox: true
        input_size: [640, 640]
    """

    target_keys = (
        "keypoints",
        "keypoints_visible",
        "bboxes",
        "labels",
        "areas",
        "keypoints_visible_weights",
    )
    auxiliary_encode_keys = ("bboxes", "areas", "category_id", "keypoints_visible_weights")

    def __init__(self, expand_bbox: bool = False, input_size: Sequence[int] | None = None) -> None:
        self.expand_bbox = expand_bbox
        self.input_size = None if input_size is None else size_pair("input_size", input_size)

    def encode(
        self, keypoints: Tensor, keypoints_visible: Tensor | None = None, **annotations: Any
    ) -> dict[str, Any]:
        """Gather the annotations; see the class.

        Args:
            keypoints: (B, N, K, 2), input space.
            keypoints_visible: (B, N, K).
            **annotations: `bboxes` (needed), `areas`, `keypoints_visible_weights` and
                `category_id` (B, N), counted from 1; without it all instances are of one class.

        Raises:
            RayposeError: without boxes, or with boxes as four corners.
        """
        if "bboxes" not in annotations:
            raise RayposeError("YOLOXPoseAnnotationProcessor needs the boxes of the instances")
        visible = visible_or_ones(keypoints, keypoints_visible)
        bboxes: Tensor = annotations["bboxes"]
        if bboxes.ndim == 4:
            raise RayposeError(
                "YOLOXPoseAnnotationProcessor needs boxes as xyxy, got their corners: set "
                "bbox_keep_corner of BottomupRandomAffine to false"
            )
        labels: Tensor | int = 0
        if "category_id" in annotations:
            labels = _stacked(annotations["category_id"], bboxes.shape[:2], bboxes) - 1
        real = (bboxes[..., 2:] > bboxes[..., :2]).all(dim=-1)
        targets = {
            "keypoints": keypoints,
            "keypoints_visible": visible,
            "bboxes": _expanded(bboxes, keypoints, visible) if self.expand_bbox else bboxes,
            "labels": torch.where(real, labels, -1).long(),
        }
        if "areas" in annotations:
            targets["areas"] = annotations["areas"]
        if "keypoints_visible_weights" in annotations:
            weights = annotations["keypoints_visible_weights"]
            targets["keypoints_visible_weights"] = _stacked(weights, visible.shape, visible)
        return targets

    def decode(self, encoded: Any) -> tuple[Any, Any]:
        """Refuse: outputs of one-stage heads are decoded by the head.

        Raises:
            RayposeError: always.
        """
        raise RayposeError(
            "YOLOXPoseAnnotationProcessor only encodes; leave the head's decoder out"
        )


def _stacked(values: Tensor | Sequence[Any], shape: Sequence[int], like: Tensor) -> Tensor:
    """Return values (B, N, ...) as a tensor; a batch that is ragged has a list of B arrays."""
    if isinstance(values, Tensor):
        return values.to(like)
    padded = np.zeros(shape, np.float32)
    for row, value in zip(padded, values, strict=True):
        row[: len(value)] = value
    return torch.from_numpy(padded).to(like)


def _expanded(bboxes: Tensor, keypoints: Tensor, visible: Tensor) -> Tensor:
    """Return boxes (B, N, 4) that hold the visible keypoints, too."""
    seen = (visible > 0)[..., None]
    low = torch.where(seen, keypoints, torch.inf).amin(dim=-2)
    high = torch.where(seen, keypoints, -torch.inf).amax(dim=-2)
    return torch.cat(
        [torch.minimum(bboxes[..., :2], low), torch.maximum(bboxes[..., 2:], high)], dim=-1
    )
