"""`FilterAnnotations`: leave out instances that are too small or not visible."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from raypose.errors import ConfigError, DataError
from raypose.ops.boxes import bbox_corner2xyxy
from raypose.registry import TRANSFORMS
from raypose.structures import PoseSample
from raypose.transforms.instances import keep_instances


@TRANSFORMS.register_module()
class FilterAnnotations:
    """Keep the instances of an image that pass every test asked for.

    Args:
        min_gt_bbox_wh: width and height that a box must exceed.
        min_gt_area: least area.
        min_kpt_vis: least number of visible keypoints.
        by_box: test boxes.
        by_area: test areas.
        by_kpt: test keypoints.
        keep_empty: drop a sample that has no instance left. (The name is MMPose's; with false it
            goes on without instances.)

    Example:
        type: FilterAnnotations
        by_box: true
        by_kpt: true
        keep_empty: false
    """

    def __init__(
        self,
        min_gt_bbox_wh: Sequence[float] = (1, 1),
        min_gt_area: float = 1,
        min_kpt_vis: int = 1,
        by_box: bool = False,
        by_area: bool = False,
        by_kpt: bool = True,
        keep_empty: bool = True,
    ) -> None:
        if not (by_box or by_area or by_kpt):
            raise ConfigError("FilterAnnotations needs at least one of by_box, by_area and by_kpt")
        self.min_gt_bbox_wh = np.asarray(min_gt_bbox_wh)
        self.min_gt_area = min_gt_area
        self.min_kpt_vis = min_kpt_vis
        self.by_box = by_box
        self.by_area = by_area
        self.by_kpt = by_kpt
        self.keep_empty = keep_empty

    def __call__(self, sample: PoseSample) -> PoseSample | None:
        """Take instances out of all annotations.

        Raises:
            DataError: if the sample has no keypoints.
        """
        keypoints, visible = sample.keypoints, sample.keypoints_visible
        if keypoints is None or visible is None:
            raise DataError(f"sample {sample.id}: FilterAnnotations needs keypoints")
        if len(keypoints) == 0:
            return sample
        keep = np.ones(len(keypoints), np.bool_)
        if self.by_box and sample.bboxes is not None:
            boxes = sample.bboxes
            if boxes.ndim == 3:
                boxes = bbox_corner2xyxy(boxes)
            keep &= (boxes[:, 2:] - boxes[:, :2] > self.min_gt_bbox_wh).all(axis=1)
        if self.by_area and sample.areas is not None:
            keep &= sample.areas >= self.min_gt_area
        if self.by_kpt:
            keep &= visible.sum(axis=1) >= self.min_kpt_vis
        if self.keep_empty and not keep.any():
            return None
        if not keep.all():
            keep_instances(sample, keep)
        return sample
