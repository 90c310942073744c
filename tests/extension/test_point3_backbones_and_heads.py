"""Contract 3: what a backbone and a head of one's own have to be, and nothing more."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from raypose.codecs import RegressionLabel
from raypose.models.backbones import BaseBackbone
from raypose.models.estimators import TopdownPoseEstimator
from raypose.models.heads import BaseHead
from raypose.registry import CODECS, MODELS
from raypose.structures import CropTransform, PoseBatch, Poses
from raypose.training import TrainStep
from tests.extension.conftest import Load, Trained

SIZE = (48, 64)


@pytest.fixture(scope="module")
def batch() -> PoseBatch:
    rng = np.random.default_rng(0)
    keypoints = torch.from_numpy(rng.uniform(4, 44, (4, 1, 5, 2)).astype(np.float32))
    return PoseBatch(
        inputs=torch.from_numpy(rng.normal(size=(4, 3, 64, 48)).astype(np.float32)),
        keypoints=keypoints,
        keypoints_visible=torch.ones(4, 1, 5),
        transforms=[CropTransform.identity(SIZE)] * 4,
        flip_indices=(0, 2, 1, 4, 3),
    )


def test_a_backbone_inherits_base_backbone(load: Load) -> None:
    load("people")
    backbone = MODELS.build({"type": "SmallNet", "widths": [4, 8]})
    assert isinstance(backbone, BaseBackbone)
    assert isinstance(backbone, nn.Module)
    (features,) = backbone(torch.zeros(2, 3, 64, 48))
    assert features.shape == (2, 8, 16, 12)


def test_a_plain_module_is_a_backbone_too(load: Load, batch: PoseBatch) -> None:
    load("people")

    class Plain(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 6, 3, 4, 1)

        def forward(self, x: Tensor) -> tuple[Tensor, ...]:
            return (self.conv(x),)

    head = {"type": "PointHead", "in_channels": 6, "num_joints": 5, "loss": {"type": "L1Loss"}}
    codec = RegressionLabel(SIZE)
    estimator = TopdownPoseEstimator(Plain(), head={**head, "decoder": codec})
    assert train(estimator, codec, batch)[-1] < 0.5
    assert len(estimator.eval().predict(batch)) == 4


def test_a_users_backbone_and_head_train_in_top_down(trained: Trained) -> None:
    config, _, metrics = trained("people")
    assert config.data["model"]["type"] == "TopdownPoseEstimator"
    assert metrics["Hits"] > 0.1


class MMPoseStyleHead(BaseHead):
    """A head as MMPose's users write one: runtime configs as last arguments, own defaults."""

    _version = 2

    def __init__(
        self,
        in_channels: int,
        num_joints: int,
        loss: Any = dict(type="SmoothL1Loss", use_target_weight=True),  # noqa: B006
        decoder: Any = None,
        init_cfg: Any = None,
    ) -> None:
        if init_cfg is None:
            init_cfg = self.default_init_cfg
        super().__init__(init_cfg)
        self.in_channels = in_channels
        self.num_joints = num_joints
        self.loss_module = MODELS.build(loss)
        self.decoder = CODECS.build(decoder) if decoder is not None else None
        self.fc = nn.Linear(in_channels, num_joints * 2)

    def forward(self, feats: Any) -> Tensor:
        x = torch.flatten(nn.functional.adaptive_avg_pool2d(feats[-1], 1), 1)
        return self.fc(x).reshape(-1, self.num_joints, 2)

    def predict(self, feats: Any, batch: PoseBatch, test_cfg: Any = {}) -> list[Poses]:  # noqa: B006
        assert test_cfg == {}
        return self.decode(self.forward(feats))

    def loss(self, inputs: Any, batch: PoseBatch, train_cfg: Any = {}) -> dict:  # noqa: B006
        assert train_cfg == {}
        pred_outputs = self.forward(inputs)
        keypoint_labels = batch.targets["keypoint_labels"].flatten(0, 1)
        keypoint_weights = batch.targets["keypoint_weights"].flatten(0, 1)
        losses = dict()
        loss = self.loss_module(pred_outputs, keypoint_labels, keypoint_weights.unsqueeze(-1))
        losses.update(loss_kpt=loss)
        losses.update(acc_pose=torch.tensor(0.5))
        return losses

    @property
    def default_init_cfg(self) -> list[dict]:
        return [dict(type="Normal", layer=["Linear"], std=0.01, bias=0)]


def test_a_head_written_for_mmpose_works(load: Load, batch: PoseBatch) -> None:
    load("people")
    codec = RegressionLabel(SIZE)
    head = MMPoseStyleHead(8, 5, decoder={"type": "RegressionLabel", "input_size": SIZE})
    estimator = TopdownPoseEstimator({"type": "SmallNet", "widths": [4, 8]}, head=head)
    estimator.init_weights()
    assert head.fc.weight.std() < 0.02
    falling = train(estimator, codec, batch)
    assert falling[-1] < 0.5 * falling[0]
    poses = estimator.eval().predict(batch)
    assert [pose.keypoints.shape for pose in poses] == [(1, 5, 2)] * 4


def test_entries_named_loss_are_summed_and_others_only_logged(batch: PoseBatch) -> None:
    class Talkative(TopdownPoseEstimator):
        def loss(self, batch: PoseBatch) -> dict[str, Tensor]:
            return {
                "loss_a": torch.tensor(1.0),
                "loss_b": torch.tensor([2.0, 4.0]),  # not yet averaged
                "acc_pose": torch.tensor(100.0),
            }

    parts = TrainStep(Talkative(nn.Identity()), None)(batch)
    assert parts["loss"] == 4.0
    assert set(parts) == {"loss", "loss_a", "loss_b", "acc_pose"}


def test_a_loss_without_an_entry_of_that_name_is_refused(batch: PoseBatch) -> None:
    class Silent(TopdownPoseEstimator):
        def loss(self, batch: PoseBatch) -> dict[str, Tensor]:
            return {"acc_pose": torch.tensor(1.0)}

    with pytest.raises(ValueError, match=r"Silent.loss returned \['acc_pose'\]; .*'loss...'"):
        TrainStep(Silent(nn.Identity()), None)(batch)


def train(estimator: TopdownPoseEstimator, codec: Any, batch: PoseBatch) -> list[float]:
    """Take some steps on one batch and return the losses."""
    step = TrainStep(estimator, codec).train()
    optimizer = torch.optim.Adam(estimator.parameters(), lr=0.02)
    losses = []
    for _ in range(15):
        loss = step(batch)["loss"]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    return losses
