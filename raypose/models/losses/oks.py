"""Loss of the object keypoint similarity."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from raypose.errors import ConfigError
from raypose.models.losses.weighting import REDUCTIONS, check_choice, reduce
from raypose.registry import MODELS
from raypose.structures import Skeleton


@MODELS.register_module()
class OKSLoss(nn.Module):
    """Loss of the similarity that COCO evaluates by.

    Maji et al.: "YOLO-Pose: Enhancing YOLO for Multi Person Pose Estimation Using Object Keypoint
    Similarity Loss", CVPR workshops 2022.

    Args:
        metainfo: skeleton whose sigmas scale the distances: name, file or mapping; without it
            distances are not scaled.
        reduction: over instances: `mean`, `sum` or `none`.
        mode: 1 - oks (`linear`), 1 - oks^2 (`square`) or -log oks (`log`).
        eps: smallest size of an instance and smallest sum of weights.
        norm_target_weight: divide weights by their sum instead of by K.
        loss_weight: factor of the result.

    Raises:
        ConfigError: for another `reduction` or `mode`, or a skeleton without sigmas.

    Example:
        type: OKSLoss
        metainfo: coco
    """

    sigmas: Tensor

    def __init__(
        self,
        metainfo: str | Mapping[str, Any] | Skeleton | None = None,
        reduction: str = "mean",
        mode: str = "linear",
        eps: float = 1e-8,
        norm_target_weight: bool = False,
        loss_weight: float = 1.0,
    ) -> None:
        super().__init__()
        self.reduction = check_choice(self, "reduction", reduction, REDUCTIONS)
        self.mode = check_choice(self, "mode", mode, ("linear", "square", "log"))
        self.eps = eps
        self.norm_target_weight = norm_target_weight
        self.loss_weight = loss_weight
        self.scaled = metainfo is not None
        if metainfo is not None:
            skeleton = Skeleton.load(metainfo)
            if skeleton.sigmas is None:
                raise ConfigError(f"OKSLoss: skeleton '{skeleton.name}' has no sigmas")
            self.register_buffer("sigmas", torch.tensor(skeleton.sigmas))

    def forward(
        self,
        output: Tensor,
        target: Tensor,
        target_weight: Tensor | None = None,
        areas: Tensor | None = None,
    ) -> Tensor:
        """Return the loss.

        Args:
            output: (N, K, 2), pixels.
            target: (N, K, 2), pixels.
            target_weight: (N, K).
            areas: (N,) sizes of the instances, square pixels.
        """
        distance = torch.linalg.vector_norm(output - target, dim=-1)
        if areas is not None:
            distance = distance / areas.sqrt().clamp(min=self.eps)[..., None]
        if self.scaled:
            distance = distance / (2 * self.sigmas)
        similarity = torch.exp(-distance.square() / 2)
        if target_weight is not None:
            total: Tensor | int = target_weight.shape[-1]
            if self.norm_target_weight:
                total = target_weight.sum(dim=-1, keepdim=True).clamp(min=self.eps)
            similarity = similarity * (target_weight / total)
        similarity = similarity.sum(dim=-1)
        if self.mode == "linear":
            loss = 1 - similarity
        elif self.mode == "square":
            loss = 1 - similarity.square()
        else:
            loss = -similarity.log()
        return reduce(loss, self.reduction) * self.loss_weight
