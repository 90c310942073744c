"""Bottom-up: a whole image in, the poses of everybody in it out."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from raypose.errors import ConfigError, RayposeError
from raypose.models.base_module import InitCfg
from raypose.models.estimators.base import BasePoseEstimator
from raypose.registry import MODELS
from raypose.structures import PoseBatch, Poses, Skeleton

SIZE_STEP = 32  # networks halve their input five times


@MODELS.register_module()
class BottomupPoseEstimator(BasePoseEstimator):
    """Estimate the poses of all people in each image.

    Besides the options of every estimator, `test_cfg` takes `multiscale_test` with `aug_scales`,
    factors of the input's size at which the network runs as well (on the device, from the same
    input), and what the head's own documentation lists.

    Args: see `BasePoseEstimator`.

    Raises:
        ConfigError: for an unknown option, or `multiscale_test` without `aug_scales`.

    Example:
        type: BottomupPoseEstimator
        data_preprocessor:
          type: PoseDataPreprocessor
          mean: [123.675, 116.28, 103.53]
          std: [58.395, 57.12, 57.375]
          bgr_to_rgb: true
        backbone: {type: ResNet, depth: 18}
        head:
          type: AssociativeEmbeddingHead
          in_channels: 512
          num_keypoints: 17
          decoder:
            type: AssociativeEmbedding
            input_size: [512, 512]
            heatmap_size: [512, 512]
            decode_keypoint_order: [0, 1, 2, 3, 4, 5, 6, 11, 12, 7, 8, 9, 10, 13, 14, 15, 16]
        test_cfg: {flip_test: true, restore_heatmap_size: true}
    """

    test_cfg_keys = (
        *BasePoseEstimator.test_cfg_keys,
        "multiscale_test",
        "aug_scales",
        "restore_heatmap_size",
        "align_corners",
    )

    def __init__(
        self,
        backbone: Mapping[str, Any] | nn.Module,
        neck: Mapping[str, Any] | nn.Module | None = None,
        head: Mapping[str, Any] | nn.Module | None = None,
        train_cfg: Mapping[str, Any] | None = None,
        test_cfg: Mapping[str, Any] | None = None,
        data_preprocessor: Mapping[str, Any] | nn.Module | None = None,
        skeleton: str | Mapping[str, Any] | Skeleton | None = None,
        init_cfg: InitCfg = None,
    ) -> None:
        super().__init__(
            backbone, neck, head, train_cfg, test_cfg, data_preprocessor, skeleton, init_cfg
        )
        if self.test_cfg.get("multiscale_test") and not self.test_cfg.get("aug_scales"):
            raise ConfigError("test_cfg: multiscale_test needs aug_scales, such as [0.5, 2.0]")

    def loss(self, batch: PoseBatch) -> dict[str, Tensor]:
        """Return the head's losses; see `BasePoseEstimator.loss`."""
        inputs, batch = self.preprocess_for_loss(batch)
        return self.required_head().loss(self.extract_feat(inputs), batch)

    @torch.no_grad()
    def predict(self, batch: PoseBatch) -> list[Poses]:
        """Return everybody found in each image, in image space.

        Raises:
            RayposeError: if the head answers for another number of images than it got.
        """
        inputs = self.preprocess(batch)
        batch = batch.replace(inputs=inputs)
        doubled, batch = self.mirrored(inputs, batch)
        if self.test_cfg.get("multiscale_test", False):
            feats = [self.extract_feat(scaled) for scaled in self._pyramid(doubled)]
        else:
            feats = self.extract_feat(doubled)
        found = self.required_head().predict(feats, batch)
        if len(found) != len(batch.transforms):
            raise RayposeError(
                f"{type(self.head).__name__}.predict returned {len(found)} results for "
                f"{len(batch.transforms)} images"
            )
        return [poses.to_image(crop) for poses, crop in zip(found, batch.transforms, strict=True)]

    def _pyramid(self, inputs: Tensor) -> list[Tensor]:
        """Return the inputs and their copies in other sizes."""
        scaled = [
            F.interpolate(inputs, size, mode="bilinear", align_corners=False, antialias=True)
            for size in (
                [math.ceil(length * scale / SIZE_STEP) * SIZE_STEP for length in inputs.shape[-2:]]
                for scale in self.test_cfg["aug_scales"]
            )
        ]
        return [inputs, *scaled]
