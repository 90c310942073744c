"""Skeletons of COCO categories, written as YAML that loads to the same."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from raypose.errors import DataError
from raypose.inspection.skeleton_file import category_skeleton, skeleton_text
from raypose.structures import Skeleton

CATEGORIES = [
    {"id": 1, "name": "car"},
    {"id": 2, "name": "mouse", "keypoints": ["nose", "earL", "earR"], "skeleton": [[1, 2], [1, 3]]},
]


def write(folder: Path, categories: list[dict[str, Any]]) -> Path:
    path = folder / "labels.json"
    path.write_text(json.dumps({"images": [], "annotations": [], "categories": categories}))
    return path


def test_the_category_with_keypoints(tmp_path: Path) -> None:
    skeleton = category_skeleton(write(tmp_path, CATEGORIES))
    assert skeleton.name == "mouse"
    assert skeleton.keypoint_names == ("nose", "earL", "earR")
    assert skeleton.flip_indices == (0, 2, 1)
    assert skeleton.links == ((0, 1), (0, 2))


def test_one_of_several(tmp_path: Path) -> None:
    path = write(tmp_path, [*CATEGORIES, {"id": 3, "name": "rat", "keypoints": ["tail"]}])
    assert category_skeleton(path, "rat").keypoint_names == ("tail",)
    with pytest.raises(DataError, match=r"choose one by --category: mouse, rat"):
        category_skeleton(path)
    with pytest.raises(DataError, match=r"no category 'mose' .*Did you mean 'mouse'\?"):
        category_skeleton(path, "mose")


def test_no_keypoints_at_all(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"none of its categories has 'keypoints'"):
        category_skeleton(write(tmp_path, CATEGORIES[:1]))


@pytest.mark.parametrize("name", ["coco", "mpii", "ap10k", "coco_wholebody", "deepfashion_full"])
def test_what_is_written_loads_to_the_same(name: str, tmp_path: Path) -> None:
    skeleton = Skeleton.load(name)
    path = tmp_path / f"{name}.yaml"
    path.write_text(skeleton_text(skeleton, ["a line", "another: one"]))
    assert Skeleton.load(path) == skeleton


def test_a_line_for_each_keypoint_and_limb() -> None:
    skeleton = Skeleton.load(
        {"name": "no", "keypoints": ["l", "r", "on: top"], "links": [["l", "r"]]}
    )
    skeleton = replace(skeleton, keypoint_colors=((1, 2, 3),) * 3, link_colors=((4, 5, 6),))
    assert skeleton_text(skeleton, ["made by hand"]) == (
        "# made by hand\n"
        "name: 'no'\n"
        "keypoints:\n"
        "  - {name: l, swap: r, color: [1, 2, 3]}\n"
        "  - {name: r, swap: l, color: [1, 2, 3]}\n"
        "  - {name: 'on: top', color: [1, 2, 3]}\n"
        "links:\n"
        "  - {link: [l, r], color: [4, 5, 6]}\n"
    )
