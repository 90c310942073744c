"""Loss between predicted and target boxes."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from raypose.models.losses.weighting import REDUCTIONS, check_choice, reduce, trailing_ones
from raypose.registry import MODELS


@MODELS.register_module()
class IoULoss(nn.Module):
    """Loss of the intersection over union of boxes.

    Args:
        reduction: `mean`, `sum` or `none`.
        mode: 1 - iou (`linear`), 1 - iou^2 (`square`) or -log iou (`log`).
        eps: smallest intersection over union.
        loss_weight: factor of the result.

    Raises:
        ConfigError: for another `reduction` or `mode`.

    Example:
        type: IoULoss
        mode: square
        reduction: sum
    """

    def __init__(
        self,
        reduction: str = "mean",
        mode: str = "log",
        eps: float = 1e-16,
        loss_weight: float = 1.0,
    ) -> None:
        super().__init__()
        self.reduction = check_choice(self, "reduction", reduction, REDUCTIONS)
        self.mode = check_choice(self, "mode", mode, ("linear", "square", "log"))
        self.eps = eps
        self.loss_weight = loss_weight

    def forward(
        self, output: Tensor, target: Tensor, target_weight: Tensor | None = None
    ) -> Tensor:
        """Return the loss.

        Args:
            output: (N, 4) boxes, xyxy.
            target: (N, 4) boxes, xyxy.
            target_weight: (N,).
        """
        iou = _aligned_iou(output, target).clamp(min=self.eps)
        if self.mode == "linear":
            loss = 1 - iou
        elif self.mode == "square":
            loss = 1 - iou.square()
        else:
            loss = -iou.log()
        if target_weight is not None:
            loss = loss * trailing_ones(target_weight, loss)
        return reduce(loss, self.reduction) * self.loss_weight


def _aligned_iou(one: Tensor, other: Tensor) -> Tensor:
    """Return the intersection over union (N,) of the i-th boxes of both."""
    corner = torch.maximum(one[..., :2], other[..., :2])
    opposite = torch.minimum(one[..., 2:], other[..., 2:])
    shared = (opposite - corner).clamp(min=0).prod(dim=-1)
    areas = [(boxes[..., 2:] - boxes[..., :2]).prod(dim=-1) for boxes in (one, other)]
    return shared / (areas[0] + areas[1] - shared).clamp(min=1e-6)
