"""Options that MMPose never uses: left out with a note, and refused where they would stand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from raypose.config.mmpose_import.findings import Findings
from raypose.config.mmpose_import.unused_options import without_unused_options
from raypose.errors import ConfigError
from raypose.registry import MODELS

NOTE = "{} is left out; MMPose never uses it"
DISTILLER: dict[str, Any] = {
    "type": "DWPoseDistiller",
    "student_cfg": {"type": "TopdownPoseEstimator", "train_cfg": {"max_epochs": 1}},
    "train_cfg": {"max_epochs": 60, "val_interval": 10, "compute_acc": False},
}
EDPOSE: dict[str, Any] = {
    "type": "BottomupPoseEstimator",
    "head": {
        "type": "EDPoseHead",
        "num_feature_levels": 4,
        "decoder": {"num_layers": 6, "num_dn": 100, "return_intermediate": True},
        "denosing_cfg": {"dn_box_noise_scale": 0.4, "dn_labelbook_size": 100},
        "data_decoder": {"type": "EDPoseLabel", "num_select": 50},
    },
    "test_cfg": {"Pmultiscale_test": False, "flip_test": False, "num_select": 50},
}


def test_each_is_left_out_with_a_note() -> None:
    findings = Findings(Path("exp.py"))

    model = without_unused_options(EDPOSE, findings)

    assert model == {
        "type": "BottomupPoseEstimator",
        "head": {
            "type": "EDPoseHead",
            "num_feature_levels": 4,
            "decoder": {"num_layers": 6},
            "denosing_cfg": {"dn_labelbook_size": 100},
            "data_decoder": {"type": "EDPoseLabel", "num_select": 50},
        },
        "test_cfg": {"flip_test": False},
    }
    assert findings.notes == [
        NOTE.format(f"EDPoseHead: {name}")
        for name in (
            "decoder.num_dn",
            "decoder.return_intermediate",
            "denosing_cfg.dn_box_noise_scale",
        )
    ] + [
        NOTE.format(f"BottomupPoseEstimator: test_cfg.{name}")
        for name in ("Pmultiscale_test", "num_select")
    ]


def test_only_of_the_class_that_does_not_use_them() -> None:
    findings = Findings(Path("exp.py"))

    model = without_unused_options([DISTILLER], findings)[0]

    assert model == {**DISTILLER, "train_cfg": {"compute_acc": False}}
    assert len(findings.notes) == 2
    assert not findings.refused


def test_a_map_has_no_depth() -> None:
    findings = Findings(Path("exp.py"))
    head = {"type": "rtmpose3d.RTMW3DHead", "in_featuremap_size": [9, 12, 9]}

    assert without_unused_options(head, findings)["in_featuremap_size"] == [9, 12]
    assert without_unused_options({**head, "type": "RTMWHead"}, findings)["in_featuremap_size"] == [
        9,
        12,
        9,
    ]
    assert findings.notes == [
        "RTMW3DHead: in_featuremap_size is (w, h); MMPose never uses its third number"
    ]


@pytest.mark.parametrize(
    ("section", "options"),
    [
        ("decoder", {"num_dn": 100}),
        ("decoder", {"num_feature_levels": 4}),
        ("decoder", {"return_intermediate": True}),
        ("denosing_cfg", {"dn_labelbook_size": 100, "dn_box_noise_scale": 0.4}),
    ],
)
def test_the_head_refuses_them(section: str, options: dict[str, Any]) -> None:
    attention = {"embed_dims": 8, "num_heads": 2}
    deformable = {**attention, "num_levels": 2, "num_points": 2}
    ffn = {"embed_dims": 8, "feedforward_channels": 8}
    head: dict[str, Any] = {
        "type": "EDPoseHead",
        "num_feature_levels": 2,
        "num_keypoints": 3,
        "encoder": {"num_layers": 1, "layer_cfg": {"self_attn_cfg": deformable, "ffn_cfg": ffn}},
        "decoder": {
            "num_layers": 2,
            "embed_dims": 8,
            "num_box_decoder_layers": 1,
            "layer_cfg": {
                "self_attn_cfg": attention,
                "cross_attn_cfg": deformable,
                "ffn_cfg": ffn,
            },
        },
        "out_head": {"num_classes": 2},
        "positional_encoding": {"num_pos_feats": 4},
    }
    MODELS.build(head)
    with pytest.raises(ConfigError, match=list(options)[-1]):
        MODELS.build({**head, section: {**head.get(section, {}), **options}})
