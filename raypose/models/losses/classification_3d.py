"""The loss of keypoints whose depth is known for some and not for others.

N instances, K keypoints; Wx, Wy and Wz bins.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from raypose.errors import ConfigError
from raypose.models.losses.classification import KLDiscretLoss
from raypose.models.losses.weighting import required_weight
from raypose.registry import MODELS


@MODELS.register_module()
class KLDiscretLossWithWeight(KLDiscretLoss):
    """Kullback-Leibler divergence of SimCC's distributions, each axis with weights of its own.

    Jiang et al.: "RTMW: Real-Time Multi-Person 2D and 3D Whole-body Pose Estimation", 2024.

    Args:
        beta: factor of the outputs before their softmax.
        label_softmax: put the labels through a softmax, too.
        label_beta: factor of the labels before their softmax.
        use_target_weight: true; the weights always count.
        mask: indices of keypoints that count differently.
        mask_weight: how much these count.

    Raises:
        ConfigError: if `use_target_weight` is false.

    Example:
        type: KLDiscretLossWithWeight
        beta: 10.0
        label_softmax: true
    """

    def __init__(
        self,
        beta: float = 1.0,
        label_softmax: bool = False,
        label_beta: float = 10.0,
        use_target_weight: bool = True,
        mask: Sequence[int] | None = None,
        mask_weight: float = 1.0,
    ) -> None:
        if not use_target_weight:
            raise ConfigError(
                "KLDiscretLossWithWeight: use_target_weight is true; "
                "for a loss without weights take KLDiscretLoss"
            )
        super().__init__(beta, label_softmax, label_beta, use_target_weight, mask, mask_weight)

    def forward(
        self,
        pred_simcc: Sequence[Tensor],
        gt_simcc: Sequence[Tensor],
        target_weight: Tensor | None = None,
    ) -> Tensor:
        """Return the weighted sum over instances and axes of the mean over bins, divided by K.

        Args:
            pred_simcc: logits (N, K, Wx), (N, K, Wy) and (N, K, Wz).
            gt_simcc: labels of the same shapes.
            target_weight: (3, N, K), the weights of each axis.

        Raises:
            RayposeError: if weights are missing.
        """
        weights = required_weight(self, target_weight)
        axes = [self._divergence(*pair) for pair in zip(pred_simcc, gt_simcc, strict=True)]
        return self._total((torch.stack(axes) * weights).sum(dim=0))
