"""Evaluators."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from raypose.config.mmpose_import.datasets import parts_of
from raypose.config.mmpose_import.findings import Findings, cleaned, type_name
from raypose.config.mmpose_import.skeletons import translate_skeleton

# Metrics that need their annotation file whatever the samples hold.
_FILE_METRICS = ("PoseTrack18Metric",)


def translate_metrics(
    evaluator: Any, dataset: Mapping[str, Any], findings: Findings
) -> list[dict[str, Any]]:
    """Return `metrics`.

    Args:
        evaluator: one mapping or a list of them.
        dataset: the validation dataset; metrics need not name its annotation file again.
        findings: gets what is left out or refused.
    """
    listed = [evaluator] if isinstance(evaluator, Mapping) else list(evaluator or [])
    metrics = []
    for item in listed:
        kind = type_name(item)
        if kind == "Evaluator":
            metrics += translate_metrics(item.get("metrics"), dataset, findings)
        elif kind == "MultiDatasetEvaluator":
            metrics += _metrics_of_parts(item, dataset, findings)
        else:
            metrics.append(_metric(item, dataset))
    return metrics


def _metric(item: Mapping[str, Any], dataset: Mapping[str, Any]) -> dict[str, Any]:
    metric = cleaned(item)
    own = os.path.normpath(
        os.path.join(dataset.get("data_root") or "", dataset.get("ann_file") or "")
    )
    known = metric.get("ann_file") and os.path.normpath(metric["ann_file"]) == own
    if known and type_name(item) not in _FILE_METRICS:
        del metric["ann_file"]
    return metric


def _metrics_of_parts(
    item: Mapping[str, Any], dataset: Mapping[str, Any], findings: Findings
) -> list[dict[str, Any]]:
    """Return MMPose's metrics of named datasets as metrics of the parts of the dataset.

    MMPose knows a sample's metric by the name in its dataset's metainfo, which is that of the
    class; here a part has its metrics by its place.
    """
    metrics, datasets = list(item.get("metrics") or []), list(item.get("datasets") or [])
    parts = parts_of(dataset)
    kinds = [type_name(part) for part in parts]
    if len(metrics) != len(datasets):
        findings.refuse(
            "val_evaluator.metrics",
            f"one for each of the {len(datasets)} datasets expected, got {len(metrics)}",
        )
        return []
    if sorted({type_name(one) for one in datasets}) != sorted(kinds):
        findings.refuse(
            "val_evaluator.datasets",
            f"the classes of val_dataloader's parts expected, each once: {', '.join(kinds)}",
        )
        return []
    of_parts: list[list[dict[str, Any]]] = [[] for _ in parts]
    for metric, named in zip(metrics, datasets, strict=True):
        of_parts[kinds.index(type_name(named))].append(cleaned(metric))
    for part, listed in zip(parts, of_parts, strict=True):
        skeleton = translate_skeleton(part, findings)
        for metric in listed:
            if skeleton is not None:
                metric["skeleton"] = skeleton
    names = [kind.removesuffix("Dataset").lower() for kind in kinds]
    return [{"type": "MultiDatasetEvaluator", "datasets": names, "metrics": of_parts}]
