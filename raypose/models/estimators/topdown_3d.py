"""Top-down in three dimensions: one crop in, the pose of its one instance with depths out."""

from __future__ import annotations

from raypose.errors import RayposeError
from raypose.models.estimators.topdown import TopdownPoseEstimator
from raypose.registry import MODELS
from raypose.structures import PoseBatch, Poses


@MODELS.register_module()
class TopdownPoseEstimator3D(TopdownPoseEstimator):
    """Estimate the pose of the person in each crop, with the depth of each keypoint.

    Jiang et al.: "RTMW: Real-Time Multi-Person 2D and 3D Whole-body Pose Estimation", 2024.

    The head's keypoints have three coordinates. Predictions have `keypoints` (N, K, 2) in image
    space, and `keypoints_3d` (N, K, 3): the same x and y in pixels and the depth z behind the
    root, in the unit the head was trained with (metres for published weights).

    Args: see `BasePoseEstimator`.

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

    def _to_image(self, pose: Poses, batch: PoseBatch, index: int) -> Poses:
        found = super()._to_image(pose, batch, index)
        if found.keypoints.shape[-1] != 3:
            raise RayposeError(
                f"{type(self).__name__} needs keypoints with three coordinates, "
                f"{type(self.head).__name__} gives {found.keypoints.shape[-1]}; "
                "take an RTMW3DHead, or TopdownPoseEstimator for poses without depth"
            )
        return found.replace(keypoints=found.keypoints[..., :2], keypoints_3d=found.keypoints)
