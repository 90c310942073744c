"""Top-down in three dimensions: one crop in, the pose of its one instance with depths out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import torch
from torch import nn

from raypose.codecs.simcc_3d_label import SimCC3DLabel
from raypose.errors import ConfigError, RayposeError
from raypose.models.base_module import InitCfg
from raypose.models.estimators.base import BasePoseEstimator
from raypose.models.estimators.topdown import TopdownPoseEstimator
from raypose.ops.cameras import pixel_to_camera
from raypose.registry import MODELS
from raypose.structures import PoseBatch, Poses, Skeleton

_MODES = ("3d", "2d", "vis")
# Of the published models' training data: the usual focal lengths, and how far roots are, in metres.
_FOCAL = (1145.04940459, 1143.78109572)
_ROOT_DEPTH = 5.14388


@MODELS.register_module()
class TopdownPoseEstimator3D(TopdownPoseEstimator):
    """Estimate the pose of the person in each crop, with the depth of each keypoint.

    Jiang et al.: "RTMW: Real-Time Multi-Person 2D and 3D Whole-body Pose Estimation", 2024.

    The head's keypoints have three coordinates, and its decoder is a `SimCC3DLabel`. Predictions
    have `keypoints` (N, K, 2) in image space, and `keypoints_3d` (N, K, 3) as `test_cfg.mode` says:

    - `3d` (default): in camera space, in the unit the head was trained with (metres for published
      weights). The camera is the sample's `camera_param`, the depth of the root that of its
      `keypoints_3d`; in their place stand the focal length and the mean depth of the published
      models' training data, and the middle of the image.
    - `vis`: in input space, where x, y and z have one unit; for drawing.
    - `2d`: none.

    Args: see `BasePoseEstimator`.

    Raises:
        ConfigError: for an unknown mode.

    Example:
        type: TopdownPoseEstimator3D
        data_preprocessor:
          type: PoseDataPreprocessor
          mean: [123.675, 116.28, 103.53]
          std: [58.395, 57.12, 57.375]
          bgr_to_rgb: true
        backbone: {type: CSPNeXt, arch: P5, channel_attention: true, act_cfg: {type: SiLU}}
        neck:
          type: CSPNeXtPAFPN
          in_channels: [256, 512, 1024]
          out_channels: null
          out_indices: [1, 2]
          num_csp_blocks: 2
          act_cfg: {type: SiLU}
        head:
          type: RTMW3DHead
          in_channels: 1024
          out_channels: 133
          input_size: [288, 384, 288]
          in_featuremap_size: [9, 12]
          final_layer_kernel_size: 7
          gau_cfg: {hidden_dims: 256, s: 128, act_fn: SiLU}
          loss: {type: KLDiscretLossWithWeight, beta: 10.0, label_softmax: true}
          decoder:
            type: SimCC3DLabel
            input_size: [288, 384, 288]
            sigma: [6.0, 6.93, 6.0]
            normalize: false
            root_index: [11, 12]
    """

    test_cfg_keys: ClassVar[tuple[str, ...]] = (*BasePoseEstimator.test_cfg_keys, "mode")

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
        self.mode: str = self.test_cfg.get("mode", "3d")
        if self.mode not in _MODES:
            raise ConfigError(f"test_cfg: mode is one of {', '.join(_MODES)}, got {self.mode!r}")

    def _to_image(self, pose: Poses, batch: PoseBatch, index: int) -> Poses:
        if pose.keypoints.shape[-1] != 3:
            raise RayposeError(
                f"{type(self).__name__} needs keypoints with three coordinates, "
                f"{type(self.head).__name__} gives {pose.keypoints.shape[-1]}; "
                "take an RTMW3DHead, or TopdownPoseEstimator for poses without depth"
            )
        depth = pose.keypoints[..., 2:]
        flat = pose.replace(keypoints=pose.keypoints[..., :2])
        found = super()._to_image(flat, batch, index)
        if self.mode == "2d":
            return found
        if self.mode == "vis":
            steps = self._codec().depth_to_input(torch.from_numpy(depth))
            space = np.concatenate([flat.keypoints, steps.numpy()], axis=-1)
        else:
            pixels = batch.transforms[index].to_image(flat.keypoints)
            points = np.concatenate([pixels, depth + self._root_depth(batch, index)], axis=-1)
            space = pixel_to_camera(points, _camera(batch, index))
        keep = self.test_cfg.get("output_keypoint_indices")
        if keep is not None:
            space = space[:, keep]
        return found.replace(keypoints_3d=space.astype(np.float32))

    def _codec(self) -> SimCC3DLabel:
        decoder = self.required_head().decoder
        assert isinstance(decoder, SimCC3DLabel)
        return decoder

    def _root_depth(self, batch: PoseBatch, index: int) -> float:
        poses = batch.annotations.get("keypoints_3d")
        depth = np.nan if poses is None else float(self._codec().root_depth(poses[index, 0]))
        return depth if np.isfinite(depth) else _ROOT_DEPTH


def _camera(batch: PoseBatch, index: int) -> dict[str, Any]:
    """Return focal lengths and principal point of the camera that took a sample."""
    cameras, shapes = (batch.annotations.get(name) for name in ("camera_param", "img_shape"))
    if cameras is not None:
        return {"f": cameras[index]["f"], "c": cameras[index]["c"]}
    if shapes is not None:
        height, width = shapes[index].tolist()
        return {"f": _FOCAL, "c": (width / 2, height / 2)}
    return {"f": _FOCAL, "c": batch.transforms[index].center}
