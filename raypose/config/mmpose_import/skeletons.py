"""The skeleton of a dataset: MMPose keeps it in `dataset_info` files, by dataset class."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from raypose.config.mmpose_import.findings import Findings, type_name
from raypose.config.mmpose_import.reader import read_mmpose_config
from raypose.errors import ConfigError
from raypose.structures import Skeleton

# Dataset class -> file below configs/_base_/datasets that describes its keypoints.
DATASET_INFO = {
    "AP10KDataset": "ap10k",
    "ATRWDataset": "atrw",
    "AicDataset": "aic",
    "AnimalKingdomDataset": "ak",
    "AnimalPoseDataset": "animalpose",
    "COFWDataset": "cofw",
    "CocoDataset": "coco",
    "CocoWholeBodyDataset": "coco_wholebody",
    "CrowdPoseDataset": "crowdpose",
    "DeepFashion2Dataset": "deepfashion2",
    "ExlposeDataset": "exlpose",
    "Face300WLPDataset": "300wlp",
    "FlyDataset": "fly",
    "HalpeDataset": "halpe",
    "Horse10Dataset": "horse10",
    "Human36mDataset": "h36m",
    "HumanArtDataset": "humanart",
    "LapaDataset": "lapa",
    "MacaqueDataset": "macaque",
    "MhpDataset": "mhp",
    "OCHumanDataset": "ochuman",
    "OneHand10KDataset": "onehand10k",
    "PoseTrack18Dataset": "posetrack18",
    "Rhd2DDataset": "rhd2d",
}


def translate_skeleton(
    dataset: Mapping[str, Any], config: Path, findings: Findings
) -> str | dict[str, Any] | None:
    """Return the skeleton of a dataset: the name of a built-in one, or a mapping.

    Args:
        dataset: its config.
        config: the file that is imported; the descriptions lie in a folder above it.
        findings: gets a skeleton that cannot be found.
    """
    given = dataset.get("metainfo")
    if isinstance(given, Mapping):
        given = given.get("from_file", given)
    name = DATASET_INFO.get(type_name(dataset))
    if given is None and name is not None:
        given = f"configs/_base_/datasets/{name}.py"
    if given is None:
        # Its class is refused with the rest; what its skeleton is does not matter then.
        return None
    info = given if isinstance(given, Mapping) else _read_info(given, config, findings)
    if info is None:
        return None
    if "keypoint_info" not in info:
        findings.refuse("dataset.metainfo", "only a whole description of keypoints is translated")
        return None
    definition = _definition(info)
    try:
        return _built_in(Skeleton.load(definition)) or definition
    except ConfigError as error:
        findings.refuse("dataset.metainfo", str(error))
        return None


def _read_info(name: str, config: Path, findings: Findings) -> Mapping[str, Any] | None:
    for folder in config.resolve().parents:
        if (folder / name).is_file():
            return read_mmpose_config(folder / name)["dataset_info"]
    findings.refuse("dataset.metainfo", f"there is no '{name}' in the folders above {config.name}")
    return None


def _definition(info: Mapping[str, Any]) -> dict[str, Any]:
    """Return a `dataset_info` as raypose writes skeletons."""
    keypoints = []
    for _, entry in sorted(info["keypoint_info"].items(), key=lambda pair: int(pair[0])):
        point = {"name": entry["name"], "swap": entry.get("swap") or entry["name"]}
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
        if info.get(theirs):
            definition[ours] = [float(value) for value in info[theirs]]
    return definition


def _built_in(skeleton: Skeleton) -> str | None:
    """Return the name of the built-in skeleton that is the same but for its colours."""
    for name in Skeleton.available():
        known = Skeleton.load(name)
        if all(
            getattr(known, field) == getattr(skeleton, field)
            for field in ("keypoint_names", "flip_indices", "links", "sigmas", "keypoint_weights")
        ):
            return name
    return None
