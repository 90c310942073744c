"""Losses between a student and its teacher.

Yang et al.: "Effective Whole-body Pose Estimation with Two-stages Distillation", ICCVW 2023.

B samples, K keypoints, C channels.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from raypose.errors import RayposeError
from raypose.registry import MODELS


class DistillationLoss(nn.Module):
    """What losses of a distiller share.

    Args:
        name: under which the distiller lists the loss.
        use_this: false leaves the loss out of the distiller.
    """

    def __init__(self, name: str, use_this: bool) -> None:
        super().__init__()
        self.name = name
        self.use_this = use_this


@MODELS.register_module()
class FeaLoss(DistillationLoss):
    """Squared error of feature maps.

    Args:
        name: under which the distiller lists the loss, `loss_fea`.
        use_this: false leaves the loss out of the distiller.
        student_channels: channels of the student's map; where they differ from the teacher's, a
            1x1 convolution (`align`) makes them fit.
        teacher_channels: channels of the teacher's map.
        alpha_fea: factor of the result.

    Example:
        type: FeaLoss
        name: loss_fea
        use_this: true
        student_channels: 384
        teacher_channels: 1024
        alpha_fea: 0.00007
    """

    def __init__(
        self,
        name: str,
        use_this: bool,
        student_channels: int,
        teacher_channels: int,
        alpha_fea: float = 0.00007,
    ) -> None:
        super().__init__(name, use_this)
        self.alpha_fea = alpha_fea
        self.align: nn.Module | None = None
        if student_channels != teacher_channels:
            self.align = nn.Conv2d(student_channels, teacher_channels, 1)

    def forward(self, student: Tensor, teacher: Tensor) -> Tensor:
        """Return the sum over channels and places, the mean over samples.

        Args:
            student: (B, C, H, W).
            teacher: (B, C', H, W).

        Raises:
            RayposeError: if the maps do not fit each other.
        """
        if self.align is not None:
            student = self.align(student)
        if student.shape != teacher.shape:
            raise RayposeError(
                f"FeaLoss compares maps of one shape, got {tuple(student.shape)} of the student "
                f"and {tuple(teacher.shape)} of the teacher"
            )
        return F.mse_loss(student, teacher, reduction="sum") / len(teacher) * self.alpha_fea


@MODELS.register_module()
class KDLoss(DistillationLoss):
    """Kullback-Leibler divergence from the teacher's SimCC distributions to the student's.

    Args:
        name: under which the distiller lists the loss, `loss_logit`.
        use_this: false leaves the loss out of the distiller.
        weight: factor of the result.

    Example:
        type: KDLoss
        name: loss_logit
        use_this: true
        weight: 0.1
    """

    def __init__(self, name: str, use_this: bool, weight: float = 1.0) -> None:
        super().__init__(name, use_this)
        self.weight = weight

    def forward(self, pred: Sequence[Tensor], pred_t: Sequence[Tensor], beta: float) -> Tensor:
        """Return the sum over bins and axes, the mean over keypoints and samples.

        Hidden keypoints count as others do: what the teacher says of them is worth as much.

        Args:
            pred: logits of the student, (B, K, Wx) and (B, K, Wy).
            pred_t: logits of the teacher, of the same shapes.
            beta: factor of the logits before their softmax.
        """
        parts = [
            F.kl_div(
                (student * beta).log_softmax(dim=-1),
                (teacher.detach() * beta).softmax(dim=-1),
                reduction="none",
            ).sum(dim=-1)
            for student, teacher in zip(pred, pred_t, strict=True)
        ]
        return torch.stack(parts).sum(dim=0).mean() * self.weight
