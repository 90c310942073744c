"""Datasets, also combined and repeated ones, which have pipelines of their own."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from raypose.config.mmpose_import.findings import Findings, cleaned, type_name
from raypose.config.mmpose_import.skeletons import translate_skeleton
from raypose.registry import DATASETS

FirstSteps = list[tuple[list[int], list[Mapping[str, Any]]]]
"""Steps that parts of a combined dataset go through before all others, with their positions."""

# Of MMEngine's datasets; they say how annotations lie in memory and when they are read.
_STORAGE = ("serialize_data", "lazy_init", "max_refetch")
_NOT_OURS = ("pipeline", "metainfo", *_STORAGE)
_FILES_FROM_HERE = ("bbox_file", "headbox_file")
_FILTERS = ("bbox_score_thr",)
# They give single images, and MMPose's options of sequences have nothing to change.
_IN_SPACE = ("H36MWholeBodyDataset", "UBody3dDataset")


def leaves(dataset: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yield the datasets that read files, in their order."""
    parts = dataset.get("datasets") or ([dataset["dataset"]] if "dataset" in dataset else [])
    for part in parts:
        yield from leaves(part)
    if not parts:
        yield dataset


def translate_dataset(
    dataset: Mapping[str, Any], data_root: str | None, findings: Findings, where: str
) -> tuple[dict[str, Any], FirstSteps]:
    """Return a dataset, and what some of its parts go through before all the rest.

    Args:
        dataset: MMPose's, whose own pipeline is left aside.
        data_root: that of the config.
        findings: gets what is left out or refused.
        where: name of the dataloader.
    """
    translator = _Datasets(data_root, findings, where)
    # Which samples an epoch takes is said beside the dataset.
    whole = {key: value for key, value in dataset.items() if key != "sample_ratio_factor"}
    return translator.whole(whole), list(translator.first_steps.values())


