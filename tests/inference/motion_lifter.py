"""A lifter of three frames whose answers are known: its depth is how far x went in between."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from raypose.codecs.base import BaseKeypointCodec
from raypose.inference import LiftStage
from raypose.models.estimators.base import BasePoseEstimator
from raypose.structures import PoseBatch, Poses
from tests.inference.conftest import SPOT


def motion_stage() -> LiftStage:
    """Return the stage of the lifter, for single spots."""
    return LiftStage(MotionLifter(), MotionCodec(), SPOT, SPOT, num_frames=3)


class MotionCodec(BaseKeypointCodec):
    """Gives a lifter its windows as they are."""

    input_key: ClassVar[str | None] = "frames"

    def encode(
        self, keypoints: Tensor, keypoints_visible: Tensor | None = None, **annotations: Any
    ) -> dict[str, Any]:
        return {"frames": keypoints}

    def decode(self, encoded: Any) -> tuple[Any, Any]:
        raise AssertionError("not used")


class MotionLifter(BasePoseEstimator):
    """Answers with x and y of the middle frame, and by how much x grows through the window."""

    def __init__(self) -> None:
        super().__init__(backbone=nn.Identity())

    def loss(self, batch: PoseBatch) -> dict[str, Tensor]:
        raise AssertionError("not used in prediction")

    def predict(self, batch: PoseBatch) -> list[Poses]:
        assert isinstance(batch.inputs, Tensor)
        return [
            Poses(
                keypoints=torch.cat([frames[1], frames[2, :, :1] - frames[0, :, :1]], -1)[
                    None
                ].numpy(),
                keypoint_scores=np.ones((1, frames.shape[1]), np.float32),
            )
            for frames in batch.inputs
        ]
