"""Lifters that also say where the root is, learn without annotations, or see every frame."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from raypose.errors import ConfigError, RayposeError
from raypose.models.estimators import PoseLifter
from raypose.models.heads import MotionRegressionHead, TrajectoryRegressionHead
from raypose.structures import PoseBatch
from tests.models.drawn_weights import draw_weights, normal_input

FLIPS = (0, 2, 1, 3)
CAMERA = {"w": 1000, "h": 800}
CODEC = {"type": "VideoPoseLifting", "num_keypoints": 4}
TCN = {"type": "TCN", "in_channels": 8, "stem_channels": 16, "kernel_sizes": [3, 3, 3]}
HEAD = {
    "type": "TemporalRegressionHead",
    "in_channels": 16,
    "num_joints": 4,
    "loss": {"type": "MPJPELoss"},
    "decoder": CODEC,
}
TRAJECTORY = {"type": "TrajectoryRegressionHead", "in_channels": 16, "num_joints": 1}
SEMI = {"type": "SemiSupervisionLoss", "joint_parents": [0, 0, 0, 0]}


def lifter(**parts: Any) -> PoseLifter:
    arguments = {"backbone": TCN, "head": HEAD, "traj_head": TRAJECTORY, **parts}
    model: Any = draw_weights(PoseLifter(**arguments)).eval()
    return model


def encoded(model: PoseLifter, B: int = 3, target: bool = True) -> PoseBatch:
    annotations: dict[str, Any] = {"camera_param": [CAMERA] * B}
    if target:
        annotations["lifting_target"] = normal_input((B, 1, 4, 3), 7) + torch.tensor([0.0, 0, 5])
        annotations["lifting_target_visible"] = torch.ones(B, 1, 4)
    batch = PoseBatch(
        keypoints=normal_input((B, 27, 4, 2)) * 100 + 400,
        annotations=annotations,
        flip_indices=FLIPS,
    )
    return model.required_head().decoder.encode_batch(batch)  # type: ignore[union-attr]


@pytest.mark.parametrize("shared", [True, False])
def test_both_heads_answer(shared: bool) -> None:
    model = lifter(traj_backbone=None if shared else TCN)
    inputs: Any = encoded(model).inputs
    poses, positions = model(inputs)
    assert poses.shape == (3, 4, 3)
    assert positions.shape == (3, 1, 3)
    feats = model.backbone(inputs) if shared else model.traj_backbone(inputs)  # type: ignore[misc]
    torch.testing.assert_close(positions, model.traj_head(feats))  # type: ignore[misc]
    assert shared == (not any(key.startswith("traj_backbone") for key in model.state_dict()))


def test_a_neck_may_lead_to_the_trajectory() -> None:
    model = lifter(traj_neck={"type": "FeatureMapProcessor", "select_index": 0})
    inputs: Any = encoded(model).inputs
    first = model.backbone(inputs)[0]
    torch.testing.assert_close(model(inputs)[1], model.traj_head((first,)))  # type: ignore[misc]


def test_the_trajectory_learns_the_root_by_its_depth() -> None:
    model = lifter()
    batch = encoded(model)
    losses = model.loss(batch)
    root: Tensor = batch.annotations["lifting_target"][:, 0, :1]
    distance = (model(batch.inputs)[1] - root).norm(dim=-1)
    torch.testing.assert_close(losses["loss_traj"], (distance / root[..., 2]).mean())
    torch.testing.assert_close(losses["mpjpe_traj"], distance.mean().detach())
    assert set(losses) == {"loss_pose3d", "mpjpe", "loss_traj", "mpjpe_traj"}


def test_the_trajectory_says_where_an_unknown_root_is() -> None:
    model = lifter()
    batch = encoded(model, target=False)
    poses, positions = model(batch.inputs)
    for pose, want in zip(model.predict(batch), (poses + positions).detach(), strict=True):
        np.testing.assert_allclose(pose.keypoints[0], want, rtol=1e-5, atol=1e-5)
    known = encoded(model)
    want = (poses + known.targets["target_root"]).detach()
    np.testing.assert_allclose(model.predict(known)[1].keypoints[0], want[1], rtol=1e-4, atol=1e-5)


def test_flip_test_mirrors_the_trajectory() -> None:
    model = lifter(test_cfg={"flip_test": True})
    batch = encoded(model, target=False)
    keypoints: Any = batch.keypoints
    mirrored = keypoints[:, :, list(FLIPS)].clone()
    mirrored[..., 0] = CAMERA["w"] - mirrored[..., 0]
    other = batch.replace(keypoints=mirrored, inputs=None, targets={})
    for one, two in zip(model.predict(batch), model.predict(other), strict=True):
        back = two.keypoints[:, list(FLIPS)] * np.array([-1, 1, 1])
        np.testing.assert_allclose(one.keypoints, back, rtol=1e-4, atol=1e-4)


def test_the_trajectory_head_predicts_by_itself() -> None:
    head: Any = draw_weights(TrajectoryRegressionHead(4, 1, decoder=CODEC))
    feats = (normal_input((2, 4, 3)),)
    poses = head.predict(feats, PoseBatch(inputs=torch.zeros(2, 8, 3)))
    want = head(feats).reshape(2, 3, 1, 3).detach().numpy()
    np.testing.assert_allclose([pose.keypoints for pose in poses], want)


def unlabeled(batch: PoseBatch, N: int = 2) -> PoseBatch:
    more = {
        "unlabeled_inputs": normal_input((N, 8, 27), 3),
        "unlabeled_target_2d": normal_input((N, 4, 2), 4),
        "intrinsics": torch.tensor([[2.0, 2.0, 0.0, 0.0]] * N),
    }
    return batch.replace(annotations={**batch.annotations, **more})


def test_sequences_without_annotations_teach_both_branches() -> None:
    model = lifter(semi_loss={**SEMI, "projection_loss_weight": 2.0}, traj_backbone=TCN)
    batch = unlabeled(encoded(model))
    losses = model.loss(batch)
    assert {"loss_proj", "loss_bone"} < set(losses)

    poses, positions = model(batch.annotations["unlabeled_inputs"])
    assert model.semi_loss is not None
    want = model.semi_loss(
        {
            "labeled_pose": model(batch.inputs)[0],
            "unlabeled_pose": poses,
            "unlabeled_traj": positions,
        },
        batch.annotations,
    )
    torch.testing.assert_close(losses["loss_proj"], want["proj_loss"])
    torch.testing.assert_close(losses["loss_bone"], want["bone_loss"])

    (losses["loss_proj"] + losses["loss_bone"]).backward()
    grads: list[nn.Module] = [model.backbone, model.head, model.traj_backbone, model.traj_head]  # type: ignore[list-item]
    for module in grads:
        assert all(p.grad is not None for p in module.parameters())


def test_while_warming_up_only_annotated_sequences_count() -> None:
    model = lifter(semi_loss={**SEMI, "warmup_iterations": 1}).train()
    batch = encoded(model)
    assert set(model.loss(batch)) == {"loss_pose3d", "mpjpe", "loss_traj", "mpjpe_traj"}
    with pytest.raises(RayposeError, match="missing: unlabeled_inputs, unlabeled_target_2d, intr"):
        model.loss(batch)
    assert "loss_proj" in model.loss(unlabeled(batch))


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({"traj_head": None, "traj_backbone": TCN}, "are for a traj_head"),
        ({"traj_head": None, "semi_loss": SEMI}, "semi_loss needs head and traj_head"),
        ({"head": None, "semi_loss": SEMI}, "semi_loss needs head and traj_head"),
    ],
)
def test_half_a_branch_is_refused(parts: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        lifter(**parts)


def motionbert(**arguments: Any) -> PoseLifter:
    model = PoseLifter(
        backbone={
            "type": "DSTFormer",
            "in_channels": 3,
            "feat_size": 8,
            "depth": 1,
            "num_heads": 2,
            "num_keypoints": 4,
            "seq_len": 5,
        },
        head={
            "type": "MotionRegressionHead",
            "in_channels": 8,
            "embedding_size": 8,
            "loss": {"type": "MPJPEVelocityJointLoss"},
            "decoder": {"type": "MotionBERTLabel", "num_keypoints": 4, "concat_vis": True},
        },
        **arguments,
    )
    found: Any = draw_weights(model).eval()
    return found


def frames(B: int = 2) -> PoseBatch:
    return PoseBatch(
        keypoints=normal_input((B, 5, 4, 2)) * 100 + 400,
        annotations={"camera_param": [CAMERA] * B},
        flip_indices=FLIPS,
    )


def test_motionbert_lifts_every_frame() -> None:
    model = motionbert()
    batch = frames()
    codec: Any = model.required_head().decoder
    raw = model(codec.encode_batch(batch).inputs).detach()
    # Units of half the width are 500 pixels, of which each is 4 / 1000.
    want = (raw - raw[:, :, :1]) * 500 * 4 / 1000
    for pose, points in zip(model.predict(batch), want, strict=True):
        np.testing.assert_allclose(pose.keypoints, points, rtol=1e-4, atol=1e-4)


def test_motionbert_answers_alike_for_a_sequence_and_its_mirror() -> None:
    model = motionbert(test_cfg={"flip_test": True})
    batch = frames()
    keypoints: Any = batch.keypoints
    mirrored = keypoints[:, :, list(FLIPS)].clone()
    mirrored[..., 0] = CAMERA["w"] - mirrored[..., 0]
    other = model.predict(batch.replace(keypoints=mirrored))
    for one, two in zip(model.predict(batch), other, strict=True):
        back = two.keypoints[:, list(FLIPS)] * np.array([-1, 1, 1])
        np.testing.assert_allclose(one.keypoints, back, rtol=1e-3, atol=1e-4)


def test_motionbert_learns_by_the_weights_of_its_targets() -> None:
    head: Any = draw_weights(MotionRegressionHead(8, embedding_size=8))
    feats = normal_input((1, 2, 3, 8))
    targets = {
        "lifting_target_label": torch.zeros(1, 2, 3, 3),
        "lifting_target_weight": torch.tensor([[[1.0, 0.0, 0.0], [0.0, 0.0, 0.0]]]),
    }
    losses = head.loss(feats, PoseBatch(targets=targets))
    pose = head(feats)[0, 0, 0]
    torch.testing.assert_close(losses["loss_pose3d"], pose.square().sum() / 18)
    torch.testing.assert_close(losses["mpjpe"], pose.norm().detach())
    head.train_cfg = {"compute_acc": False}
    assert set(head.loss(feats, PoseBatch(targets=targets))) == {"loss_pose3d"}
    with pytest.raises(ConfigError, match="3 output joints cannot be mirrored by 2"):
        head.flip_outputs(feats, PoseBatch(flip_indices=(1, 0)))
