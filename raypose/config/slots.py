"""What a key of a config expects: a `head` is a model's part, a `decoder` a codec.

The registries know names; which registry, and which part of a model, follows from the key.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from raypose.errors import did_you_mean
from raypose.registry import (
    CODECS,
    DATASETS,
    METRICS,
    MODELS,
    OPTIMIZERS,
    SCHEDULES,
    TRANSFORMS,
    Registry,
)

# Where a name that is in the wrong place may belong.
_POSE_REGISTRIES = (MODELS, CODECS, TRANSFORMS, DATASETS, METRICS)


@dataclass(frozen=True, slots=True)
class Slot:
    """What a key expects.

    Attributes:
        registry: where its `type` is looked up.
        role: what messages call it; for parts of a model, what they are.
        typed: whether a value without `type` is a mistake.
        builder_arguments: arguments that raypose hands to the constructor itself.
        section_keys: keys beside `type` that are not for the constructor.
    """

    registry: Registry
    role: str
    typed: bool = True
    builder_arguments: tuple[str, ...] = ()
    section_keys: tuple[str, ...] = ()

    def wrong_name(self, name: str) -> str | None:
        """Say why a `type` does not belong here, None if it does."""
        entry = self.registry.find(name)
        if entry is not None:
            actual = role_of(entry) or self.role
            return None if actual == self.role else f"{name} is {_a(actual)}, not {_a(self.role)}"
        for registry in _POSE_REGISTRIES:
            entry = registry.find(name)
            if entry is not None:
                return f"{name} is {_a(role_of(entry) or registry.kind)}, not {_a(self.role)}"
        plain = name.rsplit(".", 1)[-1]
        fitting = [n for n in self.registry if role_of(self.registry.get(n)) in (None, self.role)]
        hint = did_you_mean(plain, fitting) or self.registry.suggest(name)
        return f"unknown {self.role} '{name}'.{hint}"


_SLOTS = {
    "model": Slot(MODELS, "estimator"),
    "backbone": Slot(MODELS, "backbone"),
    "neck": Slot(MODELS, "neck"),
    "projector": Slot(MODELS, "neck"),
    "head": Slot(MODELS, "head"),
    "pose_cfg": Slot(MODELS, "head"),
    "loss": Slot(MODELS, "loss", typed=False),
    "losses": Slot(MODELS, "loss", typed=False),
    "assigner": Slot(MODELS, "assigner"),
    "iou_calculator": Slot(MODELS, "assigner"),
    "oks_calculator": Slot(MODELS, "assigner"),
    "prior_generator": Slot(MODELS, "assigner"),
    "anchor_generator": Slot(MODELS, "assigner"),
    "data_preprocessor": Slot(MODELS, "data preprocessor"),
    "batch_augments": Slot(MODELS, "data preprocessor"),
    "codec": Slot(CODECS, "codec"),
    "decoder": Slot(CODECS, "codec", typed=False),
    "encoder": Slot(CODECS, "codec", typed=False),
    "levels": Slot(CODECS, "codec", builder_arguments=("input_size", "heatmap_size")),
    "dataset": Slot(DATASETS, "dataset"),
    "datasets": Slot(DATASETS, "dataset", section_keys=("pipeline",)),
    "add": Slot(DATASETS, "dataset", section_keys=("pipeline",)),
    "pipeline": Slot(TRANSFORMS, "transform"),
    "transforms": Slot(TRANSFORMS, "transform"),
    "pre_transform": Slot(TRANSFORMS, "transform"),
    "metrics": Slot(METRICS, "metric"),
    "optimizer": Slot(
        OPTIMIZERS, "optimizer", builder_arguments=("params",), section_keys=("paramwise",)
    ),
    "schedules": Slot(SCHEDULES, "schedule", builder_arguments=("run",)),
}
_PARTS = ("backbone", "neck", "head", "loss", "decoder", "codec")
_ROLES = {
    "assigners": "assigner",
    "backbones": "backbone",
    "necks": "neck",
    "heads": "head",
    "losses": "loss",
    "estimators": "estimator",
    "data_preprocessors": "data preprocessor",
}


def slot_of(key: str) -> Slot | None:
    """Return what a key expects, also `keypoint_loss` and `loss_vis`; None for any other key."""
    if key in _SLOTS:
        return _SLOTS[key]
    for part in _PARTS:
        if key.endswith(f"_{part}") or key.startswith(f"{part}_"):
            return Slot(_SLOTS[part].registry, _SLOTS[part].role, typed=False)
    return None


def role_of(entry: Callable[..., Any]) -> str | None:
    """Return which part of a model a class of raypose's own is, None where that is not known."""
    parts = entry.__module__.split(".")
    if parts[:2] == ["raypose", "models"] and len(parts) > 2:
        return _ROLES.get(parts[2])
    return None


def _a(word: str) -> str:
    return f"{'an' if word[0] in 'aeiou' else 'a'} {word}"
