"""YOLOX-Pose's and RTMO's head: what they learn from people, and how they find them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from raypose.errors import ConfigError, RayposeError
from raypose.registry import MODELS
from raypose.structures import CropTransform, PoseBatch
from tests.models.drawn_weights import draw_weights
from tests.models.no_host_wait import NoHostWait

K, SIZE = 4, 64
SKELETON = {"name": "four", "keypoints": list("abcd"), "sigmas": [0.05, 0.1, 0.1, 0.1]}
COMMON: dict[str, Any] = {
    "num_keypoints": K,
    "featmap_strides": [8, 16],
    "assigner": {
        "type": "SimOTAAssigner",
        "dynamic_k_indicator": "oks",
        "oks_calculator": {"type": "PoseOKS", "metainfo": SKELETON},
    },
    "loss_bbox": {"type": "IoULoss", "mode": "square", "reduction": "sum"},
    "loss_oks": {"type": "OKSLoss", "metainfo": SKELETON, "reduction": "none"},
    "loss_vis": {"type": "BCELoss", "use_target_weight": True},
    "loss_bbox_aux": {"type": "L1Loss", "reduction": "sum"},
    "use_aux_loss": True,
}
CONFIGS: dict[str, dict[str, Any]] = {
    "yoloxpose": {
        "type": "YOLOXPoseHead",
        "head_module_cfg": {"in_channels": 8, "feat_channels": 8},
        "prior_generator": {"type": "MlvlPointGenerator", "offset": 0, "strides": [8, 16]},
        "loss_cls": {"type": "BCELoss", "reduction": "sum"},
        "loss_obj": {"type": "BCELoss", "use_target_weight": True, "reduction": "sum"},
        "loss_kpt_aux": {"type": "SmoothL1Loss", "use_target_weight": True},
        **COMMON,
    },
    "rtmo": {
        "type": "RTMOHead",
        "head_module_cfg": {
            "in_channels": 4,
            "cls_feat_channels": 8,
            "num_groups": 2,
            "channels_per_group": 4,
            "pose_vec_channels": 12,
        },
        "dcc_cfg": {
            "in_channels": 12,
            "feat_channels": 16,
            "num_bins": [12, 16],
            "spe_channels": 8,
            "gau_cfg": {"s": 8, "pos_enc": "add"},
        },
        "prior_generator": {
            "type": "MlvlPointGenerator",
            "centralize_points": True,
            "strides": [8, 16],
        },
        "loss_cls": {"type": "VariFocalLoss", "reduction": "sum", "use_target_weight": True},
        "loss_mle": {"type": "MLECCLoss", "use_target_weight": True},
        **COMMON,
    },
}
BOTH = pytest.mark.parametrize("name", CONFIGS)


def build(name: str, **changes: Any) -> Any:
    return draw_weights(MODELS.build({**CONFIGS[name], **changes})).eval()


def features(B: int = 2, seed: int = 0) -> list[Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(B, 8, n, n, generator=generator) for n in (8, 4)]


def people(B: int = 2, N: int = 2, seed: int = 1) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    low = torch.rand(B, N, 2, generator=generator) * 30
    extent = 12 + torch.rand(B, N, 2, generator=generator) * 20
    inside = torch.rand(B, N, K, 2, generator=generator)
    return {
        "bboxes": torch.cat([low, low + extent], dim=-1),
        "labels": torch.zeros(B, N, dtype=torch.long),
        "keypoints": low[:, :, None] + inside * extent[:, :, None],
        "keypoints_visible": torch.ones(B, N, K),
        "areas": extent.prod(dim=-1),
    }


def batch(targets: dict[str, Tensor], B: int = 2, **more: Any) -> PoseBatch:
    crops = [CropTransform.from_box((32, 32), (SIZE, SIZE), (SIZE, SIZE)) for _ in range(B)]
    return PoseBatch(targets=targets, transforms=crops, **more)


def padded(targets: dict[str, Tensor]) -> dict[str, Tensor]:
    """Add an instance to each image that is none."""
    empty = {name: torch.zeros_like(value[:, :1]) for name, value in targets.items()}
    empty["labels"] -= 1
    return {name: torch.cat([value, empty[name]], dim=1) for name, value in targets.items()}


@BOTH
def test_all_parts_of_the_head_learn(name: str) -> None:
    head = build(name)

    losses = head.loss(features(8), batch(people(8, 4), B=8))

    torch.stack(list(losses.values())).sum().backward()
    idle = [key for key, p in head.named_parameters() if p.grad is None or not p.grad.any()]
    assert idle == []


@BOTH
def test_padding_and_order_of_people_change_nothing(name: str) -> None:
    head, targets = build(name), people(N=3)
    losses = head.loss(features(), batch(targets))

    order = torch.tensor([2, 0, 1])
    mixed = {key: value[:, order] for key, value in padded(targets).items()}
    for other in (
        head.loss(features(), batch(padded(targets))),
        head.loss(features(), batch(mixed)),
    ):
        for key, loss in losses.items():
            torch.testing.assert_close(other[key], loss)


@BOTH
def test_nobody_to_learn_from_is_no_error(name: str) -> None:
    head, nobody = build(name), people(N=0)

    full, empty = (head.loss(features(), batch(targets)) for targets in (people(), nobody))

    assert full.keys() == empty.keys()
    always = "loss_obj" if name == "yoloxpose" else "loss_cls"
    assert {key for key, loss in empty.items() if loss} == {always}
    torch.stack(list(empty.values())).sum().backward()
    assert all(p.grad is None or p.grad.isfinite().all() for p in head.parameters())


@BOTH
def test_invisible_keypoints_do_not_count(name: str) -> None:
    head, targets = build(name), people()
    targets["keypoints_visible"][:, :, 1] = 0
    moved = {**targets, "keypoints": targets["keypoints"].clone()}
    moved["keypoints"][:, :, 1] += 1000
    losses = head.loss(features(), batch(targets))

    for key, loss in head.loss(features(), batch(moved)).items():
        if key != "loss_kpt_aux":  # a smooth L1 of weighted positions stays
            torch.testing.assert_close(loss, losses[key])


@BOTH
def test_keypoints_of_unknown_visibility_teach_none(name: str) -> None:
    head, targets = build(name), people()
    weights = torch.ones(2, 2, K)
    known = head.loss(features(), batch({**targets, "keypoints_visible_weights": weights}))
    unknown = head.loss(features(), batch({**targets, "keypoints_visible_weights": weights * 0}))

    assert known["loss_vis"] > 0
    assert unknown["loss_vis"] == 0
    torch.testing.assert_close(known["loss_vis"], head.loss(features(), batch(targets))["loss_vis"])


@BOTH
def test_people_do_not_depend_on_the_batch_size(name: str) -> None:
    head, feats = build(name), features(3)
    head.test_cfg = {"score_thr": 0.2, "nms_thr": 0.65}
    together = head.predict(feats, batch({}, B=3))

    assert sum(map(len, together)) > 3
    for i, poses in enumerate(together):
        (alone,) = head.predict([x[i : i + 1] for x in feats], batch({}, B=1))
        np.testing.assert_allclose(alone.keypoints, poses.keypoints, rtol=1e-4, atol=1e-3)
        np.testing.assert_allclose(alone.bboxes, poses.bboxes, rtol=1e-4, atol=1e-3)
        assert (np.diff(poses.scores) <= 0).all()
        assert poses.bboxes is not None
        assert poses.bboxes.min() >= 0
        assert poses.bboxes.max() <= SIZE


@BOTH
def test_thresholds_choose_people(name: str) -> None:
    head, feats = build(name), features(1)
    head.test_cfg = {"score_thr": 0.0}
    (everybody,) = head.predict(feats, batch({}, B=1))
    head.test_cfg = {"score_thr": 0.0, "nms_thr": 0.1}
    (apart,) = head.predict(feats, batch({}, B=1))
    head.test_cfg = {"score_thr": 0.0, "nms_pre": 5}
    (best,) = head.predict(feats, batch({}, B=1))
    head.test_cfg = {"score_thr": 1.0}
    (nobody,) = head.predict(feats, batch({}, B=1))

    assert len(everybody) == 8 * 8 + 4 * 4
    assert 0 < len(apart) < len(everybody)
    np.testing.assert_allclose(best.scores, everybody.scores[:5])
    assert nobody.keypoints.shape == (0, K, 2)


def test_the_classifier_reads_the_middle_of_even_bins() -> None:
    dcc = build("rtmo").dcc
    for layer in (dcc.x_fc, dcc.y_fc):
        torch.nn.init.zeros_(layer.weight)
        torch.nn.init.zeros_(layer.bias)
    center, scale = torch.tensor([[20.0, 30.0]]), torch.tensor([[12.0, 24.0]])

    keypoints, (x, y) = dcc(torch.randn(1, 12), center, scale, torch.zeros(1, 2))

    torch.testing.assert_close(keypoints, center.expand(1, K, 2))
    torch.testing.assert_close(x, torch.full((1, K, 12), 1 / 12))
    torch.testing.assert_close(y, torch.full((1, K, 16), 1 / 16))


def test_bins_nearest_to_the_keypoint_are_densest() -> None:
    dcc = build("rtmo").dcc
    center, scale = torch.tensor([[20.0, 30.0]]), torch.tensor([[22.0, 30.0]])
    keypoints = torch.tensor([[[9.0, 15.0], [31.0, 45.0], [20.9, 30.9], [19.1, 29.1]]])

    x, y = dcc.targets(torch.randn(1, 12), keypoints, center, scale, torch.tensor([100.0]))

    # Twelve bins are two apart and go from 9 to 31, sixteen from 15 to 45.
    assert x.argmax(dim=-1).tolist() == [[0, 11, 6, 5]]
    assert y.argmax(dim=-1).tolist() == [[0, 15, 8, 7]]


def test_folding_for_deployment_changes_no_result() -> None:
    head, feats = build("rtmo"), features(2)
    head.test_cfg = {"score_thr": 0.2}
    before = head.predict(feats, batch({}))

    head.switch_to_deploy()
    head.switch_to_deploy()

    assert not any("pos_enc" in key or "running" in key for key in head.dcc.state_dict())
    for one, other in zip(before, head.predict(feats, batch({})), strict=True):
        np.testing.assert_allclose(one.keypoints, other.keypoints, atol=1e-3)


def test_one_positive_cell_can_train() -> None:
    head = build("rtmo").train()
    targets = {key: value[:1, :1] for key, value in people().items()}
    head.assigner.candidate_topk = 1

    losses = head.loss(features(1), batch(targets, B=1))

    assert all(loss.isfinite() for loss in losses.values())


def test_offsets_learn_from_the_classifier_where_it_is_nearer() -> None:
    head, targets = build("rtmo", proxy_target_cc=True), people()
    plain = build("rtmo").loss(features(), batch(targets))

    losses = head.loss(features(), batch(targets))

    assert losses.keys() == plain.keys()
    assert losses["loss_oks"] != plain["loss_oks"]
    for key in ("loss_bbox", "loss_mle", "loss_vis"):
        torch.testing.assert_close(losses[key], plain[key])
    losses["loss_oks"].backward()
    assert head.dcc.x_fc.weight.grad is None


@BOTH
def test_only_the_number_of_cells_is_waited_for(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    head, feats, targets = build(name), features(), batch(people())
    assigned = head.assigner.assign

    def assign(*args: Any) -> Any:
        with NoHostWait():
            return assigned(*args)

    monkeypatch.setattr(head.assigner, "assign", assign)

    head.loss(feats, targets)


@BOTH
def test_a_flip_test_is_refused(name: str) -> None:
    with pytest.raises(RayposeError, match="has no flip test"):
        build(name).predict(features(4), batch({}, flip_test=True))


@BOTH
def test_missing_parts_are_named(name: str) -> None:
    targets = people()
    del targets["areas"], targets["labels"]
    with pytest.raises(RayposeError, match="needs the targets labels, areas"):
        build(name).loss(features(), batch(targets))
    with pytest.raises(RayposeError, match="was built without an assigner"):
        build(name, assigner=None).loss(features(), batch(people()))
    with pytest.raises(ConfigError, match="needs a prior_generator"):
        build(name, prior_generator=None)
    with pytest.raises(ConfigError, match=r"head_module_cfg: .* takes no argument 'stacked_conv'"):
        build(name, head_module_cfg={"in_channels": 8, "stacked_conv": 1})


def test_unknown_codes_of_keypoints_are_refused() -> None:
    dcc = {**CONFIGS["rtmo"]["dcc_cfg"], "gau_cfg": {"pos_enc": "rope"}}
    with pytest.raises(ConfigError, match="pos_enc is 'add' or 'none', got 'rope'"):
        build("rtmo", dcc_cfg=dcc)
