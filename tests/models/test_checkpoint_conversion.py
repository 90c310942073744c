"""Checkpoints as `.safetensors` files."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors import safe_open

from raypose.errors import CheckpointError
from raypose.models.checkpoint import read_checkpoint
from raypose.models.checkpoint_conversion import convert_checkpoint


def test_weights_alone_under_todays_keys(tmp_path: Path) -> None:
    tied = torch.arange(6.0).reshape(2, 3)
    content = {
        "state_dict": {
            "module.backbone.a": tied,
            "module.backbone.b": tied.T,
            "module.keypoint_head.final_layer.bias": torch.ones(2, dtype=torch.float16),
            "module.backbone.n": torch.tensor(3),
        },
        "optimizer": {"state": [1]},
        "config": "model:\n  type: X\n",
    }
    torch.save(content, tmp_path / "old.pth")
    target = tmp_path / "new" / "model.safetensors"
    assert convert_checkpoint(tmp_path / "old.pth", target) == 4
    with safe_open(target, "pt") as file:
        assert file.metadata() == {"format": "pt", "config": "model:\n  type: X\n"}
    found = read_checkpoint(target)
    assert found["config"] == content["config"]
    assert set(found) == {"state_dict", "config"}
    weights = found["state_dict"]
    assert set(weights) == {"backbone.a", "backbone.b", "head.final_layer.bias", "backbone.n"}
    assert torch.equal(weights["backbone.b"], tied.T)
    assert weights["head.final_layer.bias"].dtype == torch.float16
    assert weights["backbone.n"].dtype == torch.int64
    assert [p.name for p in target.parent.iterdir()] == ["model.safetensors"]


def test_what_is_there_is_kept(tmp_path: Path) -> None:
    torch.save({"a": torch.ones(2)}, tmp_path / "a.pth")
    target = tmp_path / "a.safetensors"
    target.write_text("mine")
    with pytest.raises(CheckpointError, match="is there already; use --overwrite"):
        convert_checkpoint(tmp_path / "a.pth", target)
    assert target.read_text() == "mine"
    assert convert_checkpoint(tmp_path / "a.pth", target, overwrite=True) == 1
    with pytest.raises(CheckpointError, match=r"b\.pth should end in \.safetensors"):
        convert_checkpoint(tmp_path / "a.pth", tmp_path / "b.pth")


def test_a_broken_source_leaves_no_target(tmp_path: Path) -> None:
    (tmp_path / "a.pth").write_bytes(b"PK broken")
    with pytest.raises(CheckpointError, match="truncated"):
        convert_checkpoint(tmp_path / "a.pth", tmp_path / "a.safetensors")
    assert [p.name for p in tmp_path.iterdir()] == ["a.pth"]
