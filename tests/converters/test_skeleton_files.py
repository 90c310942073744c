"""Skeletons written as YAML and read again."""

from __future__ import annotations

from pathlib import Path

import pytest

from raypose.converters.skeleton_files import make_skeleton, write_skeleton
from raypose.errors import DataError
from raypose.structures import Skeleton
from tests.converters.samples import MOUSE


@pytest.mark.parametrize("name", ["coco", "mpii", "h36m", "ap10k", "horse10", "deepfashion_full"])
def test_shipped_skeletons_come_back(tmp_path: Path, name: str) -> None:
    skeleton = Skeleton.load(name)
    write_skeleton(skeleton, tmp_path / "skeleton.yaml")
    again = Skeleton.load(tmp_path / "skeleton.yaml")
    for part in (
        *("name", "keypoint_names", "flip_indices", "links", "sigmas", "keypoint_weights"),
        *("upper_body_ids", "lower_body_ids"),
    ):
        assert getattr(again, part) == getattr(skeleton, part), part


def test_what_names_say_is_not_written(tmp_path: Path) -> None:
    write_skeleton(MOUSE, tmp_path / "mouse.yaml")
    assert (tmp_path / "mouse.yaml").read_text() == (
        "name: mouse\nkeypoints:\n"
        "  - {name: snout}\n  - {name: left_ear}\n  - {name: right_ear}\n  - {name: tail}\n"
        "links:\n  - [snout, left_ear]\n  - [snout, right_ear]\n  - [left_ear, tail]\n"
    )
    # These two are no partners, whatever their names say.
    apart = make_skeleton(
        "a", ["left_x", "right_x"], "f", swaps={"left_x": "left_x", "right_x": "right_x"}
    )
    write_skeleton(apart, tmp_path / "apart.yaml")
    assert Skeleton.load(tmp_path / "apart.yaml").flip_indices == (0, 1)


def test_broken_definition_names_its_file() -> None:
    with pytest.raises(DataError, match=r"mice.csv: .*'tail' is there twice"):
        make_skeleton("mouse", ["tail", "tail"], "mice.csv")
