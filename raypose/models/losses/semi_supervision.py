"""Losses that teach a lifter by sequences without 3D annotations.

Paper: Pavllo et al., 3D Human Pose Estimation in Video with Temporal Convolutions and
Semi-Supervised Training, CVPR 2019. N poses, K keypoints.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from raypose.models.losses.mpjpe import MPJPELoss
from raypose.models.losses.weighting import required_weight
from raypose.registry import MODELS


@MODELS.register_module()
class BoneLoss(nn.Module):
    """Difference of the mean lengths of each bone; the poses may be of different people.

    Args:
        joint_parents: for each keypoint the one it hangs on; a root is its own parent.
        use_target_weight: multiply lengths by the weights.
        loss_weight: factor of the result.

    Attributes:
        ends: for each bone the keypoint that hangs on another one.

    Example:
        type: BoneLoss
        joint_parents: [0, 0, 1, 2, 0, 4, 5, 0, 7, 8, 9, 8, 11, 12, 8, 14, 15]
    """

    def __init__(
        self,
        joint_parents: Sequence[int],
        use_target_weight: bool = False,
        loss_weight: float = 1.0,
    ) -> None:
        super().__init__()
        self.use_target_weight = use_target_weight
        self.loss_weight = loss_weight
        self.ends = [i for i, parent in enumerate(joint_parents) if i != parent]
        self._starts = [joint_parents[i] for i in self.ends]

    def forward(
        self, output: Tensor, target: Tensor, target_weight: Tensor | None = None
    ) -> Tensor:
        """Return the loss.

        Args:
            output: (N, K, D).
            target: (N', K, D).
            target_weight: (N, bones), where N' = N.

        Raises:
            RayposeError: if weights are missing.
        """
        lengths = [self._lengths(output), self._lengths(target)]
        if self.use_target_weight:
            weight = required_weight(self, target_weight)
            lengths = [length * weight for length in lengths]
        ours, theirs = (length.mean(dim=0) for length in lengths)
        return (ours - theirs).abs().mean() * self.loss_weight

    def _lengths(self, poses: Tensor) -> Tensor:
        return torch.linalg.vector_norm(poses[:, self.ends] - poses[:, self._starts], dim=-1)


@MODELS.register_module()
class SemiSupervisionLoss(nn.Module):
    """Lifted poses must look like the 2D poses they come from, and have bones of usual length.

    Args:
        joint_parents: see `BoneLoss`.
        projection_loss_weight: factor of the error in the image.
        bone_loss_weight: factor of the error of the bones.
        warmup_iterations: training steps before the loss begins. A run that goes on from a
            checkpoint counts anew.

    Example:
        type: SemiSupervisionLoss
        joint_parents: [0, 0, 1, 2, 0, 4, 5, 0, 7, 8, 9, 8, 11, 12, 8, 14, 15]
        warmup_iterations: 12805
    """

    def __init__(
        self,
        joint_parents: Sequence[int],
        projection_loss_weight: float = 1.0,
        bone_loss_weight: float = 1.0,
        warmup_iterations: int = 0,
    ) -> None:
        super().__init__()
        self.criterion_projection: nn.Module = MPJPELoss(loss_weight=projection_loss_weight)
        self.criterion_bone: nn.Module = BoneLoss(joint_parents, loss_weight=bone_loss_weight)
        self.warmup_iterations = warmup_iterations
        self.num_iterations = 0

    @property
    def warming_up(self) -> bool:
        """Return whether the loss has not begun; then it needs no outputs."""
        return self.num_iterations < self.warmup_iterations

    def forward(
        self, output: Mapping[str, Tensor], target: Mapping[str, Tensor]
    ) -> dict[str, Tensor]:
        """Return `proj_loss` and `bone_loss`, nothing while warming up.

        Args:
            output: `labeled_pose` (N', K, 3), `unlabeled_pose` (N, K, 3) about the root and
                `unlabeled_traj` (N, 1, 3), the position of the root.
            target: `unlabeled_target_2d` (N, K, 2) and `intrinsics`, see `project_joints`.
        """
        warming_up = self.warming_up
        self.num_iterations += self.training
        if warming_up:
            return {}
        pose = output["unlabeled_pose"]
        projected = project_joints(pose + output["unlabeled_traj"], target["intrinsics"])
        return {
            "proj_loss": self.criterion_projection(projected, target["unlabeled_target_2d"]),
            "bone_loss": self.criterion_bone(pose, output["labeled_pose"]),
        }


def project_joints(points: Tensor, intrinsics: Tensor) -> Tensor:
    """Project camera-space points to the image.

    Args:
        points: (N, K, 3). Points outside of a right angle about the axis move to its border.
        intrinsics: (N, 4) focal length and center, or (N, 9) also three radial and two tangential
            coefficients, in the unit of the image.

    Returns:
        (N, K, 2).
    """
    intrinsics = intrinsics[:, None]
    plane = (points[..., :2] / points[..., 2:]).clamp(-1, 1)
    if intrinsics.shape[-1] == 9:
        radial, tangential = intrinsics[..., 4:7], intrinsics[..., 7:]
        r2 = plane.square().sum(dim=-1, keepdim=True)
        gain = 1 + (radial * torch.cat([r2, r2**2, r2**3], dim=-1)).sum(dim=-1, keepdim=True)
        slant = (tangential * plane).sum(dim=-1, keepdim=True)
        plane = plane * (gain + slant) + tangential * r2
    return intrinsics[..., :2] * plane + intrinsics[..., 2:4]
