"""What losses have in common: weights, choices, no waiting; and pieces the goldens do not reach."""

from __future__ import annotations

import re
from typing import Any

import pytest
import torch
from torch import nn

from raypose.errors import ConfigError, RayposeError
from raypose.models.layers.real_nvp import RealNVP
from raypose.models.losses import (
    CombinedLoss,
    CombinedTargetMSELoss,
    FocalHeatmapLoss,
    KeypointMSELoss,
    KeypointOHKMMSELoss,
    KLDiscretLoss,
    MultipleLossWrapper,
    OKSLoss,
    SoftWeightSmoothL1Loss,
)
from raypose.registry import MODELS
from tests.models.drawn_weights import draw_weights
from tests.models.no_host_wait import NoHostWait

HEATMAPS = ("KeypointMSELoss", "KeypointOHKMMSELoss", "AdaptiveWingLoss", "FocalHeatmapLoss")
COORDINATES = ("SmoothL1Loss", "SoftWeightSmoothL1Loss", "WingLoss", "SoftWingLoss", "L1Loss")


@pytest.mark.parametrize(
    "name", ["CombinedTargetMSELoss", *HEATMAPS[1:3], *COORDINATES, "MSELoss", "BCELoss"]
)
def test_promised_weights_must_come(name: str) -> None:
    options = {"topk": 2} if name == "KeypointOHKMMSELoss" else {}
    loss = MODELS.build({"type": name, "use_target_weight": True, **options})
    values = torch.rand(2, 3, 4, 4)

    with pytest.raises(RayposeError, match=f"{name} was built with use_target_weight=True"):
        loss(values, values)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"type": "L1Loss", "reduction": "men"}, "L1Loss: reduction is one of .* Did you mean"),
        ({"type": "BCELoss", "reduction": "avg"}, "BCELoss: reduction is one of mean, sum, none"),
        ({"type": "IoULoss", "mode": "cubic"}, "IoULoss: mode is one of linear, square, log"),
        ({"type": "MLECCLoss", "mode": "logs"}, "Did you mean 'log'"),
        ({"type": "RLELoss", "q_distribution": "laplac"}, "Did you mean 'laplace'"),
        ({"type": "KeypointOHKMMSELoss", "topk": 0}, "topk must be at least 1, got 0"),
        ({"type": "InfoNCELoss", "temperature": 0}, "temperature must be above 0, got 0"),
        ({"type": "KeypointMSELoss", "use_target_weights": True}, "Did you mean"),
    ],
)
def test_mistakes_of_a_config_are_named(config: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        MODELS.build(config)


@pytest.mark.parametrize("name", [*HEATMAPS, *COORDINATES])
def test_the_host_never_waits(name: str) -> None:
    options = {"topk": 2} if name == "KeypointOHKMMSELoss" else {}
    heatmaps = name in HEATMAPS
    shape = (2, 3, 5, 4) if heatmaps else (2, 3, 2)
    output = torch.rand(shape, generator=torch.Generator().manual_seed(0)).requires_grad_()
    target = torch.rand(shape, generator=torch.Generator().manual_seed(1))
    weights = torch.ones(2, 3) if heatmaps else torch.ones(2, 3, 1)
    loss = MODELS.build({"type": name, "use_target_weight": True, **options})

    with NoHostWait():
        loss(output, target, weights).backward()

    assert output.grad is not None
    assert output.grad.abs().sum() > 0


def test_masked_cells_do_not_count() -> None:
    target = torch.rand(2, 3, 4, 5, generator=torch.Generator().manual_seed(0))
    mask = torch.ones(2, 1, 4, 5)
    mask[:, :, 2:] = 0
    output = target.clone()
    output[:, :, 2:] += 5
    output[0, 1, 0, 0] += 2

    loss = KeypointMSELoss()(output, target, None, mask)

    assert loss.item() == pytest.approx(4 / target.numel(), rel=1e-5)


@pytest.mark.parametrize("shape", [(2, 4, 5), (2, 2, 4, 5), (2, 1, 5, 4)])
def test_a_mask_that_does_not_fit_is_refused(shape: tuple[int, ...]) -> None:
    maps = torch.zeros(2, 3, 4, 5)

    with pytest.raises(RayposeError, match=rf"mask of shape {re.escape(str(shape))}"):
        FocalHeatmapLoss()(maps, maps, None, torch.ones(shape))


def test_hard_keypoints_are_the_ones_that_count() -> None:
    target = torch.zeros(1, 4, 2, 2)
    output = torch.tensor([1.0, 4.0, 2.0, 3.0])[None, :, None, None].expand(1, 4, 2, 2)

    assert KeypointOHKMMSELoss(topk=2)(output, target).item() == pytest.approx((16 + 9) / 2)
    with pytest.raises(RayposeError, match="topk=5 is more than the 4 keypoints"):
        KeypointOHKMMSELoss(topk=5)(output, target)


def test_offsets_count_where_the_target_responds() -> None:
    target = torch.zeros(1, 3, 2, 2)
    target[0, 0, 0, 0] = 1
    output = target.clone()
    output[0, 1, 0, 0] = 3
    output[0, 2, 1, 1] = 100

    assert CombinedTargetMSELoss()(output, target).item() == pytest.approx(0.5 * 9 / 4)
    with pytest.raises(RayposeError, match="3 channels for each keypoint"):
        CombinedTargetMSELoss()(output[:, :2], target[:, :2])


def test_masked_keypoints_of_simcc_count_as_told() -> None:
    logits = [torch.randn(2, 3, 8, generator=torch.Generator().manual_seed(i)) for i in (0, 1)]
    labels = [torch.full((2, 3, 8), 1 / 8)] * 2
    weights = torch.ones(2, 3)
    only = torch.tensor([[1.0, 0.0, 1.0]] * 2)

    got = KLDiscretLoss(mask=[1], mask_weight=0.0)(logits, labels, weights)

    torch.testing.assert_close(got, KLDiscretLoss()(logits, labels, only))
    assert not KLDiscretLoss(mask=[1]).state_dict()


def test_supervise_empty_divides_by_all_values() -> None:
    output, target = torch.full((1, 4, 2), 1.5), torch.zeros(1, 4, 2)
    weight = torch.tensor([1.0, 0.0, 0.0, 0.0])[None, :, None].expand(1, 4, 2)
    losses = [
        SoftWeightSmoothL1Loss(use_target_weight=True, supervise_empty=all_of_them)(
            output, target, weight
        ).item()
        for all_of_them in (True, False)
    ]

    assert losses == pytest.approx([2 / 8, 1.0])


def test_oks_uses_the_sigmas_of_a_skeleton() -> None:
    skeleton = {"name": "pair", "keypoints": ["a", "b"], "sigmas": [0.1, 0.5]}
    loss = OKSLoss(metainfo=skeleton)
    target = torch.zeros(1, 2, 2)
    output = torch.tensor([[[3.0, 4.0], [0.0, 0.0]]])

    got = loss(output, target, torch.ones(1, 2), torch.tensor([100.0]))

    similarity = torch.exp(torch.tensor(-((5 / 10 / 0.2) ** 2) / 2))
    assert got.item() == pytest.approx(1 - (similarity.item() + 1) / 2)
    assert list(loss.state_dict()) == ["sigmas"]
    with pytest.raises(ConfigError, match="skeleton 'bare' has no sigmas"):
        OKSLoss(metainfo={"name": "bare", "keypoints": ["a"]})


def test_the_density_of_the_flow_integrates_to_one() -> None:
    flow = draw_weights(RealNVP())
    axis = torch.linspace(-15, 15, 201)
    points = torch.cartesian_prod(axis, axis)

    with torch.no_grad():
        total = flow.log_prob(points).exp().sum() * (axis[1] - axis[0]) ** 2

    assert total.item() == pytest.approx(1, abs=0.01)


def test_wrappers_call_what_they_hold() -> None:
    wrapper = MultipleLossWrapper([{"type": "MSELoss"}, {"type": "L1Loss"}])
    ones, zeros = torch.ones(2, 3), torch.zeros(2, 3)

    assert [part.item() for part in wrapper([2 * ones, 3 * ones], [zeros, zeros])] == [4, 3]
    with pytest.raises(RayposeError, match="has 2 losses, got 2 outputs and 1 targets"):
        wrapper([ones, ones], [zeros])

    inner = nn.MSELoss()
    combined = CombinedLoss({"a": inner, "b": {"type": "L1Loss"}})
    assert combined["a"] is inner
    assert combined["b"](3 * ones, zeros).item() == 3
