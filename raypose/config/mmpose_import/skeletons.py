"""The skeleton of a dataset: that of its class, or what a `dataset_info` file of MMPose says."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from raypose.config.mmpose_import.findings import Findings, type_name
from raypose.config.mmpose_import.reader import read_mmpose_config
from raypose.errors import ConfigError
from raypose.registry import DATASETS
from raypose.structures import Skeleton

# Of datasets whose skeleton is not that of all their files.
_BY_CLASS = {"CocoDataset": "coco", "Human36mDataset": "h36m"}


def translate_skeleton(
    dataset: Mapping[str, Any], findings: Findings
) -> str | dict[str, Any] | None:
    """Return the skeleton of a dataset: the name of a built-in one, or a mapping.

    Args:
        dataset: its config, or a mapping with `metainfo` alone.
        findings: gets a skeleton that cannot be found; its `source` is the file that is imported,
            descriptions lie in a folder above it.
    """
    given = dataset.get("metainfo")
    if isinstance(given, Mapping):
        given = given.get("from_file", given)
    if given is None:
        return _of_class(dataset)
    if isinstance(given, str):
        info = _read_info(given, findings.source)
        name = Path(given).stem
        if info is None and name in Skeleton.available():
            return name
        if info is None:
            where = f"in the folders above {findings.source.name}"
            findings.refuse("dataset.metainfo", f"there is no '{given}' {where}")
            return None
        given = info
    if "keypoint_info" not in given:
        findings.refuse("dataset.metainfo", "only a whole description of keypoints is translated")
        return None
    definition = _definition(given, findings)
    try:
        return _built_in(Skeleton.load(definition), "weights" in definition) or definition
    except ConfigError as error:
        findings.refuse("dataset.metainfo", str(error))
        return None


def _of_class(dataset: Mapping[str, Any]) -> str | None:
    kind = type_name(dataset)
    if kind == "DeepFashionDataset":
        return f"deepfashion_{dataset.get('subset') or 'full'}"
    if kind in _BY_CLASS or kind not in DATASETS:
        # The class of an unknown one is refused with the rest; its skeleton does not matter then.
        return _BY_CLASS.get(kind)
    return getattr(DATASETS.get(kind), "default_skeleton", None)


def _read_info(name: str, source: Path) -> Mapping[str, Any] | None:
    for folder in source.resolve().parents:
        if (folder / name).is_file():
            return read_mmpose_config(folder / name)["dataset_info"]
    return None


def _definition(info: Mapping[str, Any], findings: Findings) -> dict[str, Any]:
    """Return a `dataset_info` as raypose writes skeletons."""
    partners = {e["name"]: e.get("swap") or e["name"] for e in info["keypoint_info"].values()}
    keypoints = []
    for _, entry in sorted(info["keypoint_info"].items(), key=lambda pair: int(pair[0])):
        name, partner = entry["name"], partners[entry["name"]]
        point = {"name": name, "swap": partner}
        if partners.get(partner) != name:
            point["one_way"] = True
        if entry.get("type"):
            point["type"] = entry["type"]
        if entry.get("color") is not None:
            point["color"] = list(entry["color"])
        keypoints.append(point)
    links = [
        {"link": list(entry["link"]), "color": list(entry.get("color", (255, 128, 0)))}
        for _, entry in sorted(info.get("skeleton_info", {}).items(), key=lambda p: int(p[0]))
    ]
    definition: dict[str, Any] = {
        "name": info["dataset_name"],
        "keypoints": keypoints,
        "links": links,
    }
    for ours, theirs in (("weights", "joint_weights"), ("sigmas", "sigmas")):
        values = info.get(theirs) or []
        if len(values) == len(keypoints):
            definition[ours] = [float(value) for value in values]
        elif values:
            findings.note(
                f"{theirs} of '{info['dataset_name']}' are left out: {len(values)} numbers for "
                f"{len(keypoints)} keypoints"
            )
    return definition


def _built_in(skeleton: Skeleton, weighed: bool) -> str | None:
    """Return the name of the built-in skeleton that is the same but for its colours."""
    fields = ["keypoint_names", "flip_indices", "links", "sigmas", "upper_body_ids"]
    if weighed:
        fields.append("keypoint_weights")
    for name, known in _all_built_in().items():
        if all(getattr(known, field) == getattr(skeleton, field) for field in fields):
            return name
    return None


@cache
def _all_built_in() -> dict[str, Skeleton]:
    return {name: Skeleton.load(name) for name in Skeleton.available()}
