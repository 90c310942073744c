"""The model: names and arguments are MMPose's; what it names by path is put in its place."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from raypose.config.mmpose_import.findings import Findings, cleaned
from raypose.config.mmpose_import.reader import read_mmpose_config
from raypose.config.mmpose_import.skeletons import translate_skeleton
from raypose.config.mmpose_import.unused_options import without_unused_options


def translate_model(given: Mapping[str, Any], findings: Findings) -> dict[str, Any]:
    """Return the model of a config.

    Args:
        given: MMPose's.
        findings: gets a config or skeleton that cannot be found.
    """
    model = without_unused_options(cleaned(given), findings)
    if "metainfo" in model:
        model["skeleton"] = translate_skeleton({"metainfo": model.pop("metainfo")}, findings)
    if (model.get("test_cfg") or {}).pop("input_size", None):
        findings.note("test_cfg.input_size is left out; MMPose reads it for deployment only")
    for key in ("teacher_cfg", "student_cfg"):
        if isinstance(model.get(key), str) and model[key].endswith(".py"):
            model[key] = _model_of(model[key], findings)
    return _with_skeletons(model, findings)


def _with_skeletons(value: Any, findings: Findings) -> Any:
    """Return a part of a model with skeletons in the place of the files that losses name."""
    if isinstance(value, Mapping):
        return {
            key: translate_skeleton({"metainfo": item}, findings)
            if key == "metainfo" and isinstance(item, str)
            else _with_skeletons(item, findings)
            for key, item in value.items()
        }
    return [_with_skeletons(item, findings) for item in value] if isinstance(value, list) else value


def _model_of(name: str, findings: Findings) -> dict[str, Any] | None:
    """Return the model of another config; paths start from the folder that holds `configs`."""
    for folder in findings.source.resolve().parents:
        file = Path(folder, name)
        if file.is_file():
            return translate_model(read_mmpose_config(file)["model"], findings)
    above = f"in the folders above {findings.source.name}"
    findings.refuse("model", f"there is no '{name}' {above}")
    return None
