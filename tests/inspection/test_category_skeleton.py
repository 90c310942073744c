"""The skeleton of the category that has keypoints."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from raypose.errors import DataError
from raypose.inspection.category_skeleton import category_skeleton

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
