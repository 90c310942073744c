"""Dataloaders, datasets, pipelines and evaluators."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from raypose.config.mmpose_import.findings import Findings, cleaned, type_name
from raypose.config.mmpose_import.skeletons import DATASET_INFO
from raypose.registry import DATASETS

_ENCODING = ("GenerateTarget",)
_PACKING = ("PackPoseInputs",)
_LOADER_KEYS = (
    "batch_size",
    "num_workers",
    "persistent_workers",
    "pin_memory",
    "prefetch_factor",
    "drop_last",
    "sampler",
    "dataset",
)
# Annotations in COCO's layout that MMPose gives a class of their own only for the skeleton.
_COCO_LIKE = frozenset(DATASET_INFO) - {"CocoWholeBodyDataset", "Human36mDataset"}


def steps_of(dataset: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the pipeline of a dataset."""
    return list(dataset.get("pipeline") or [])


def encoding_step(pipeline: Sequence[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    """Return the step of a pipeline that makes targets."""
    return next((step for step in pipeline if type_name(step) in _ENCODING), None)


def translate_pipeline(pipeline: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the steps of a pipeline without those that raypose does on the device."""
    steps = [cleaned(s) for s in pipeline if type_name(s) not in (*_ENCODING, *_PACKING)]
    for step in steps:
        for key in ("backend_args", "file_client_args"):
            if (step.get(key) or {}).get("backend") in (None, "local", "disk"):
                step.pop(key, None)
    return steps


def translate_split(
    loader: Mapping[str, Any], data_root: str | None, findings: Findings, where: str
) -> dict[str, Any]:
    """Return `data.train` or `data.val`.

    Args:
        loader: MMPose's dataloader.
        data_root: that of the config.
        findings: gets what is left out or refused.
        where: name of the dataloader.
    """
    findings.refuse_others(where, loader, _LOADER_KEYS)
    sampler = type_name(loader.get("sampler") or {"type": "DefaultSampler"})
    if sampler != "DefaultSampler":
        findings.refuse(f"{where}.sampler", f"raypose has no '{sampler}'")
    dataset = loader["dataset"]
    return {
        "dataset": _translate_dataset(dataset, data_root, findings, where),
        "pipeline": translate_pipeline(steps_of(dataset)),
    }


def translate_metrics(
    evaluator: Any, dataset: Mapping[str, Any], findings: Findings
) -> list[dict[str, Any]]:
    """Return `metrics`.

    Args:
        evaluator: one mapping or a list of them.
        dataset: the validation dataset; metrics need not name its annotation file again.
        findings: gets what is left out.
    """
    listed = [evaluator] if isinstance(evaluator, Mapping) else list(evaluator or [])
    own = _normal(dataset.get("data_root") or "", dataset.get("ann_file") or "")
    metrics = []
    for item in listed:
        metric = cleaned(item)
        if metric.get("ann_file") and os.path.normpath(metric["ann_file"]) == own:
            del metric["ann_file"]
        metrics.append(metric)
    return metrics


def _translate_dataset(
    dataset: Mapping[str, Any], data_root: str | None, findings: Findings, where: str
) -> dict[str, Any]:
    kind = type_name(dataset)
    if kind not in DATASETS and kind not in _COCO_LIKE:
        # The check of the whole names it; what is in it cannot be told right from wrong.
        return {"type": kind}
    result = cleaned({k: v for k, v in dataset.items() if k not in ("pipeline", "metainfo")})
    if kind not in DATASETS:
        result["type"] = "CocoDataset"
    root = result.get("data_root")
    if root is not None:
        result["data_root"] = "${data_root}" if root == data_root else root
    if result.get("bbox_file"):
        # MMPose gives a path from the current folder, raypose one from data_root.
        result["bbox_file"] = os.path.relpath(result["bbox_file"], root or "")
    if kind == "Human36mDataset" and result.pop("data_prefix", None):
        findings.note("lifting reads no images, so data_prefix is left out")
    return result


def _normal(folder: str, name: str) -> str:
    return os.path.normpath(os.path.join(folder, name))
