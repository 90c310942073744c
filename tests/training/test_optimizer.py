"""Parameter groups: who gets which rate and decay."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from raypose.config.sections import OptimizerSection
from raypose.errors import ConfigError
from raypose.training.optimizer import build_optimizer


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.backbone = nn.Sequential(nn.Conv2d(4, 4, 3, groups=4), nn.BatchNorm2d(4))
        self.head = nn.Linear(4, 2)
        self.token = nn.Parameter(torch.zeros(3))


def settings(model: nn.Module, config: dict[str, object]) -> dict[str, tuple[float, float]]:
    section = OptimizerSection.model_validate(
        {"type": "AdamW", "lr": 1.0, "weight_decay": 1.0, **config}
    )
    optimizer = build_optimizer(section, model)
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    return {
        names[id(parameter)]: (group["lr"], group["weight_decay"])
        for group in optimizer.param_groups
        for parameter in group["params"]
    }


def test_factors_by_kind_of_parameter() -> None:
    paramwise = {
        "norm_decay_mult": 0.0,
        "bias_decay_mult": 0.5,
        "bias_lr_mult": 2.0,
        "dwconv_decay_mult": 0.25,
        "flat_decay_mult": 0.125,
    }
    assert settings(Net(), {"paramwise": paramwise}) == {
        "backbone.0.weight": (1.0, 0.25),
        "backbone.0.bias": (2.0, 0.5),
        "backbone.1.weight": (1.0, 0.0),
        "backbone.1.bias": (1.0, 0.0),
        "head.weight": (1.0, 1.0),
        "head.bias": (2.0, 0.5),
        "token": (1.0, 0.125),
    }


def test_the_longest_custom_key_wins_over_everything() -> None:
    paramwise = {
        "norm_decay_mult": 0.0,
        "custom_keys": {"backbone": {"lr_mult": 0.1}, "backbone.1": {"decay_mult": 0.3}},
    }
    found = settings(Net(), {"paramwise": paramwise})
    assert found["backbone.0.weight"] == (0.1, 1.0)
    assert found["backbone.1.weight"] == (1.0, 0.3)
    assert found["head.weight"] == (1.0, 1.0)


def test_default_settings_can_be_forced_upon_custom_keys() -> None:
    paramwise = {
        "norm_decay_mult": 0.0,
        "bias_lr_mult": 2.0,
        "force_default_settings": True,
        "custom_keys": {"backbone": {"lr_mult": 0.1, "decay_mult": 3.0}},
    }
    found = settings(Net(), {"paramwise": paramwise})
    assert found["backbone.0.weight"] == (0.1, 3.0)
    # The rate of a bias is set in so many words, its decay is not.
    assert found["backbone.0.bias"] == (2.0, 3.0)
    assert found["backbone.1.weight"] == (0.1, 0.0)
    assert found["head.bias"] == (2.0, 1.0)


def test_rates_fall_from_layer_to_layer_of_a_transformer() -> None:
    model = nn.Module()
    model.backbone = nn.Module()
    model.backbone.patch_embed = nn.Linear(2, 2)
    model.backbone.layers = nn.ModuleList([nn.Linear(2, 2), nn.Linear(2, 2)])
    model.head = nn.Linear(2, 2)
    found = settings(model, {"paramwise": {"num_layers": 2, "layer_decay_rate": 0.5}})
    assert [found[f"{name}.weight"][0] for name in _PARTS] == [0.125, 0.25, 0.5, 1.0]


_PARTS = ("backbone.patch_embed", "backbone.layers.0", "backbone.layers.1", "head")


def test_frozen_parameters_are_left_out() -> None:
    model = Net()
    model.backbone.requires_grad_(False)
    assert set(settings(model, {})) == {"head.weight", "head.bias", "token"}
    with pytest.raises(ConfigError, match="frozen"):
        settings(model.requires_grad_(False), {})
