"""Top-down: one crop in, the pose of its one instance out."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from raypose.errors import RayposeError
from raypose.models.estimators.base import BasePoseEstimator
from raypose.registry import MODELS
from raypose.structures import PoseBatch, Poses


@MODELS.register_module()
class TopdownPoseEstimator(BasePoseEstimator):
    """Estimate the pose of the person in each crop.

    Args: see `BasePoseEstimator`.

    Example:
        type: TopdownPoseEstimator
        data_preprocessor:
          type: PoseDataPreprocessor
          mean: [123.675, 116.28, 103.53]
          std: [58.395, 57.12, 57.375]
          bgr_to_rgb: true
        backbone: {type: ResNet, depth: 18}
        head:
          type: HeatmapHead
          in_channels: 512
          out_channels: 17
          decoder: {type: MSRAHeatmap, input_size: [192, 256], heatmap_size: [48, 64], sigma: 2}
        test_cfg: {flip_test: true, flip_mode: heatmap, shift_heatmap: true}
    """

    def loss(self, batch: PoseBatch) -> dict[str, Tensor]:
        """Return the head's losses; see `BasePoseEstimator.loss`."""
        inputs, batch = self.preprocess_for_loss(batch)
        return self.required_head().loss(self.extract_feat(inputs), batch)

    @torch.no_grad()
    def predict(self, batch: PoseBatch) -> list[Poses]:
        """Return one instance for each crop in image space, with the box it was cut by.

        Raises:
            RayposeError: if the head answers for another number of samples than it got.
        """
        inputs, batch = self.mirrored(self.preprocess(batch), batch)
        return self.predict_from(self.extract_feat(inputs), batch)

    def predict_from(self, feats: Any, batch: PoseBatch) -> list[Poses]:
        """Return what the head finds in features of preprocessed images; see `predict`."""
        poses = self.required_head().predict(feats, batch)
        if len(poses) != len(batch.transforms):
            raise RayposeError(
                f"{type(self.head).__name__}.predict returned {len(poses)} results for "
                f"{len(batch.transforms)} samples"
                + ("; it must fold the flip test by forward_test()" if batch.flip_test else "")
            )
        return [self._to_image(pose, batch, i) for i, pose in enumerate(poses)]

    def _to_image(self, pose: Poses, batch: PoseBatch, index: int) -> Poses:
        found = pose.to_image(batch.transforms[index])
        boxes = batch.annotations.get("bboxes")
        if boxes is not None:
            found = found.replace(bboxes=np.asarray(boxes[index].cpu(), np.float32)[: len(found)])
        scores = batch.annotations.get("bbox_scores")
        if scores is not None:
            values = np.asarray(scores[index].cpu(), np.float32)[: len(found)]
            found = found.replace(bbox_scores=values)
        keep = self.test_cfg.get("output_keypoint_indices")
        if keep is None:
            return found
        visible = found.keypoints_visible
        return found.replace(
            keypoints=found.keypoints[:, keep],
            keypoint_scores=found.keypoint_scores[:, keep],
            keypoints_visible=None if visible is None else visible[:, keep],
        )
