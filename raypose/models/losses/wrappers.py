"""Several losses as one module."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor, nn

from raypose.errors import RayposeError
from raypose.registry import MODELS


@MODELS.register_module()
class MultipleLossWrapper(nn.Module):
    """One loss for each of several outputs.

    Args:
        losses: configs of the losses (or built ones), in the order of the outputs.

    Example:
        type: MultipleLossWrapper
        losses:
          - {type: KeypointMSELoss, use_target_weight: true}
          - {type: KeypointOHKMMSELoss, use_target_weight: true}
    """

    def __init__(self, losses: Sequence[Mapping[str, Any] | nn.Module]) -> None:
        super().__init__()
        self.loss_modules = nn.ModuleList(MODELS.build(loss) for loss in losses)

    def forward(
        self,
        input_list: Sequence[Any],
        target_list: Sequence[Any],
        keypoint_weights: Tensor | None = None,
    ) -> list[Tensor]:
        """Return one loss for each output.

        Args:
            input_list: outputs.
            target_list: targets.
            keypoint_weights: the weights, the same for all.

        Raises:
            RayposeError: unless there are as many outputs and targets as losses.
        """
        count = len(self.loss_modules)
        if not len(input_list) == len(target_list) == count:
            raise RayposeError(
                f"MultipleLossWrapper has {count} losses, got {len(input_list)} outputs and "
                f"{len(target_list)} targets"
            )
        return [
            loss(output, target, keypoint_weights)
            for loss, output, target in zip(self.loss_modules, input_list, target_list, strict=True)
        ]


@MODELS.register_module()
class CombinedLoss(nn.ModuleDict):
    """Losses by name, each called by itself: `combined["keypoint_loss"](output, target)`.

    Args:
        losses: config of each loss (or a built one).

    Example:
        type: CombinedLoss
        losses:
          keypoint_loss: {type: KeypointMSELoss}
          tag_loss: {type: AssociativeEmbeddingLoss}
    """

    def __init__(self, losses: Mapping[str, Mapping[str, Any] | nn.Module]) -> None:
        super().__init__({name: MODELS.build(loss) for name, loss in losses.items()})
