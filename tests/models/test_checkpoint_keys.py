"""Keys of other releases in today's form, and values where their meaning changed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from raypose.models.checkpoint_keys import convert_keys, key_digest
from raypose.models.heads import RLEHead
from tests.golden_files import read_cases

CASES = read_cases("models", "state_keys")


def numbered(keys: list[str]) -> dict[str, Tensor]:
    return {key: torch.tensor(float(i)) for i, key in enumerate(keys)}


def test_old_keys_become_todays() -> None:
    known = [
        "backbone.conv1.weight",
        "head.conv_layers.0.weight",
        "head.conv_layers.1.bias",
        "head.final_layer.weight",
        "head.final_layer.bias",
        "head.loss_module.flow_model.s.0.weight",
    ]
    old = [
        "module.backbone.conv1.weight",
        "keypoint_head.final_layer.0.weight",
        "keypoint_head.final_layer.1.bias",
        "keypoint_head.final_layer.3.weight",
        "keypoint_head.final_layer.3.bias",
        "keypoint_head.loss.flow_model.s.0.weight",
    ]
    converted = convert_keys(numbered(old), known)
    assert converted == numbered(known)
    assert convert_keys(converted, known) == converted
    assert convert_keys(numbered(old)) == converted  # the model need not be known


@pytest.mark.parametrize(
    ("old", "today"),
    [
        ("keypoint_head.final_layer.weight", "head.final_layer.weight"),
        ("keypoint_head.deconv_layers.0.weight", "head.deconv_layers.0.weight"),
        ("keypoint_head.fc.weight", "head.fc.weight"),
        ("keypoint_head.multi_final_layers.0.weight", "head.multi_final_layers.0.weight"),
        ("keypoint_head.right_hand_head.final_layer.bias", "head.right_hand_head.final_layer.bias"),
        ("rescore_net.l1.weight", "head.rescore_net.l1.weight"),
        ("traj_head.conv.weight", "traj_head.conv.weight"),
    ],
)
def test_modules_that_only_moved(old: str, today: str) -> None:
    assert list(convert_keys(numbered([old]))) == [today]


def test_keys_of_today_are_left_alone() -> None:
    known = ["head.final_layer.0.weight", "loss.weight", "ema_rate", "steps"]
    assert list(convert_keys(numbered(known), known)) == known
    assert list(convert_keys(numbered(["other.loss.weight"]))) == ["other.loss.weight"]


@pytest.mark.parametrize("case", CASES, ids=[Path(case["config"]).stem for case in CASES])
def test_no_model_of_today_looks_like_an_old_one(case: dict[str, Any]) -> None:
    weights = {key: torch.empty(entry[1], device="meta") for key, entry in case["keys"].items()}
    assert list(convert_keys(weights)) == list(weights)


def test_what_is_no_weight_disappears() -> None:
    keys = ["steps", "data_preprocessor.mean", "ema_backbone_conv1_weight", "module.steps", "a.b"]
    assert list(convert_keys(numbered(keys))) == ["a.b"]


def test_cid() -> None:
    modules = {
        "keypoint_center_conv.weight": "iia_module.keypoint_root_conv.weight",
        "conv_down.bias": "gfd_module.conv_down.bias",
        "c_attn.atn.weight": "gfd_module.channel_attention.atn.weight",
        "s_attn.conv.weight": "gfd_module.spatial_attention.conv.weight",
        "fuse_attn.weight": "gfd_module.fuse_attention.weight",
        "heatmap_conv.weight": "gfd_module.heatmap_conv.weight",
    }
    old = numbered([f"keypoint_head.{key}" for key in modules])
    converted = convert_keys(old)
    assert converted == numbered([f"head.{key}" for key in modules.values()])
    assert convert_keys(converted) == converted


def test_dekr_turns_its_displacements_and_moves_the_heatmap_of_roots() -> None:
    generator = torch.Generator().manual_seed(0)
    keypoints, inner = 3, 4
    features = torch.randn(1, inner * keypoints, 5, 5, generator=generator)
    old = {
        "keypoint_head.heatmap_conv_layers.0.conv.weight": torch.randn(2, 2, 1, 1),
        "keypoint_head.heatmap_conv_layers.2.weight": torch.randn(keypoints + 1, 12, 1, 1),
        "keypoint_head.heatmap_conv_layers.2.bias": torch.randn(keypoints + 1),
        "keypoint_head.offset_conv_layers.1.adapt_conv.weight": torch.randn(12, 4, 3, 3),
        "keypoint_head.offset_conv_layers.3.weight": torch.randn(2 * keypoints, inner, 1, 1),
        "keypoint_head.offset_conv_layers.3.bias": torch.randn(2 * keypoints),
        "rescore_net.l1.weight": torch.randn(2, 2),
    }
    old_head = {k.removeprefix("keypoint_head."): v for k, v in old.items()}
    new = convert_keys(old)
    head = {k.removeprefix("head."): v for k, v in new.items()}
    assert set(new) == {f"head.{k.replace('offset_conv', 'displacement_conv')}" for k in old_head}

    def run(weights: dict[str, Tensor], module: str, groups: int = 1) -> Tensor:
        return F.conv2d(
            features, weights[f"{module}.weight"], weights[f"{module}.bias"], groups=groups
        )

    before = run(old_head, "heatmap_conv_layers.2")
    after = run(head, "heatmap_conv_layers.2")
    torch.testing.assert_close(after[:, -1], before[:, 0])
    torch.testing.assert_close(after[:, :-1], before[:, 1:])
    before = run(old_head, "offset_conv_layers.3", keypoints)
    after = run(head, "displacement_conv_layers.3", keypoints)
    torch.testing.assert_close(after, -before)
    same = "offset_conv_layers.1.adapt_conv.weight"
    assert torch.equal(head[same.replace("offset", "displacement")], old_head[same])
    again = convert_keys(new)
    assert all(torch.equal(again[key], value) for key, value in new.items())


def test_rle_of_old_loads_its_flow() -> None:
    head = RLEHead(in_channels=4, num_joints=2, loss={"type": "RLELoss"})
    state = head.state_dict()
    old = {
        f"keypoint_head.{k.replace('loss_module.', 'loss.')}": torch.zeros_like(v)
        for k, v in state.items()
    }
    assert any(".loss.flow_model." in key for key in old)
    known = [f"head.{key}" for key in state]
    assert list(convert_keys(old, known)) == known


def test_digest_tells_shapes_apart_but_counts_no_counters() -> None:
    weights = {"a.weight": torch.zeros(2, 3), "a.num_batches_tracked": torch.tensor(0)}
    digest = key_digest(weights)
    assert digest == key_digest({"a.weight": torch.ones(2, 3)})
    assert digest != key_digest({"a.weight": torch.zeros(3, 2)})
    assert digest != key_digest({"b.weight": torch.zeros(2, 3)})


def test_a_student_is_taken_out_of_its_distiller() -> None:
    saved = numbered(["teacher.head.mlp.weight", "student.head.mlp.weight", "conv.weight"])
    found = convert_keys(saved, ["head.mlp.weight"])
    assert {key: value.item() for key, value in found.items()} == {"head.mlp.weight": 1.0}
    assert convert_keys(saved, list(saved)).keys() == saved.keys()
