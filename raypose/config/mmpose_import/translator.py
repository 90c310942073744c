"""A whole MMPose config as one of raypose's; what has no counterpart is refused by name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from raypose.config.config import Config, config_problems
from raypose.config.loading import dump
from raypose.config.mmpose_import.data import (
    encoding_step,
    steps_of,
    translate_metrics,
    translate_split,
)
from raypose.config.mmpose_import.findings import Findings, cleaned, type_name
from raypose.config.mmpose_import.reader import read_mmpose_config
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
_RUNNER_KEYS = ("env_cfg", "visualizer", "log_processor", "log_level", "default_scope", "resume")


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
    findings = Findings()
    data = _sections(cfg, source, findings)
    nodes = resolve_references(from_plain(data, Mark(str(source))), [])
    found = [f"{dotted(p.path)}: {p.message}" for p in config_problems(Config(nodes))]
    refused = [*findings.refused, *found]
    if refused:
        raise ConfigError([f"{source}: {line}" for line in dict.fromkeys(refused)])
    return Translation(data, findings.notes, source)


def _sections(cfg: Mapping[str, Any], source: Path, findings: Findings) -> dict[str, Any]:
    train_loader, val_loader = cfg.get("train_dataloader"), cfg.get("val_dataloader")
    loaders = [loader for loader in (train_loader, val_loader) if loader is not None]
    data_root = next(
        (root for loader in loaders if (root := loader["dataset"].get("data_root"))), None
    )
    codec = _codec(cfg, findings)
    data: dict[str, Any] = {}
    if loaders:
        skeleton = translate_skeleton(loaders[0]["dataset"], source, findings)
        data.update({} if skeleton is None else {"skeleton": skeleton})
    data.update({} if data_root is None else {"data_root": data_root})
    data.update({} if codec is None else {"codec": codec})
    model = cleaned(cfg["model"])
    if "metainfo" in model:
        model["skeleton"] = translate_skeleton(
            {"metainfo": model.pop("metainfo")}, source, findings
        )
    data["model"] = _with_references(model, codec)
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
        data["data"]["train"]["switch"] = _with_references(hooks["switch"], codec)
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


def _codec(cfg: Mapping[str, Any], findings: Findings) -> dict[str, Any] | None:
    """Return the codec: what encodes for training, else the config's variable or the decoder."""
    step = _encoding(cfg)
    findings.refuse_others(
        "GenerateTarget", step, ("type", "encoder", "use_dataset_keypoint_weights")
    )
    encoder = step.get("encoder") or cfg.get("codec")
    if encoder is None:
        encoder = ((cfg.get("model") or {}).get("head") or {}).get("decoder")
    if isinstance(encoder, (list, tuple)):
        findings.refuse("GenerateTarget.encoder", "several codecs have no counterpart in raypose")
        encoder = encoder[0]
    return None if encoder is None else cleaned(encoder)


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
    if type_name(cfg.get("auto_scale_lr") or {}) or (cfg.get("auto_scale_lr") or {}).get("enable"):
        findings.note("auto_scale_lr.enable is left out; the rate is for train.batch_size")
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
