"""A whole experiment in seconds: a few drawn people and a network of three convolutions.

`TinyBackbone` is a user's module to raypose: configs name it under `imports`, workers import it.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
import yaml
from torch import Tensor, nn

from raypose.config import Config, load_config
from raypose.models.backbones.base_backbone import BaseBackbone
from raypose.registry import MODELS

REPOSITORY = Path(__file__).resolve().parents[1]


@MODELS.register_module(force=True)
class TinyBackbone(BaseBackbone):
    """Three convolutions, stride 4.

    Args:
        channels: of the output.
        norm: batch norms between them, so that samples of a batch are not independent.
        dropout: share of channels dropped.
        die: file; whoever finds it while training removes it and dies.
        delay: seconds that a prediction takes.
        step_delay: seconds that a batch of the training takes.
    """

    def __init__(
        self,
        channels: int = 8,
        norm: bool = False,
        dropout: float = 0.0,
        die: str | None = None,
        delay: float = 0.0,
        step_delay: float = 0.0,
        init_cfg: Any = None,
    ) -> None:
        super().__init__(init_cfg)
        self.layers = nn.Sequential(
            nn.Conv2d(3, channels, 3, 2, 1),
            nn.BatchNorm2d(channels) if norm else nn.Identity(),
            nn.ReLU(),
            nn.Conv2d(channels, channels, 3, 2, 1),
            nn.Dropout2d(dropout),
            nn.ReLU(),
            nn.Conv2d(channels, channels, 5, 1, 2),
            nn.ReLU(),
        )
        self.die = die
        self.delay = delay
        self.step_delay = step_delay

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        if self.training and self.die is not None and os.path.exists(self.die):
            os.remove(self.die)
            os._exit(1)
        time.sleep(self.step_delay if self.training else self.delay)
        return (self.layers(x),)


def experiment(data: Path, **changes: Any) -> dict[str, Any]:
    """Return the config of a tiny experiment as plain data.

    Args:
        data: folder with `train.json`, `val.json` and `images/`.
        **changes: merged in; `__` stands for the dot of a key path.
    """
    config: dict[str, Any] = {
        "imports": ["tests.tiny_runs"],
        "import_paths": [str(REPOSITORY)],
        "skeleton": "coco",
        "codec": {
            "type": "MSRAHeatmap",
            "input_size": [48, 64],
            "heatmap_size": [12, 16],
            "sigma": 1.5,
        },
        "model": {
            "type": "TopdownPoseEstimator",
            "data_preprocessor": {
                "type": "PoseDataPreprocessor",
                "mean": [123.675, 116.28, 103.53],
                "std": [58.395, 57.12, 57.375],
                "bgr_to_rgb": True,
            },
            "backbone": {"type": "TinyBackbone"},
            "head": {
                "type": "HeatmapHead",
                "in_channels": 8,
                "out_channels": 17,
                "deconv_out_channels": None,
                "loss": {
                    "type": "KeypointMSELoss",
                    "use_target_weight": True,
                    "loss_weight": 100.0,
                },
                "decoder": "${codec}",
            },
        },
        "data": {
            "loader": "local",
            "num_workers": 0,
            "train": {"dataset": dataset(data, "train"), "pipeline": pipeline(augment=True)},
            "val": {"dataset": dataset(data, "val"), "pipeline": pipeline(augment=False)},
        },
        "metrics": [{"type": "PCKAccuracy", "thr": 0.3}, {"type": "EPE"}],
        "optimizer": {"type": "AdamW", "lr": 1e-2, "weight_decay": 0.01},
        "schedules": [{"type": "CosineAnnealingLR", "eta_min_ratio": 0.1}],
        "train": {"epochs": 2, "batch_size": 8, "val_batch_size": 8, "val_interval": 1},
        "annotate": {"shard_size": 3, "num_actors": 0, "batch_size": 4, "decode_threads": 1},
    }
    for key, value in changes.items():
        _set(config, key.split("__"), value)
    return config


def write_experiment(folder: Path, data: Path, **changes: Any) -> Path:
    """Write the config of a tiny experiment and return its path."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "tiny.yaml"
    path.write_text(yaml.safe_dump(experiment(data, **changes)), encoding="utf-8")
    return path


def load_experiment(folder: Path, data: Path, **changes: Any) -> Config:
    """Return a tiny experiment as a checked config."""
    return load_config(write_experiment(folder, data, **changes))


def weights_in(path: Path) -> dict[str, Tensor]:
    """Return the weights of a checkpoint."""
    return torch.load(path, weights_only=True)["state_dict"]


def assert_same_weights(first: Mapping[str, Tensor], second: Mapping[str, Tensor]) -> None:
    """Check that all weights are the same to the last bit."""
    assert first.keys() == second.keys()
    different = [name for name, value in first.items() if not torch.equal(value, second[name])]
    assert not different


def dataset(data: Path, split: str, **changes: Any) -> dict[str, Any]:
    """Return the dataset of a split."""
    return {
        "type": "CocoDataset",
        "data_root": str(data),
        "ann_file": f"{split}.json",
        "data_prefix": {"img": "images/"},
        **changes,
    }


def pipeline(augment: bool) -> list[dict[str, Any]]:
    """Return transforms that make one crop for each person."""
    augmentation: list[dict[str, Any]] = [
        {"type": "RandomFlip", "direction": "horizontal"},
        {"type": "RandomBBoxTransform", "rotate_factor": 30, "scale_factor": [0.8, 1.25]},
    ]
    return [
        {"type": "LoadImage"},
        {"type": "GetBBoxCenterScale"},
        *(augmentation if augment else []),
        {"type": "TopdownAffine", "input_size": "${codec.input_size}"},
    ]


def _set(config: dict[str, Any], keys: list[str], value: Any) -> None:
    for key in keys[:-1]:
        config = config[key]
    config[keys[-1]] = value
