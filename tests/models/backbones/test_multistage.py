"""Multi-stage networks beyond the reference numbers: shapes, gradients, weights, refusals."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from raypose.errors import ConfigError
from raypose.models.backbones import CPM, MSPN, RSN, HourglassAENet, HourglassNet, ResNet
from raypose.models.checkpoint import load_pretrained
from raypose.registry import MODELS
from tests.models.drawn_weights import draw_weights, normal_input

HOURGLASS = {"downsample_times": 2, "stage_channels": [8, 12, 16]}
CONFIGS: dict[str, dict[str, Any]] = {
    "CPM": {"type": "CPM", "in_channels": 3, "out_channels": 5, "feat_channels": 8},
    "HourglassNet": {
        "type": "HourglassNet",
        **HOURGLASS,
        "stage_blocks": [1, 1, 2],
        "feat_channel": 6,
    },
    "HourglassAENet": {"type": "HourglassAENet", **HOURGLASS, "feat_channels": 8},
    "MSPN": {"type": "MSPN", "unit_channels": 8, "num_units": 2, "num_blocks": [1, 2]},
    "RSN": {
        "type": "RSN",
        "unit_channels": 8,
        "num_units": 2,
        "num_blocks": [1, 2],
        "num_steps": 3,
        "expand_times": 4,
    },
}
STAGES = {"HourglassNet": "num_stacks", "HourglassAENet": "num_stacks"}
NAMES = pytest.mark.parametrize("name", CONFIGS)


def build(name: str, stages: int) -> nn.Module:
    cfg = {**CONFIGS[name], STAGES.get(name, "num_stages"): stages}
    return draw_weights(MODELS.build(cfg)).eval()


def flat(outputs: Any) -> list[Tensor]:
    if isinstance(outputs, Tensor):
        return [outputs]
    return [part for item in outputs for part in flat(item)]


@NAMES
def test_one_output_for_each_stage(name: str) -> None:
    outputs = build(name, 3)(normal_input((1, 3, 32, 48)))

    assert len(outputs) == 3
    stride = 8 if name == "CPM" else 4
    for out in outputs:
        last = flat(out)[-1]
        assert last.shape[2:] == (32 // stride, 48 // stride)


@NAMES
def test_samples_do_not_meet(name: str) -> None:
    backbone, images = build(name, 2), normal_input((3, 3, 32, 32))
    for all_, one in zip(flat(backbone(images)), flat(backbone(images[1:2])), strict=True):
        torch.testing.assert_close(one[0], all_[1], rtol=1e-4, atol=1e-4)


@NAMES
@pytest.mark.parametrize("stages", [1, 2])
def test_everything_that_is_trained_has_a_gradient(name: str, stages: int) -> None:
    backbone = build(name, stages)
    parts = flat(backbone(normal_input((2, 3, 32, 32))))
    torch.stack([part.square().mean() for part in parts]).sum().backward()
    for key, parameter in backbone.named_parameters():
        assert (parameter.grad is not None) == parameter.requires_grad, key
    fixed = {key.split(".")[0] for key, p in backbone.named_parameters() if not p.requires_grad}
    # What files of a single stage hold for nothing.
    unused = {"CPM": {"middle"}, "HourglassNet": {"inters"}} if stages == 1 else {}
    assert fixed == unused.get(name, set())


@NAMES
def test_later_stages_see_the_earlier_ones(name: str) -> None:
    backbone = build(name, 2)
    outputs = backbone(normal_input((1, 3, 32, 32)))
    flat(outputs[1])[-1].sum().backward()
    first = {
        "CPM": "stem.9",
        "HourglassNet": "out_convs.0",
        "HourglassAENet": "out_convs.0",
        "MSPN": "multi_stage_mspn.0.upsample.up1.out_skip2",
        "RSN": "multi_stage_rsn.0.upsample.up1.out_skip2",
    }[name]
    weight = backbone.get_parameter(f"{first}.conv.weight")
    assert weight.grad is not None
    assert weight.grad.abs().sum() > 0


@pytest.mark.parametrize("name", ["MSPN", "RSN"])
def test_units_go_from_coarse_to_fine(name: str) -> None:
    outputs = build(name, 2)(normal_input((1, 3, 64, 32)))
    assert [[tuple(map_.shape) for map_ in stage] for stage in outputs] == [
        [(1, 8, 8, 4), (1, 8, 16, 8)]
    ] * 2


def test_a_wider_top_is_wider_for_all_stages() -> None:
    model = MSPN(8, num_stages=2, num_units=2, num_blocks=(1, 1), res_top_channels=16).eval()
    assert model.get_parameter("top.top.0.conv.weight").shape[0] == 16
    assert len(model(normal_input((1, 3, 32, 32)))) == 2


def test_mspn_starts_from_the_weights_of_a_resnet(tmp_path: Path) -> None:
    resnet = draw_weights(ResNet(50, stem_channels=8, base_channels=8, out_indices=(0, 1, 2, 3)))
    torch.save({**resnet.state_dict(), "fc.weight": torch.zeros(3, 3)}, tmp_path / "resnet.pth")
    mspn = MSPN(8, num_stages=2, num_blocks=(3, 4, 6, 3), res_top_channels=8)
    load_pretrained(mspn, str(tmp_path / "resnet.pth"))

    mspn.eval()
    resnet.eval()
    images = normal_input((1, 3, 64, 64))
    for stage in mspn.multi_stage_mspn:  # type: ignore[union-attr]
        found = stage.downsample(mspn.top(images), None)
        for got, want in zip(found, resnet(images), strict=True):
            torch.testing.assert_close(got, want)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: CPM(3, 17, num_stages=0), "num_stages is at least 1, got 0"),
        (lambda: HourglassNet(num_stacks=0), "num_stacks is at least 1, got 0"),
        (lambda: HourglassNet(6), r"an entry for each of downsample_times \+ 1 resolutions"),
        (lambda: HourglassNet(2, stage_blocks=(1, 1)), "as many entries as each other"),
        (lambda: HourglassAENet(5), r"an entry for each of downsample_times \+ 1 resolutions"),
        (lambda: HourglassAENet(feat_channels=8), "feat_channels is the first of stage_channels"),
        (lambda: MSPN(num_stages=0), "MSPN: num_stages is at least 1, got 0"),
        (lambda: RSN(num_units=3), r"RSN: num_blocks .* got \[2, 2, 2, 2\] for 3"),
        (lambda: RSN(num_steps=1), "num_steps is at least 2, got 1"),
    ],
)
def test_mistakes_are_named(make: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        make()
