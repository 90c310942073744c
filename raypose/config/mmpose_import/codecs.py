"""The codec of a config: what makes targets for training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from raypose.config.mmpose_import.findings import Findings, cleaned, type_name

# `target_type` is of an older release, and MMPose ignores it.
_KEYS = ("type", "encoder", "use_dataset_keypoint_weights", "multilevel", "target_type")


def translate_codec(
    cfg: Mapping[str, Any], step: Mapping[str, Any], findings: Findings
) -> dict[str, Any] | None:
    """Return the codec: what encodes for training, else the config's variable or the decoder.

    Args:
        cfg: the config.
        step: the `GenerateTarget` of its training pipeline, empty if there is none.
        findings: gets what has no counterpart.
    """
    findings.refuse_others("GenerateTarget", step, _KEYS)
    if "target_type" in step:
        findings.note("GenerateTarget.target_type is left out; MMPose ignores it")
    encoder = step.get("encoder") or cfg.get("codec")
    if encoder is None:
        encoder = ((cfg.get("model") or {}).get("head") or {}).get("decoder")
    if encoder is None or isinstance(encoder, Mapping):
        return None if encoder is None else cleaned(encoder)
    levels = [cleaned(item) for item in encoder]
    if len(levels) == 1:
        return levels[0]
    if step.get("multilevel") or (not step and _alike(levels)):
        return _multilevel(levels, findings)
    names = ", ".join(type_name(level) for level in levels)
    findings.refuse(
        "GenerateTarget.encoder",
        f"raypose has one codec, here are {names} at once; 'MultilevelHeatmap' is one of heatmaps "
        "from coarse to fine",
    )
    return None


def _multilevel(levels: Sequence[Mapping[str, Any]], findings: Findings) -> dict[str, Any]:
    """Return the codec of all levels, which share their sizes."""
    shared = {key: levels[0].get(key) for key in ("input_size", "heatmap_size")}
    for key, value in shared.items():
        if any(level.get(key) != value for level in levels):
            findings.refuse("GenerateTarget.encoder", f"its levels have different {key}")
    kept = [{key: v for key, v in level.items() if key not in shared} for level in levels]
    return {"type": "MultilevelHeatmap", **shared, "levels": kept}


def _alike(levels: Sequence[Mapping[str, Any]]) -> bool:
    return len({type_name(level) for level in levels}) == 1
