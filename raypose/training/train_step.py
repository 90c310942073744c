"""`TrainStep`: a batch in, one loss out; the unit that is wrapped, compiled and stepped."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from raypose.codecs.base import BaseKeypointCodec
from raypose.errors import RayposeError
from raypose.models.estimators.base import BasePoseEstimator
from raypose.structures import PoseBatch


class TrainStep(nn.Module):
    """Encode targets on the device, compute the estimator's losses, sum them.

    DDP wraps this and not the estimator, so the estimator's own `state_dict` is what is saved.

    Args:
        estimator: the model that is trained.
        codec: makes the targets; None for paradigms that need none.
        keypoint_weights: (K,) weights of the skeleton to apply to the loss, if wanted.
    """

    keypoint_weights: Tensor | None

    def __init__(
        self,
        estimator: BasePoseEstimator,
        codec: BaseKeypointCodec | None,
        keypoint_weights: Sequence[float] | None = None,
    ) -> None:
        super().__init__()
        self.estimator = estimator
        self.codec = codec
        weights = None if keypoint_weights is None else torch.tensor(keypoint_weights)
        self.register_buffer("keypoint_weights", weights, persistent=False)

    def forward(self, batch: PoseBatch) -> dict[str, Tensor]:
        """Return `loss`, the sum of all `loss*` entries, and every entry on its own.

        Raises:
            RayposeError: if the estimator returns no loss.
        """
        if self.codec is not None:
            with torch.no_grad():
                batch = self.codec.encode_batch(batch, self.keypoint_weights)
        parts = self.estimator.loss(batch)
        losses = [value.mean() for name, value in parts.items() if name.startswith("loss")]
        if not losses:
            raise RayposeError(
                f"{type(self.estimator).__name__}.loss returned {sorted(parts)}; "
                "at least one entry must be named 'loss...'"
            )
        return {**parts, "loss": torch.stack(losses).sum()}
