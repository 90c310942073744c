"""The train step: targets made, losses summed."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from raypose.codecs.base import BaseKeypointCodec
from raypose.models.estimators.base import BasePoseEstimator
from raypose.structures import PoseBatch, Poses
from raypose.training import TrainStep


class Doubling(BaseKeypointCodec):
    """Targets are the keypoints times two."""

    def encode(
        self, keypoints: Tensor, keypoints_visible: Tensor | None = None, **annotations: Any
    ) -> dict[str, Any]:
        assert not torch.is_grad_enabled()
        return {"double": keypoints * 2, "keypoint_weights": torch.ones(keypoints.shape[:-1])}

    def decode(self, encoded: Any) -> tuple[Any, Any]:
        raise AssertionError("not used")


class Losses(BasePoseEstimator):
    """Two losses and a number that is none."""

    def __init__(self, *names: str) -> None:
        super().__init__(backbone=nn.Identity())
        self.names = names

    def loss(self, batch: PoseBatch) -> dict[str, Tensor]:
        weighted = batch.targets["double"] * batch.targets["keypoint_weights"][..., None]
        return {name: weighted for name in self.names}

    def predict(self, batch: PoseBatch) -> list[Poses]:
        raise AssertionError("not used")


BATCH = PoseBatch(keypoints=torch.tensor([[[[1.0, 3.0], [5.0, 7.0]]]]))


def test_entries_named_loss_are_averaged_and_summed() -> None:
    parts = TrainStep(Losses("loss_kpt", "loss_vis", "acc_pose"), Doubling())(BATCH)
    assert float(parts["loss"]) == 2 * 8
    assert set(parts) == {"loss", "loss_kpt", "loss_vis", "acc_pose"}


def test_weights_of_the_skeleton_are_multiplied_in() -> None:
    step = TrainStep(Losses("loss"), Doubling(), keypoint_weights=(0.0, 1.0))
    assert float(step(BATCH)["loss"]) == (0 + 0 + 10 + 14) / 4
    assert "keypoint_weights" not in step.state_dict()


def test_an_estimator_without_a_loss() -> None:
    with pytest.raises(ValueError, match=r"Losses.loss returned \['acc'\]; at least one"):
        TrainStep(Losses("acc"), Doubling())(BATCH)