def parts_of(dataset: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the parts of a combined dataset as `translate_dataset` keeps them, or it alone."""
    return list(_flat(dataset.get("datasets") or [dataset]))


def shares_of_parts(dataset: Mapping[str, Any], shares: Sequence[float]) -> list[float]:
    """Return a share for each part that stays when combined datasets in a combined one do not.

    Args:
        dataset: MMPose's `CombinedDataset`.
        shares: one for each of its parts.
    """
    return [
        float(share)
        for part, share in zip(dataset["datasets"], shares, strict=True)
        for _ in _flat([part])
    ]


def _flat(parts: Iterable[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    """Yield parts, those of combined parts one by one."""
    for part in parts:
        if _is_flat(part):
            yield from _flat(part["datasets"])
        else:
            yield part


def _is_flat(part: Mapping[str, Any]) -> bool:
    return type_name(part) == "CombinedDataset" and not part.get("pipeline")


class _Datasets:
    def __init__(self, data_root: str | None, findings: Findings, where: str) -> None:
        self.data_root = data_root
        self.findings = findings
        self.where = where
        self.first_steps: dict[str, tuple[list[int], list[Mapping[str, Any]]]] = {}

    def whole(self, dataset: Mapping[str, Any]) -> dict[str, Any]:
        """Return the dataset of a split."""
        kind = type_name(dataset)
        if kind == "CombinedDataset":
            self._check(dataset, ("type", "datasets", "test_mode"))
            self._check_flat(dataset["datasets"])
            parts = [self._part(p, i) for i, p in enumerate(_flat(dataset["datasets"]))]
            return {"type": kind, "datasets": parts}
        if kind == "RepeatDataset":
            return {**cleaned(_own(dataset)), "dataset": self.whole(dataset["dataset"])}
        return self._plain(dataset)

    def _check_flat(self, parts: Sequence[Mapping[str, Any]]) -> None:
        for part in parts:
            if _is_flat(part):
                self._check(part, ("type", "datasets", "test_mode"))
                self._check_flat(part["datasets"])

    def _part(self, dataset: Mapping[str, Any], position: int) -> dict[str, Any]:
        """Return a part of a combined dataset with the pipeline that rearranges its keypoints."""
        steps = list(dataset.get("pipeline") or [])
        inner = dataset
        while type_name(inner) == "RepeatDataset":
            inner = inner["dataset"]
            steps = [*(inner.get("pipeline") or []), *steps]
        part = self.whole(dataset)
        named = part
        while named["type"] == "RepeatDataset":
            named = named["dataset"]
        skeleton = self._skeleton(inner)
        if skeleton is not None:
            named["skeleton"] = skeleton
        count = 0
        while count < len(steps) and type_name(steps[count]) == "KeypointConverter":
            count += 1
        if count:
            part["pipeline"] = [cleaned(step) for step in steps[:count]]
        if steps[count:]:
            key = json.dumps(cleaned(steps[count:]), sort_keys=True)
            self.first_steps.setdefault(key, ([], steps[count:]))[0].append(position)
        return part

    def _skeleton(self, dataset: Mapping[str, Any]) -> Any:
        """Return the skeleton of a part, None where its class knows it."""
        kind = type_name(dataset)
        if kind not in DATASETS or kind == "CombinedDataset":
            return None
        given = dataset.get("metainfo")
        default = getattr(DATASETS.get(kind), "default_skeleton", None)
        if given is None and (default is not None or kind == "DeepFashionDataset"):
            return None
        return translate_skeleton(dataset, self.findings)

    def _plain(self, dataset: Mapping[str, Any]) -> dict[str, Any]:
        """Return a dataset that reads files."""
        kind = type_name(dataset)
        result = cleaned(_own(dataset))
        root = result.get("data_root")
        if root is not None:
            result["data_root"] = "${data_root}" if root == self.data_root else root
        for key in _FILES_FROM_HERE:
            # MMPose gives a path from the current folder, raypose one from data_root.
            if result.get(key):
                result[key] = os.path.relpath(result[key], root or "")
        if "filter_cfg" in result:
            result["filter_cfg"] = self._filters(result["filter_cfg"] or {})
            if not result["filter_cfg"]:
                del result["filter_cfg"]
        if kind == "Human36mDataset" and result.pop("data_prefix", None):
            self.findings.note("lifting reads no images, so data_prefix is left out")
        if kind in _IN_SPACE:
            self._single_images(kind, result)
        return result

    def _single_images(self, kind: str, dataset: dict[str, Any]) -> None:
        """Leave out what MMPose's datasets of poses in space have for sequences."""
        for key, value in (("seq_len", 1), ("data_mode", "topdown")):
            if dataset.pop(key, value) != value:
                self.findings.refuse(f"{self.where}.dataset.{key}", f"{kind} has '{value}' only")
        dataset.pop("causal", None)  # of one frame
        if kind == "H36MWholeBodyDataset" and dataset.pop("data_prefix", None):
            self.findings.note(f"{kind}: data_prefix is left out; MMPose reads from original/")
        if kind == "UBody3dDataset":
            dataset.pop("test_mode", None)
            if "subset_frac" in dataset:
                self.findings.note(f"{kind}: subset_frac takes samples evenly (MMPose's a window)")

    def _filters(self, given: Mapping[str, Any]) -> dict[str, Any]:
        ignored = [key for key in given if key not in _FILTERS]
        for key in ignored:
            self.findings.note(f"filter_cfg.{key} is left out; MMPose ignores it")
        return {key: value for key, value in given.items() if key in _FILTERS}

    def _check(self, dataset: Mapping[str, Any], known: Sequence[str]) -> None:
        if dataset.get("sample_ratio_factor"):
            self.findings.refuse(
                f"{self.where}.dataset.sample_ratio_factor",
                "only the outermost dataset of a split can take a share of its parts",
            )
        kept = {key: value for key, value in _own(dataset).items() if key != "sample_ratio_factor"}
        self.findings.refuse_others(f"{self.where}.dataset", kept, known)


def _own(dataset: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in dataset.items() if key not in _NOT_OURS}
