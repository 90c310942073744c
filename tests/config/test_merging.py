"""`_base_`: what merges, what replaces, and where each key says it is from."""

from __future__ import annotations

from pathlib import Path

import pytest

from raypose.config.merging import read_with_bases
from raypose.config.nodes import Node, Problem
from tests.config.conftest import Write


def read(path: Path) -> tuple[Node, list[str]]:
    problems: list[Problem] = []
    return read_with_bases(path, problems), [str(problem) for problem in problems]


def test_mappings_merge_and_lists_and_scalars_replace(write: Write) -> None:
    write("base.yaml", "a: {x: 1, y: {z: 2, w: 3}}\nb: [1, 2, 3]\nc: 1\n")
    path = write("exp.yaml", "_base_: base.yaml\na: {y: {z: 5}, v: 4}\nb: [9]\nc: null\n")
    node, problems = read(path)
    assert problems == []
    assert node.plain() == {"a": {"x": 1, "y": {"z": 5, "w": 3}, "v": 4}, "b": [9], "c": None}


def test_a_mapping_of_another_type_replaces(write: Write) -> None:
    write("base.yaml", "neck: {type: A, x: 1}\nhead: {type: H, x: 1}\nfree: {x: 1}\n")
    path = write(
        "exp.yaml", "_base_: base.yaml\nneck: {type: B}\nhead: {type: H, y: 2}\nfree: {type: F}\n"
    )
    node, _ = read(path)
    assert node.plain() == {
        "neck": {"type": "B"},
        "head": {"type": "H", "x": 1, "y": 2},
        "free": {"x": 1, "type": "F"},
    }


def test_every_key_names_the_file_that_has_the_last_word(write: Write) -> None:
    write("parts/base.yaml", "a:\n  x: 1\n  y: 2\n")
    node, _ = read(write("exp.yaml", "_base_: parts/base.yaml\na:\n  y: 3\n"))
    places = {".".join(map(str, path)): str(child.mark) for path, child in node.walk()}
    assert places["a.x"] == "parts/base.yaml:2"
    assert places["a.y"] == "exp.yaml:3"


def test_bases_of_bases_are_relative_to_their_own_file(write: Write) -> None:
    write("common/one.yaml", "a: 1\n")
    write("common/two.yaml", "_base_: one.yaml\nb: 2\n")
    node, problems = read(write("deep/er/exp.yaml", "_base_: [../../common/two.yaml]\nc: 3\n"))
    assert problems == []
    assert node.plain() == {"a": 1, "b": 2, "c": 3}


def test_two_bases_that_set_the_same_key_contradict_each_other(write: Write) -> None:
    write("one.yaml", "train: {epochs: 1}\nlist: [1]\n")
    write("two.yaml", "train:\n  epochs: 2\n  seed: 0\nlist: [1]\n")
    _, problems = read(write("exp.yaml", "_base_: [one.yaml, two.yaml]\n"))
    assert problems == [
        "two.yaml:2: train.epochs: two bases set it, the other one is one.yaml:1; "
        "set it here or in one base",
        "two.yaml:4: list: two bases set it, the other one is one.yaml:2; "
        "set it here or in one base",
    ]


def test_the_file_itself_may_decide_between_its_bases(write: Write) -> None:
    write("one.yaml", "train: {epochs: 1}\n")
    write("two.yaml", "train: {epochs: 2}\n")
    node, problems = read(write("exp.yaml", "_base_: [one.yaml, two.yaml]\ntrain: {epochs: 3}\n"))
    assert problems == []
    assert node.plain() == {"train": {"epochs": 3}}


def test_a_base_that_two_bases_share_is_no_contradiction(write: Write) -> None:
    write("root.yaml", "a: 1\nm: {x: 1}\n")
    write("one.yaml", "_base_: root.yaml\nb: 1\n")
    write("two.yaml", "_base_: root.yaml\nc: 1\n")
    node, problems = read(write("exp.yaml", "_base_: [one.yaml, two.yaml]\n"))
    assert problems == []
    assert node.plain() == {"a": 1, "m": {"x": 1}, "b": 1, "c": 1}


def test_a_base_that_is_not_there(write: Write) -> None:
    write("schedule.yaml", "a: 1\n")
    _, problems = read(write("exp.yaml", "b: 1\n_base_: [schedul.yaml, 3]\n"))
    assert problems == [
        "exp.yaml:2: _base_: no file 'schedul.yaml' beside exp.yaml. Did you mean 'schedule.yaml'?",
        "exp.yaml:2: _base_: a path or a list of paths expected, got 3",
    ]


@pytest.mark.parametrize("names", [("exp",), ("exp", "b"), ("exp", "b", "c")])
def test_files_that_inherit_in_a_circle(write: Write, names: tuple[str, ...]) -> None:
    for name, following in zip(names, (*names[1:], names[0]), strict=True):
        write(f"{name}.yaml", f"_base_: {following}.yaml\n")
    _, problems = read(Path("exp.yaml").resolve())
    circle = " -> ".join(f"{name}.yaml" for name in (*names, "exp"))
    assert problems == [f"{names[-1]}.yaml:1: _base_: files inherit in a circle: {circle}"]


def test_a_base_may_be_the_name_of_a_config_of_raypose(write: Write) -> None:
    node, problems = read(write("exp.yaml", "_base_: examples/lspet\ndata_root: mine\n"))
    assert problems == []
    assert node.plain()["data_root"] == "mine"
    assert node.plain()["codec"]["type"] == "MSRAHeatmap"


def test_a_file_beside_the_config_comes_before_a_name_of_raypose(write: Write) -> None:
    write("examples/lspet", "a: 1\n")
    node, _ = read(write("exp.yaml", "_base_: examples/lspet\n"))
    assert node.plain() == {"a": 1}
