"""`DWPoseDistiller`: who learns from whom, how losses fade, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from raypose.errors import ConfigError, RayposeError
from raypose.models.distillers import DWPoseDistiller
from raypose.models.losses import FeaLoss, KDLoss
from raypose.registry import MODELS
from raypose.structures import CropTransform, PoseBatch
from tests.models.drawn_weights import draw_weights, normal_input
from tests.models.no_host_wait import NoHostWait

K = 3
SIZE = (64, 64)
FLIP_INDICES = (0, 2, 1)
FEATURES = {
    "type": "FeaLoss",
    "name": "loss_fea",
    "use_this": True,
    "student_channels": 512,
    "teacher_channels": 512,
    "alpha_fea": 0.01,
}
LOGITS = {"type": "KDLoss", "name": "loss_logit", "use_this": True, "weight": 0.5}


def model(**head: Any) -> dict[str, Any]:
    return {
        "type": "TopdownPoseEstimator",
        "backbone": {"type": "ResNet", "depth": 18},
        "head": {
            "type": "SimCCHead",
            "in_channels": 512,
            "out_channels": K,
            "input_size": SIZE,
            "in_featuremap_size": [2, 2],
            "deconv_out_channels": None,
            "loss": {"type": "KLDiscretLoss", "beta": 2.0},
            "decoder": {"type": "SimCCLabel", "input_size": SIZE},
            **head,
        },
        "test_cfg": {"flip_test": True},
    }


def build(*losses: dict[str, Any], **options: Any) -> DWPoseDistiller:
    distiller = DWPoseDistiller(
        **{
            "teacher_cfg": model(),
            "student_cfg": {"model": model()},
            "distill_cfg": [{"methods": [loss]} for loss in losses],
            **options,
        }
    )
    return draw_weights(distiller).eval()


@pytest.fixture
def batch() -> PoseBatch:
    keypoints = torch.rand(2, 1, K, 2, generator=torch.manual_seed(0)) * 60
    crops = [CropTransform.identity(SIZE)] * 2
    plain = PoseBatch(
        inputs=normal_input((2, 3, *SIZE)),
        keypoints=keypoints,
        keypoints_visible=torch.ones(2, 1, K),
        transforms=crops,
        flip_indices=FLIP_INDICES,
    )
    return build().student.required_head().decoder.encode_batch(plain)  # type: ignore[union-attr]


def test_losses_are_those_of_the_student_and_of_its_likeness(batch: PoseBatch) -> None:
    distiller = build(FEATURES, LOGITS)
    teacher, student = distiller.teacher, distiller.student
    inputs: Any = batch.inputs

    losses = distiller.loss(batch)

    torch.testing.assert_close(losses["loss_kpt"], student.loss(batch)["loss_kpt"])
    maps = [part.extract_feat(inputs)[-1] for part in (student, teacher)]
    error = (maps[0] - maps[1]).square().sum() / 2 * 0.01
    torch.testing.assert_close(losses["loss_fea"], error)
    divergence = torch.zeros(())
    for own, taught in zip(student(inputs), teacher(inputs), strict=True):
        shares = (2 * taught).softmax(-1)
        divergence += (shares * (shares.log() - (2 * own).log_softmax(-1))).sum(-1).mean()
    torch.testing.assert_close(losses["loss_logit"], divergence * 0.5)


def test_losses_fade_in_the_first_stage_only(batch: PoseBatch) -> None:
    first = build(FEATURES, LOGITS)
    whole = first.loss(batch)
    first.set_epoch(3, 12)
    faded = first.loss(batch)

    torch.testing.assert_close(faded["loss_kpt"], whole["loss_kpt"])
    for name in ("loss_fea", "loss_logit"):
        torch.testing.assert_close(faded[name], whole[name] * 0.75)
    second = build(LOGITS, two_dis=True)
    whole = second.loss(batch)
    second.set_epoch(3, 12)
    torch.testing.assert_close(second.loss(batch), whole)
    assert not any("fade" in key for key in first.state_dict())


def test_only_the_student_learns(batch: PoseBatch) -> None:
    distiller = build(FEATURES, LOGITS).train()
    before = {name: value.clone() for name, value in distiller.teacher.state_dict().items()}

    losses = distiller.loss(batch)
    total(losses).backward()

    assert all(p.grad is None for p in distiller.teacher.parameters())
    assert all(p.grad is not None for p in distiller.student.parameters())
    for name, value in distiller.teacher.state_dict().items():
        assert torch.equal(value, before[name]), name  # running statistics, too
    assert distiller.student.training


def test_only_the_students_head_learns_in_the_second_stage(batch: PoseBatch) -> None:
    distiller = build(LOGITS, two_dis=True).train()
    student = distiller.student

    total(distiller.loss(batch)).backward()

    learns = {name for name, p in distiller.named_parameters() if p.requires_grad}
    assert learns == {
        f"student.head.{name}" for name, _ in student.required_head().named_parameters()
    }
    assert all(p.grad is not None for p in student.required_head().parameters())


@pytest.mark.parametrize("two_dis", [False, True])
def test_predictions_are_the_students(batch: PoseBatch, two_dis: bool) -> None:
    distiller = build(LOGITS, two_dis=two_dis)
    student = distiller.student

    found = distiller.predict(batch)

    if two_dis:  # its head on the teacher's features
        student.backbone = distiller.teacher.backbone
    for poses, want in zip(found, student.predict(batch), strict=True):
        np.testing.assert_allclose(poses.keypoints, want.keypoints)
        np.testing.assert_allclose(poses.keypoint_scores, want.keypoint_scores)
    distiller.test_cfg["flip_test"] = False
    assert student.test_cfg["flip_test"] is False


def test_raw_images_are_normalised_for_both(batch: PoseBatch) -> None:
    preprocessor = {"type": "PoseDataPreprocessor", "mean": [10.0] * 3, "std": [5.0] * 3}
    images = torch.randint(0, 255, (2, 3, *SIZE), dtype=torch.uint8)
    distiller = build(LOGITS, data_preprocessor=preprocessor)

    losses = distiller.loss(batch.replace(inputs=images))

    normalised = (images.float() - 10) / 5
    torch.testing.assert_close(distiller.loss(batch.replace(inputs=normalised)), losses)


def test_loss_does_not_wait_for_the_device(batch: PoseBatch) -> None:
    # Meta tensors take the way of a GPU, and have no values that one could wait for.
    distiller = build(FEATURES, LOGITS).to("meta")

    with NoHostWait():
        total(distiller.loss(batch.to("meta"))).backward()


def test_the_teacher_starts_from_its_checkpoint(tmp_path: Path) -> None:
    trained = draw_weights(MODELS.build(model()))
    torch.save({"state_dict": trained.state_dict()}, tmp_path / "teacher.pth")
    distiller = build(LOGITS, teacher_pretrained=str(tmp_path / "teacher.pth"))
    for parameter in distiller.parameters():
        torch.nn.init.zeros_(parameter)

    distiller.init_weights()

    for name, value in trained.state_dict().items():
        assert torch.equal(distiller.teacher.state_dict()[name], value), name
    assert any(p.abs().sum() > 0 for p in distiller.student.parameters())


def test_models_may_be_configs_by_name_or_built() -> None:
    name = "body_2d_keypoint/rtmpose/coco/rtmpose-t_8xb256-420e_coco-256x192"
    with torch.device("meta"):
        distiller = DWPoseDistiller(name, MODELS.build(model()), skeleton="coco")

    assert type(distiller.teacher.head).__name__ == "RTMCCHead"
    assert distiller.teacher.skeleton is not None
    assert distiller.teacher.skeleton.name == "coco"


def test_what_does_not_fit_is_refused() -> None:
    heatmaps = {"type": "HeatmapHead", "in_channels": 512, "out_channels": K}
    with pytest.raises(ConfigError, match=r"student_cfg: .* with a HeatmapHead"):
        build(student_cfg={**model(), "head": heatmaps})
    with pytest.raises(ConfigError, match=r"named loss_fea or loss_logit, got 'loss_logits'\. Did"):
        build({**LOGITS, "name": "loss_logits"})
    with pytest.raises(ConfigError, match=r"with two_dis .* leave loss_fea out"):
        build(FEATURES, two_dis=True)
    with pytest.raises(ConfigError, match="distill_cfg: L1Loss is no loss of a distillation"):
        build({"type": "L1Loss"})
    with pytest.raises(ConfigError, match="train_cfg: DWPoseDistiller has no option 'compute_ac'"):
        build(train_cfg={"compute_ac": True})
    with pytest.raises(ConfigError, match="train_cfg: DWPoseDistiller has no option 'max_epochs'"):
        build(train_cfg={"max_epochs": 60})
    assert not build({**FEATURES, "use_this": False}, two_dis=True).distill_losses
    with pytest.raises(RayposeError, match="maps of one shape, got"):
        FeaLoss("loss_fea", True, 2, 2)(torch.zeros(1, 2, 4, 4), torch.zeros(1, 2, 2, 2))


def test_a_student_that_agrees_costs_nothing() -> None:
    x, y = normal_input((2, K, 8)), normal_input((2, K, 9), 1)
    taught = x.clone().requires_grad_(), y

    loss = KDLoss("loss_logit", True)((x.requires_grad_(), y), taught, 3.0)
    loss.backward()

    assert loss.item() == pytest.approx(0, abs=1e-6)
    assert taught[0].grad is None


def total(losses: dict[str, Tensor]) -> Tensor:
    return torch.stack([value for name, value in losses.items() if name.startswith("loss")]).sum()
