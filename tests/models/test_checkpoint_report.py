"""What a checkpoint is said to hold and to fit."""

from __future__ import annotations

from pathlib import Path

import torch

from raypose.config import build_model, load_config
from raypose.models.checkpoint_report import checkpoint_report, models_that_fit

MODEL = "td-hm_mobilenetv2_8xb64-210e_coco-256x192"


def old_file(path: Path) -> Path:
    """Write the weights of a published model in the form of before MMPose 1.0."""
    with torch.device("meta"):
        state = build_model(load_config(MODEL)).state_dict()
    weights = {
        key.replace("head.", "keypoint_head."): torch.zeros(1, dtype=value.dtype).expand(
            value.shape
        )
        for key, value in state.items()
        if not key.endswith("num_batches_tracked")
    }
    meta = {"epoch": 210, "cfg": "a = 1\nb = 2\n", "hook_msgs": {"best": 1}, "time": "x" * 200}
    torch.save({"meta": meta, "state_dict": weights}, path)
    return path


def test_a_published_model_in_an_old_form(tmp_path: Path) -> None:
    lines = list(checkpoint_report(old_file(tmp_path / "x.pth")))
    text = "\n".join(lines)
    assert "float32), 9.6" in lines[0]
    assert "entries: meta, state_dict" in lines
    assert "  epoch: 210" in lines
    assert "  cfg: 2 lines" in lines
    assert "  hook_msgs: 1 entries" in lines
    assert f"  time: {'x' * 90}..." in lines
    assert "fits: body_2d_keypoint/topdown_heatmap/coco/" in text
    assert MODEL in text
    assert "keys are of an older form" in text
    assert "  head.final_layer.weight [17, 256, 1, 1] float32" in lines
    assert "  backbone.conv1.conv.weight [32, 3, 3, 3] float32" in lines


def test_the_model_of_the_files_name_comes_first() -> None:
    with torch.device("meta"):
        weights = build_model(load_config("td-hm_res50_8xb64-210e_coco-256x192")).state_dict()
    fitting = models_that_fit(weights, "any.pth")
    assert len(fitting) > 1
    for model in fitting:
        assert models_that_fit(weights, model.file_name)[0] is model


def test_another_model_fits_nothing(tmp_path: Path) -> None:
    torch.save({"layer.weight": torch.zeros(2, 2)}, tmp_path / "mine.pth")
    lines = list(checkpoint_report(tmp_path / "mine.pth"))
    assert lines == [
        f"{tmp_path / 'mine.pth'}: 1 tensors (1 float32), 0.00 M numbers",
        "entries: the weights alone",
        "fits: none of the published models",
        "  layer.weight [2, 2] float32",
    ]
