"""Targets of several levels, from a config to a step of training."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from raypose.config import Config, build_codec, build_model, load_config
from raypose.models.dry_run import dry_run
from raypose.structures import PoseBatch
from raypose.training.train_step import TrainStep

CONFIG = """\
codec:
  type: MultilevelHeatmap
  input_size: [48, 64]
  heatmap_size: [12, 16]
  levels:
    - {type: MegviiHeatmap, kernel_size: 7}
    - {type: MegviiHeatmap, kernel_size: 5}
    - {type: MegviiHeatmap, kernel_size: 3}
model:
  type: TopdownPoseEstimator
  backbone: {type: RSN, unit_channels: 8, num_stages: 2, num_units: 2, num_blocks: [1, 1],
    num_steps: 2, expand_times: 8}
  head:
    type: MSPNHead
    num_stages: 2
    num_units: 2
    out_shape: [16, 12]
    unit_channels: 8
    out_channels: 5
    level_indices: [0, 1, 1, 2]
    decoder: "${codec}"
"""


@pytest.fixture
def config(tmp_path: Path) -> Config:
    path = tmp_path / "exp.yaml"
    path.write_text(CONFIG, encoding="utf-8")
    return load_config(str(path))


def test_a_step_learns_all_levels(config: Config) -> None:
    torch.manual_seed(0)
    keypoints = torch.rand(4, 1, 5, 2) * torch.tensor([48.0, 64.0])
    batch = PoseBatch(
        inputs=torch.randn(4, 3, 64, 48),
        keypoints=keypoints,
        keypoints_visible=torch.ones(4, 1, 5),
    )
    step = TrainStep(build_model(config), build_codec(config), [1.0, 1.0, 1.0, 1.0, 0.5])
    optimizer = torch.optim.Adam(step.parameters(), lr=1e-2)
    losses = []
    for _ in range(8):
        found: dict[str, Any] = step(batch)
        optimizer.zero_grad()
        found["loss"].backward()
        optimizer.step()
        losses.append(found["loss"].item())

    assert losses[-1] < losses[0]
    assert all(parameter.grad is not None for parameter in step.parameters())


def test_it_runs_on_shapes_and_predicts(config: Config) -> None:
    outputs = dry_run(config)
    assert [tuple(out.shape) for out in outputs] == [(2, 5, 16, 12)] * 4
    model = build_model(config).eval()
    (pose,) = model.head.predict(model.extract_feat(torch.randn(1, 3, 64, 48)), PoseBatch())
    assert pose.keypoints.shape == (1, 5, 2)
