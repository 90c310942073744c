"""Lifting: roots, targets, flip test, what is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from raypose.errors import ConfigError, RayposeError
from raypose.models.estimators import PoseLifter
from raypose.models.estimators.pose_lifter import mirror_keypoints
from raypose.models.heads import TemporalRegressionHead
from raypose.models.losses import MPJPELoss
from raypose.structures import PoseBatch
from tests.models.drawn_weights import draw_weights, normal_input

FLIPS = (0, 2, 1, 3)
CAMERA = {"w": 1000, "h": 800}
CODEC: dict[str, Any] = {"type": "VideoPoseLifting", "num_keypoints": 4}


def lifter(num_joints: int = 4, test_cfg: dict[str, Any] | None = None, **codec: Any) -> PoseLifter:
    model = PoseLifter(
        backbone={"type": "TCN", "in_channels": 8, "stem_channels": 16, "kernel_sizes": [3, 3, 3]},
        head={
            "type": "TemporalRegressionHead",
            "in_channels": 16,
            "num_joints": num_joints,
            "loss": {"type": "MPJPELoss"},
            "decoder": {**CODEC, **codec},
        },
        test_cfg=test_cfg,
    )
    return draw_weights(model).eval()  # type: ignore[return-value]


def sequences(B: int = 3, T: int = 27, **changes: Any) -> PoseBatch:
    annotations: dict[str, Any] = {"camera_param": [CAMERA] * B}
    batch = PoseBatch(
        keypoints=normal_input((B, T, 4, 2)) * 100 + 400,
        annotations=annotations,
        flip_indices=FLIPS,
    )
    return batch.replace(**changes)


def with_targets(batch: PoseBatch) -> PoseBatch:
    target = normal_input((len(batch), 1, 4, 3), 7) + torch.tensor([0.0, 0.0, 5.0])
    return batch.replace(annotations={**batch.annotations, "lifting_target": target})


def test_predict_encodes_and_gives_poses_about_the_root() -> None:
    model, batch = lifter(), sequences()
    encoded = model.required_head().decoder.encode_batch(batch)  # type: ignore[union-attr]
    expected = model(encoded.inputs)
    for batch_ in (batch, encoded):
        poses = model.predict(batch_)
        assert len(poses) == 3
        for pose, want in zip(poses, expected, strict=True):
            np.testing.assert_allclose(pose.keypoints, want[None].detach(), rtol=1e-6)
            assert pose.keypoint_scores.shape == (1, 4)


def test_a_known_root_is_added_and_a_removed_one_put_back() -> None:
    model = lifter(num_joints=3, remove_root=True)
    batch = with_targets(sequences())
    encoded = model.required_head().decoder.encode_batch(batch)  # type: ignore[union-attr]
    relative = model(encoded.inputs).detach()
    target: Tensor = batch.annotations["lifting_target"]
    for i, pose in enumerate(model.predict(batch)):
        np.testing.assert_allclose(pose.keypoints[0, 0], target[i, 0, 0], rtol=1e-5)
        np.testing.assert_allclose(
            pose.keypoints[0, 1:], relative[i] + target[i, 0, 0], rtol=1e-5, atol=1e-5
        )


def test_loss_is_the_mean_distance_about_the_root() -> None:
    model = lifter()
    batch = with_targets(sequences())
    encoded = model.required_head().decoder.encode_batch(batch)  # type: ignore[union-attr]
    losses = model.loss(encoded)
    target: Tensor = batch.annotations["lifting_target"][:, 0]
    distance = (model(encoded.inputs) - (target - target[:, :1])).norm(dim=-1)
    torch.testing.assert_close(losses["loss_pose3d"], distance.mean())
    torch.testing.assert_close(losses["mpjpe"], distance.mean().detach())
    assert losses["loss_pose3d"].requires_grad
    assert not losses["mpjpe"].requires_grad


def test_accuracy_counts_visible_keypoints_and_can_be_left_out() -> None:
    head = TemporalRegressionHead(2, 2, loss={"type": "MPJPELoss"})
    feats = (normal_input((1, 2, 1)),)
    errors = (head(feats)[0] - torch.tensor([3.0, 0.0, 4.0])).norm(dim=-1)
    targets = {
        "lifting_target_label": torch.tensor([3.0, 0.0, 4.0]).expand(1, 1, 2, 3),
        "lifting_target_weight": torch.tensor([[[0.0, 1.0]]]),
    }
    batch = PoseBatch(targets=targets)
    torch.testing.assert_close(head.loss(feats, batch)["mpjpe"], errors[1].detach())
    head.train_cfg = {"compute_acc": False}
    assert set(head.loss(feats, batch)) == {"loss_pose3d"}


def test_longer_sequences_give_one_pose_for_each_frame_left() -> None:
    model = lifter()
    (pose,) = model.predict(sequences(B=1, T=30))
    assert pose.keypoints.shape == (4, 4, 3)
    batch = sequences(B=1, T=30)
    assert batch.keypoints is not None
    window = batch.replace(keypoints=batch.keypoints[:, 2:29])
    np.testing.assert_allclose(model.predict(window)[0].keypoints[0], pose.keypoints[2], rtol=1e-4)


def test_flip_test_answers_alike_for_a_sequence_and_its_mirror() -> None:
    model = lifter(test_cfg={"flip_test": True})
    batch = sequences()
    assert batch.keypoints is not None
    mirrored = batch.keypoints[:, :, list(FLIPS)].clone()
    mirrored[..., 0] = CAMERA["w"] - mirrored[..., 0]
    plain = model.predict(batch)
    flipped = model.predict(batch.replace(keypoints=mirrored))
    for one, other in zip(plain, flipped, strict=True):
        back = other.keypoints[:, list(FLIPS)] * np.array([-1, 1, 1])
        np.testing.assert_allclose(one.keypoints, back, rtol=1e-4, atol=1e-4)
    untested = lifter().predict(batch)
    assert not np.allclose(plain[0].keypoints, untested[0].keypoints, atol=1e-3)


def test_flip_test_works_without_the_root() -> None:
    model = lifter(num_joints=3, remove_root=True, test_cfg={"flip_test": True})
    head = model.required_head()
    outputs = torch.arange(9.0).reshape(1, 3, 3)
    # Of the joints 1, 2, 3 the first two are partners.
    expected = torch.tensor([[[-3.0, 4, 5], [-0.0, 1, 2], [-6, 7, 8]]])
    assert torch.equal(head.flip_outputs(outputs, sequences()), expected)
    wrong = sequences(flip_indices=(0, 1))
    with pytest.raises(ConfigError, match="3 output joints cannot be mirrored by the 2"):
        head.flip_outputs(outputs, wrong)


@pytest.mark.parametrize("layout", ["channels", "frames"])
def test_mirrored_inputs_are_new(layout: str) -> None:
    points = normal_input((2, 5, 4, 3))  # (B, T, K, C)
    inputs = points if layout == "frames" else points.flatten(2).transpose(1, 2).contiguous()
    before = inputs.clone()
    mirrored = mirror_keypoints(inputs, FLIPS)
    assert torch.equal(inputs, before)
    expected = points[:, :, list(FLIPS)] * torch.tensor([-1.0, 1, 1])
    if layout == "channels":
        expected = expected.flatten(2).transpose(1, 2)
    assert torch.equal(mirrored, expected)
    assert torch.equal(mirror_keypoints(mirrored, FLIPS), before)


def test_what_cannot_be_mirrored_is_refused() -> None:
    with pytest.raises(ConfigError, match="are not of 3 keypoints"):
        mirror_keypoints(torch.zeros(1, 8, 1), (0, 2, 1))
    model = lifter(
        test_cfg={"flip_test": True},
        type="ImagePoseLifting",
        keypoints_mean=[[500.0, 500.0]] * 4,
        keypoints_std=[[100.0, 100.0]] * 4,
    )
    with pytest.raises(ConfigError, match="standardises one by one"):
        model.predict(sequences())


def test_inputs_have_to_be_encoded_before_the_loss() -> None:
    with pytest.raises(RayposeError, match=r"call codec\.encode_batch"):
        lifter().loss(sequences())


def test_mpjpe_loss() -> None:
    output = torch.tensor([[[3.0, 4.0, 0.0], [0.0, 0.0, 2.0]]])
    target = torch.zeros(1, 2, 3)
    weight = torch.tensor([[[1.0], [0.5]]])
    plain: nn.Module = MPJPELoss(loss_weight=2)
    assert plain(output, target).item() == pytest.approx(2 * (5 + 2) / 2)
    weighted: nn.Module = MPJPELoss(use_target_weight=True)
    assert weighted(output, target, weight).item() == pytest.approx((5 + 1) / 2)
