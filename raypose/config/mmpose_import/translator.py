"""A whole MMPose config as one of raypose's; what has no counterpart is refused by name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from raypose.config.config import Config, config_problems
from raypose.config.loading import dump
from raypose.config.mmpose_import.codecs import translate_codec
from raypose.config.mmpose_import.data import (
    encoding_step,
    steps_of,
    translate_split,
)
from raypose.config.mmpose_import.datasets import leaves
from raypose.config.mmpose_import.evaluators import translate_metrics
from raypose.config.mmpose_import.findings import Findings
from raypose.config.mmpose_import.model import translate_model
from raypose.config.mmpose_import.places import Places
from raypose.config.mmpose_import.reader import config_files, read_mmpose_config
from raypose.config.mmpose_import.recipe import (
    translate_hooks,
    translate_optimizer,
    translate_run,
    translate_schedules,
)
from raypose.config.mmpose_import.skeletons import translate_skeleton
from raypose.config.nodes import Mark, dotted, from_plain
from raypose.config.references import resolve_references
from raypose.errors import ConfigError

# What MMEngine's runner reads that says nothing about model, data or training.
_RUNNER_KEYS = (
    "env_cfg",
    "visualizer",
    "log_processor",
    "log_level",
    "default_scope",
    "resume",
    "launcher",
)
# What is checked when the result is loaded: classes of these may come from the user's modules.
_LEFT_TO_LOADING = ("model", "codec")


@dataclass(frozen=True)
class Translation:
    """An imported config.

    Attributes:
        data: the config, with `${codec}` and `${data_root}` references.
        notes: what differs from the original.
        source: the file it is from.
    """

    data: dict[str, Any]
    notes: list[str]
    source: Path

    def to_yaml(self) -> str:
        """Return the config as YAML, notes at its head."""
        lines = [f"Imported from MMPose's {self.source.name}.", *self.notes]
        return "".join(f"# {line}\n" for line in lines) + dump(self.data)


def import_mmpose(path: str | Path) -> str:
    """Return an MMPose config as raypose's YAML; this runs the config, a Python file.

    Raises:
        ConfigError: if the file cannot be read, or naming everything in it that raypose has no
            counterpart for.
    """
    file = Path(path)
    return translate(read_mmpose_config(file), file).to_yaml()


def translate(cfg: Mapping[str, Any], source: Path) -> Translation:
    """Translate the variables of a config.

    Args:
        cfg: as `read_mmpose_config` returns them.
        source: the file they are from; skeletons are looked up above it.

    Raises:
        ConfigError: naming everything that raypose has no counterpart for.
    """
    findings = Findings(source)
    data = _sections(cfg, findings)
    nodes = resolve_references(from_plain(data, Mark(str(source))), [])
    for problem in config_problems(Config(nodes)):
        line = f"{dotted(problem.path)}: {problem.message}"
        if problem.path[:1] and problem.path[0] in _LEFT_TO_LOADING:
            findings.note(f"Not in this raypose: {line}")
        elif line not in findings.refused:
            findings.refused.append(line)
    if findings.refused:
        places = Places(config_files(source))
        raise ConfigError([f"{places.of(line) or source}: {line}" for line in findings.refused])
    return Translation(data, findings.notes, source)


def _sections(cfg: Mapping[str, Any], findings: Findings) -> dict[str, Any]:
    train_loader, val_loader = cfg.get("train_dataloader"), cfg.get("val_dataloader")
    loaders = [loader for loader in (train_loader, val_loader) if loader is not None]
    read = [dataset for loader in loaders for dataset in leaves(loader["dataset"])]
    data_root = next((root for dataset in read if (root := dataset.get("data_root"))), None)
    codec = translate_codec(cfg, _encoding(cfg), findings)
    data: dict[str, Any] = {}
    if loaders:
        skeleton = translate_skeleton(loaders[0]["dataset"], findings)
        data.update({} if skeleton is None else {"skeleton": skeleton})
    data.update({} if data_root is None else {"data_root": data_root})
    data.update({} if codec is None else {"codec": codec})
    data["model"] = _with_references(translate_model(cfg["model"], findings), codec)
    data["data"] = _data(cfg, data_root, codec, findings)
    if val_loader is not None:
        evaluator = cfg.get("val_evaluator")
        data["metrics"] = translate_metrics(evaluator, val_loader["dataset"], findings)
    optimizer = {"train": {}}
    if cfg.get("optim_wrapper"):
        optimizer = translate_optimizer(cfg["optim_wrapper"], findings)
        data["optimizer"] = optimizer["optimizer"]
    data["schedules"] = translate_schedules(cfg.get("param_scheduler"), findings)
    hooks = translate_hooks(cfg, findings)
    if "switch" in hooks:
        split, switch = data["data"]["train"], _with_references(hooks["switch"], codec)
        # The parts of a combined dataset keep their own steps.
        first = [step for step in split["pipeline"] if step["type"] == "ForDatasets"]
        split["switch"] = {**switch, "pipeline": [*first, *switch["pipeline"]]}
    data["train"] = {**translate_run(cfg, findings), **optimizer["train"], **hooks["train"]}
    if _encoding(cfg).get("use_dataset_keypoint_weights"):
        data["train"]["use_dataset_keypoint_weights"] = True
    _note_the_rest(cfg, findings)
    return data


def _data(
    cfg: Mapping[str, Any], data_root: str | None, codec: Any, findings: Findings
) -> dict[str, Any]:
    section: dict[str, Any] = {}
    for split in ("train", "val"):
        loader = cfg.get(f"{split}_dataloader")
        if loader is not None:
            section.setdefault("num_workers", loader.get("num_workers", 0))
            translated = translate_split(loader, data_root, findings, f"{split}_dataloader")
            section[split] = _with_references(translated, codec)
    return section


def _encoding(cfg: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the step of the training pipeline that makes targets, empty if there is none."""
    loader = cfg.get("train_dataloader") or {}
    return encoding_step(steps_of(loader.get("dataset") or {})) or {}


def _with_references(value: Any, codec: Mapping[str, Any] | None) -> Any:
    """Replace copies of the codec, and of its input size, by references to it."""
    if codec is None:
        return value
    if isinstance(value, Mapping):
        if value == codec:
            return "${codec}"
        same_size = value.get("input_size") == codec.get("input_size")
        return {
            key: "${codec.input_size}"
            if key == "input_size" and item is not None and same_size and "type" in value
            else _with_references(item, codec)
            for key, item in value.items()
        }
    return [_with_references(item, codec) for item in value] if isinstance(value, list) else value


def _note_the_rest(cfg: Mapping[str, Any], findings: Findings) -> None:
    """Say what of a config has no place in raypose's."""
    for what in ("dataloader", "evaluator"):
        test, val = cfg.get(f"test_{what}"), cfg.get(f"val_{what}")
        if test is not None and test != val:
            findings.note(f"test_{what} differs from val_{what} and is left out")
    if cfg.get("find_unused_parameters"):
        findings.note("find_unused_parameters is left out")
    imported = (cfg.get("custom_imports") or {}).get("imports", [])
    for module in imported:
        # MMPose's own modules are what raypose has in its registries.
        if not module.startswith(("mmpose.", "mmpretrain.", "mmdet.", "mmcls.")):
            findings.note(f"custom_imports: name a module for raypose under 'imports': {module}")
    runner = [key for key in _RUNNER_KEYS if key in cfg]
    if runner:
        findings.note(f"Left out, as they concern MMEngine's runner only: {', '.join(runner)}.")
