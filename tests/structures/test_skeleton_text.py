"""Skeletons as text that loads to the same."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from raypose.structures import Skeleton, skeleton_text


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


@pytest.mark.parametrize("brief", [False, True])
def test_partners_that_names_would_tell_wrongly_are_written(brief: bool, tmp_path: Path) -> None:
    entries = [{"name": "left_x", "swap": "left_x"}, {"name": "right_x", "swap": "right_x"}]
    skeleton = Skeleton.load({"name": "apart", "keypoints": entries})
    path = tmp_path / "apart.yaml"
    path.write_text(skeleton_text(skeleton, brief=brief))
    assert Skeleton.load(path).flip_indices == (0, 1)


def test_brief_leaves_out_colours_and_what_names_tell() -> None:
    skeleton = Skeleton.load({"name": "eyes", "keypoints": ["eyeL", "eyeR"], "weights": [1, 2]})
    assert skeleton_text(skeleton, brief=True) == (
        "name: eyes\n"
        "keypoints:\n"
        "  - {name: eyeL, weight: 1.0}\n"
        "  - {name: eyeR, weight: 2.0}\n"
        "links: []\n"
    )
