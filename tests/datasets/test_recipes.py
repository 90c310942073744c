"""Data sets of several skeletons in one training, as the shipped recipes combine them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from raypose.config import Config, load_config
from raypose.config.building import build_pipeline
from raypose.registry import DATASETS
from raypose.structures import PoseSample, Skeleton
from tests.datasets.test_formats import FILES

RECIPES = [
    "rtmpose-m_8xb256-420e_body8-256x192",
    "rtmpose-m_8xb512-700e_body8-halpe26-256x192",
    "rtmpose-m_8xb256-420e_aic-coco-256x192",
    "rtmpose-m_8xb256-120e_face6-256x256",
    "rtmpose-m_8xb256-210e_hand5-256x256",
    "rtmo-l_16xb16-600e_body7-640x640",
    "rtmo-l_16xb16-700e_body7-crowdpose-640x640",
    "rtmw-m_8xb1024-270e_cocktail14-256x192",
    "rtmpose-m_8xb64-270e_coco-ubody-wholebody-256x192",
]


# What one data set calls otherwise than another.
SYNONYMS = {
    "head": ("head_top", "top_head", "head"),
    "top_head": ("head_top", "head"),
    "neck": ("upper_neck", "thorax", "head_bottom"),
    "left_forefinger4": ("left_finger",),
    "right_forefinger4": ("right_finger",),
    "left_big_toe": ("left_toe",),
    "right_big_toe": ("right_toe",),
    "left_hand_root": ("left_wrist",),
    "right_hand_root": ("right_wrist",),
}


# Recipes with other names than numbers in both skeletons.
BODIES = [name for name in RECIPES if not {"face6", "hand5", "ubody"} & set(re.split("[_-]", name))]


@pytest.mark.parametrize("name", BODIES)
def test_keypoints_go_to_those_of_their_names(name: str) -> None:
    config = load_config(name)
    target = _target(config)
    mapped = 0
    for part, steps in _parts(config.data["data"]["train"]["dataset"]):
        source = Skeleton.load(_skeleton_of(part))
        for start, end in _mapping(steps):
            if not isinstance(start, int) or source.keypoint_names[start].startswith("kpt-"):
                continue  # faces: what has a number in place of a name
            expected = target.keypoint_names[end]
            found = source.keypoint_names[start]
            assert found == expected or found in SYNONYMS[expected], (part["type"], found, expected)
            mapped += 1
    assert mapped >= 12


@pytest.mark.parametrize("name", RECIPES)
def test_mirror_partners_stay_partners(name: str) -> None:
    config = load_config(name)
    target = _target(config)
    for part, steps in _parts(config.data["data"]["train"]["dataset"]):
        partners = Skeleton.load(_skeleton_of(part)).flip_indices
        pairs = {_ends(start): end for start, end in _mapping(steps)}
        for ends, end in pairs.items():
            mirrored = frozenset(partners[one] for one in ends)
            assert pairs[mirrored] == target.flip_indices[end], (part["type"], ends, end)


@pytest.mark.parametrize("name", RECIPES)
def test_samples_of_all_parts_have_the_keypoints_of_the_model(name: str, shared_data: Path) -> None:
    config = load_config(name)
    count = _target(config).num_keypoints
    node: Mapping[str, Any] = config.data["data"]["train"]["dataset"]
    node = {"skeleton": config.skeleton, **_of_real_files(node, shared_data / "formats")}
    combined = DATASETS.build(node)
    pipeline = build_pipeline(config, "train")
    seen: dict[int, PoseSample] = {}
    for index in range(len(combined)):
        sample = combined[index]
        seen.setdefault(sample.meta["dataset"], sample)
    assert len(seen) == len(node["datasets"])
    for number, (part, steps) in enumerate(_parts(node)):
        sample = seen[number]
        assert sample.keypoints is not None
        assert sample.keypoints.shape[1] == count
        alone = DATASETS.build({key: part[key] for key in part if key != "pipeline"})[0]
        for start, end in _mapping(steps):
            expected = alone.keypoints[:, list(_ends(start))].mean(axis=1)
            np.testing.assert_allclose(sample.keypoints[:, end, :2], expected, rtol=1e-6)
        assert sample.img_path is not None
        if "rtmo" not in name and Path(sample.img_path).is_file():  # which mixes pictures
            ready = pipeline(sample, number)
            assert ready is not None
            assert ready.image is not None
            assert ready.image.shape[:2] == tuple(reversed(config.data["codec"]["input_size"]))


def _target(config: Config) -> Skeleton:
    assert config.skeleton is not None
    return Skeleton.load(config.skeleton)


def _parts(
    dataset: Mapping[str, Any], steps: tuple[Mapping[str, Any], ...] = ()
) -> Iterator[tuple[Mapping[str, Any], tuple[Mapping[str, Any], ...]]]:
    """Yield the data sets that read files, each with the steps that are its own."""
    own = (*dataset.get("pipeline", ()), *steps)
    parts = dataset.get("datasets") or ([dataset["dataset"]] if "dataset" in dataset else [])
    for part in parts:
        yield from _parts(part, own)
    if not parts:
        yield dataset, own


def _skeleton_of(part: Mapping[str, Any]) -> Any:
    return part.get("skeleton") or DATASETS.get(part["type"]).default_skeleton


def _mapping(steps: Iterable[Mapping[str, Any]]) -> list[Any]:
    return [pair for s in steps if s["type"] == "KeypointConverter" for pair in s["mapping"]]


def _ends(start: int | Sequence[int]) -> frozenset[int]:
    return frozenset([start] if isinstance(start, int) else start)


def _of_real_files(node: Mapping[str, Any], root: Path) -> dict[str, Any]:
    """Return a dataset whose parts read the small files of their classes."""
    changed = dict(node)
    if "datasets" in node:
        changed["datasets"] = [_of_real_files(part, root) for part in node["datasets"]]
    elif "dataset" in node:
        changed["dataset"] = _of_real_files(node["dataset"], root)
    else:
        kinds = (node["type"], node["type"].replace("HalpeHand", "Halpe"))
        read = next(one for one in FILES if one.name in kinds)
        folder = read.file.split("/")[0].replace("halpe", "coco")
        changed.update(read.options)
        changed.pop("sample_interval", None)
        changed.update(data_root=str(root), ann_file=read.file, data_prefix={"img": folder})
    return changed
