"""Losses of lifters: movements, bones, projections."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from raypose.errors import RayposeError
from raypose.models.losses import BoneLoss, MPJPEVelocityJointLoss, SemiSupervisionLoss
from raypose.models.losses.semi_supervision import project_joints
from raypose.ops.cameras import project
from tests.models.drawn_weights import normal_input

PARENTS = [0, 0, 1]


def test_a_pose_of_the_right_shape_only_has_an_error_of_position() -> None:
    target = normal_input((1, 1, 5, 3)).expand(2, 4, 5, 3)
    loss = MPJPEVelocityJointLoss(lambda_scale=10, lambda_3d_velocity=10, loss_weight=2)
    want = 2 * (target * 0.5).norm(dim=-1).mean()
    torch.testing.assert_close(loss(target * 1.5, target), want)


def test_movements_count() -> None:
    target, output = torch.zeros(1, 3, 2, 3), torch.zeros(1, 3, 2, 3)
    output[0, 1, 0, 0] = 3
    loss = MPJPEVelocityJointLoss(lambda_scale=0, lambda_3d_velocity=10)
    # One of six positions is off by 3, and two of four movements.
    assert loss(output, target).item() == pytest.approx(3 / 6 + 10 * 2 * 3 / 4)


def test_frames_that_do_not_count_leave_their_movements_out() -> None:
    target, output = normal_input((2, 4, 3, 3)), normal_input((2, 4, 3, 3), 1)
    weight = torch.ones(2, 4, 3, 1)
    weight[:, 2] = 0
    loss = MPJPEVelocityJointLoss(use_target_weight=True)
    other = output.clone()
    other[:, 2] += 5
    torch.testing.assert_close(loss(output, target, weight), loss(other, target, weight))
    torch.testing.assert_close(
        loss(output, target, torch.ones(2, 4, 3)), MPJPEVelocityJointLoss()(output, target)
    )
    with pytest.raises(RayposeError, match="without target weights"):
        loss(output, target)


def test_zeros_have_a_finite_gradient() -> None:
    output = torch.zeros(1, 2, 3, 3, requires_grad=True)
    MPJPEVelocityJointLoss()(output, normal_input((1, 2, 3, 3))).backward()
    assert output.grad is not None
    assert output.grad.isfinite().all()


def test_bones_compare_means() -> None:
    target = torch.tensor([[[0.0, 0, 0], [0, 2, 0], [0, 2, 4]], [[0, 0, 0], [0, 4, 0], [0, 4, 4]]])
    output = torch.tensor([[[1.0, 0, 0], [1, 0, 2], [1, 3, 2]]])
    assert BoneLoss(PARENTS, loss_weight=3)(output, target).item() == pytest.approx(3 * (1 + 1) / 2)
    weighted = BoneLoss(PARENTS, use_target_weight=True)
    weight = torch.tensor([[1.0, 0.0]])
    assert weighted(output, target[:1], weight).item() == pytest.approx(0)
    with pytest.raises(RayposeError, match="without target weights"):
        weighted(output, target)


def test_projection_is_that_of_the_camera() -> None:
    points = normal_input((2, 5, 3)) + torch.tensor([0.0, 0.0, 6.0])
    intrinsics = torch.tensor([[2.0, 2.5, 0.1, 0.2]]).expand(2, 4)
    want = project(points.numpy(), 2.0, 2.5, 0.1, 0.2)
    np.testing.assert_allclose(project_joints(points, intrinsics), want, rtol=1e-5)
    x, y, r2 = 0.5, -0.25, 0.3125
    lens = torch.tensor([[2.0, 2.5, 0.1, 0.2, 0.1, 0.01, 0.001, 0.02, 0.03]])
    gain = 1 + 0.1 * r2 + 0.01 * r2**2 + 0.001 * r2**3 + 0.02 * x + 0.03 * y
    got = project_joints(torch.tensor([[[1.0, -0.5, 2.0]]]), lens)[0, 0]
    want_x, want_y = x * gain + 0.02 * r2, y * gain + 0.03 * r2
    assert got.tolist() == pytest.approx([2 * want_x + 0.1, 2.5 * want_y + 0.2])
    far = project_joints(torch.tensor([[[9.0, 0.0, 1.0]]]), torch.tensor([[1.0, 1.0, 0.0, 0.0]]))
    assert far.tolist() == [[[1.0, 0.0]]]


def test_semi_supervision_begins_after_the_warm_up() -> None:
    loss = SemiSupervisionLoss(
        PARENTS, projection_loss_weight=2, bone_loss_weight=0.5, warmup_iterations=2
    )
    pose, root = normal_input((2, 3, 3)), torch.tensor([[[0.0, 0.0, 6.0]]])
    intrinsics = torch.tensor([[1.0, 1.0, 0.0, 0.0]] * 2)
    points = project_joints(pose + root, intrinsics)
    output = {"labeled_pose": 2 * pose, "unlabeled_pose": pose, "unlabeled_traj": root}
    target = {"unlabeled_target_2d": points + torch.tensor([3.0, 4.0]), "intrinsics": intrinsics}

    loss.eval()
    assert loss({}, {}) == {}
    loss.train()
    assert [loss({}, {}), loss({}, {})] == [{}, {}]
    assert not loss.warming_up
    found = loss(output, target)

    assert found["proj_loss"].item() == pytest.approx(2 * 5, rel=1e-5)
    torch.testing.assert_close(found["bone_loss"], 0.5 * BoneLoss(PARENTS)(pose, 2 * pose))
    assert not loss.state_dict()
