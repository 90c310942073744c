"""Where labels come from: the datasets of a config, or bare COCO files."""

from __future__ import annotations

import inspect
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args

from raypose.config import Config, Split
from raypose.config.building import of_skeleton
from raypose.config.sections import TrainSplitSection
from raypose.datasets import BaseMocapDataset, CocoDataset, CombinedDataset, RepeatDataset
from raypose.errors import ConfigError, DataError
from raypose.inspection.coco_labels import read_coco_labels
from raypose.inspection.finding import Finding, file_findings
from raypose.inspection.labels import Labels
from raypose.inspection.sample_labels import read_sample_labels
from raypose.registry import DATASETS
from raypose.structures import Skeleton


@dataclass(kw_only=True)
class Source:
    """All labels that were read.

    Attributes:
        labels: one for each annotation file of each split.
        findings: what could not be read.
        notes: what was passed over, for people.
    """

    labels: list[Labels] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def read_config_labels(config: Config, splits: Sequence[str] = get_args(Split)) -> Source:
    """Read the annotation files of a config, those of combined datasets one by one.

    Args:
        config: whose data are read.
        splits: those of it, all by default.

    Raises:
        ConfigError: if it has no data.
    """
    source = Source()
    sections = {split: getattr(config.data_options, split) for split in splits}
    if not any(sections.values()):
        raise ConfigError(f"{config.path or 'the config'}: data.train and data.val are missing")
    for split, section in sections.items():
        if section is None:
            continue
        color_type = color_type_of(section.pipeline)
        first = len(source.labels)
        for name, node, skeleton in _parts(section.dataset, split, config.skeleton):
            _read_dataset(source, name, node, skeleton, color_type)
        if isinstance(section, TrainSplitSection) and section.add:
            given = section.dataset.get("skeleton") or config.skeleton
            if given is None and len(source.labels) > first:
                given = source.labels[first].skeleton
            for number, node in enumerate(section.add):
                for name, part, _ in _parts(
                    of_skeleton(node, given), f"{split}.add.{number}", None
                ):
                    _read_dataset(source, name, part, None, color_type)
    return source


def read_file_labels(
    files: Sequence[str], skeleton: Skeleton | None = None, image_folder: str | None = None
) -> Source:
    """Read COCO files, each as a split of its own, called by its name.

    Args:
        files: the JSON files.
        skeleton: what the keypoints are; by default what each file's categories say.
        image_folder: folder of the pictures, that of each file by default.
    """
    source = Source()
    names = [Path(file).stem for file in files]
    for file, name in zip(files, names, strict=True):
        labels, findings = read_coco_labels(
            file,
            split=name if names.count(name) == 1 else file,
            image_folder=str(Path(file).parent) if image_folder is None else image_folder,
            skeleton=skeleton,
        )
        source.labels += [] if labels is None else [labels]
        source.findings += findings
    return source


def _parts(
    node: Mapping[str, Any], name: str, skeleton: Skeleton | None
) -> Iterator[tuple[str, Mapping[str, Any], Skeleton | None]]:
    """Yield the datasets that one is made of: name, config, and the skeleton handed to it."""
    kind = DATASETS.get(node["type"])
    # Keypoints are checked as they were labelled, before a part's pipeline rearranges them.
    node = {key: value for key, value in node.items() if key != "pipeline"}
    if kind is CombinedDataset:
        for number, part in enumerate(node["datasets"]):
            yield from _parts(part, f"{name}.datasets.{number}", None)
    elif kind is RepeatDataset:
        yield from _parts(node["dataset"], name, node.get("skeleton", skeleton))
    else:
        yield name, node, skeleton


def _read_dataset(
    source: Source,
    split: str,
    node: Mapping[str, Any],
    skeleton: Skeleton | None,
    color_type: str,
) -> None:
    kind = DATASETS.get(node["type"])
    file = os.path.join(node.get("data_root") or "", str(node.get("ann_file", "")))
    if node.get("bbox_file") is not None:
        source.notes.append(f"{split}: labels are checked, not the detections of bbox_file")
    if _is_plain_coco(kind):
        root = node.get("data_root") or ""
        given = node.get("skeleton") or skeleton or kind.default_skeleton
        labels, findings = read_coco_labels(
            file,
            split=split,
            image_folder=os.path.join(root, (node.get("data_prefix") or {}).get("img", "")),
            skeleton=None if given is None else Skeleton.load(given),
            keypoint_fields=kind.keypoint_fields,
            whole_boxes=kind.clip_boxes,
            color_type=color_type,
        )
        source.labels += [] if labels is None else [labels]
        source.findings += findings
        return
    arguments = {
        key: value for key, value in node.items() if key not in ("bbox_file", "filter_cfg")
    }
    takes = "skeleton" in inspect.signature(kind).parameters
    handed = {"skeleton": skeleton} if takes and skeleton is not None else {}
    try:
        dataset = DATASETS.build(arguments, **handed)
    except DataError as error:
        source.findings += file_findings(error, file)
        return
    own = getattr(dataset, "skeleton", skeleton)
    if isinstance(dataset, BaseMocapDataset):
        source.notes.append(
            f"{split}: {file}, {len(dataset)} samples, is read and sound; motion capture has no "
            "pictures"
        )
    elif own is None:
        source.notes.append(f"{split}: {node['type']} has no skeleton; its labels are not checked")
    else:
        labels = read_sample_labels(
            dataset, split=split, file=file, skeleton=Skeleton.load(own), color_type=color_type
        )
        source.labels.append(labels)


def _is_plain_coco(kind: Any) -> bool:
    """Whether a dataset reads COCO's own form, which can be read past its mistakes."""
    return (
        isinstance(kind, type)
        and issubclass(kind, CocoDataset)
        and all(
            getattr(kind, name) is getattr(CocoDataset, name)
            for name in ("__init__", "arrange", "make_sample")
        )
    )


def color_type_of(pipeline: Sequence[Mapping[str, Any]]) -> str:
    """Return how the pipeline decodes images."""
    for step in pipeline:
        if str(step["type"]).rsplit(".", 1)[-1] == "LoadImage":
            return step.get("color_type", "color")
    return "color"
