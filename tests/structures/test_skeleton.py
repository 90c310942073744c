from __future__ import annotations

import pickle
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from raypose.errors import ConfigError
from raypose.structures import Skeleton

MOUSE: dict[str, Any] = {
    "name": "mouse",
    "keypoints": ["snout", "left_ear", "right_ear", "tail"],
    "links": [["snout", "left_ear"], ["snout", "tail"]],
}


def problems(**changes: Any) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        Skeleton.load({**MOUSE, **changes})
    return caught.value.problems


def test_a_few_lines_are_a_skeleton() -> None:
    mouse = Skeleton.load(MOUSE)
    assert mouse.keypoint_names == ("snout", "left_ear", "right_ear", "tail")
    assert mouse.num_keypoints == 4
    assert mouse.flip_indices == (0, 2, 1, 3)  # by the names
    assert mouse.links == ((0, 1), (0, 3))
    assert mouse.sigmas is None
    assert mouse.keypoint_weights == (1.0,) * 4
    assert len(mouse.keypoint_colors) == 4
    assert len(mouse.link_colors) == 2


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("left_ear", "right_ear"),
        ("leftear", "rightear"),
        ("EarLeft", "EarRight"),
        ("left_brow_left_corner", "right_brow_right_corner"),
        ("wingL", "wingR"),
        ("forelegL4", "forelegR4"),
        ("L_Eye", "R_Eye"),
        ("l_eye", "r_eye"),
        ("eye-l", "eye-r"),
    ],
)
def test_sides_are_read_from_names(left: str, right: str) -> None:
    mouse = Skeleton.load({"keypoints": ["tail", right, "nostril", left]})
    assert mouse.flip_indices == (0, 3, 2, 1)


def test_names_that_tell_no_side_are_their_own_mirror() -> None:
    names = ["paw1LH_top", "paw4RH_top", "Lip", "Rip", "liver", "river", "left_only"]
    assert Skeleton.load({"keypoints": names}).flip_indices == tuple(range(7))


def test_names_files_mappings_and_skeletons_load(tmp_path: Path) -> None:
    file = tmp_path / "mouse.yaml"
    file.write_text(yaml.safe_dump(MOUSE))
    mouse = Skeleton.load(MOUSE)
    assert Skeleton.load(file) == Skeleton.load(str(file)) == mouse
    assert Skeleton.load(mouse) is mouse
    assert Skeleton.load("coco").num_keypoints == 17


@pytest.mark.parametrize("name", Skeleton.available())
def test_what_is_written_loads_again(name: str) -> None:
    skeleton = Skeleton.load(name)
    assert Skeleton.load(skeleton.to_dict()) == skeleton
    assert yaml.safe_load(yaml.safe_dump(skeleton.to_dict())) == skeleton.to_dict()


def test_unknown_names() -> None:
    with pytest.raises(ConfigError, match=r"unknown skeleton 'cocoo'\. Did you mean 'coco'\?"):
        Skeleton.load("cocoo")
    with pytest.raises(ConfigError, match=r"no skeleton file at gone\.yaml"):
        Skeleton.load("gone.yaml")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"keypoints": []}, "mouse: a skeleton needs 'keypoints', a list of names"),
        ({"linkz": []}, "mouse: linkz: unknown key. Did you mean 'links'?"),
        (
            {"keypoints": ["a", "a"], "links": []},
            "mouse: keypoints.1: 'a' is there twice, first as keypoints.0",
        ),
        (
            {"links": [["snout", "left_eer"]]},
            "mouse: links.0: no keypoint is called 'left_eer'. Did you mean 'left_ear'?",
        ),
        ({"links": [["snout"]]}, "mouse: links.0: two keypoint names, got ['snout']"),
        ({"sigmas": [0.1]}, "mouse: sigmas: 4 numbers expected, one for each keypoint, got 1"),
        (
            {"keypoints": [{"name": "snout", "swp": "tail"}, "left_ear", "right_ear", "tail"]},
            "mouse: keypoints.0.swp: unknown key. Did you mean 'swap'?",
        ),
        (
            {"keypoints": [{"name": "snout", "type": "top"}, "left_ear", "right_ear", "tail"]},
            "mouse: keypoints.0.type: 'upper' or 'lower', got top",
        ),
        (
            {"keypoints": [{"name": "snout", "swap": "tail"}, "left_ear", "right_ear", "tail"]},
            "mouse: keypoints.0.swap: 'snout' mirrors 'tail', but 'tail' mirrors 'tail'",
        ),
        (
            {"keypoints": [{"name": "snout", "sigma": 0.1}, "left_ear", "right_ear", "tail"]},
            "mouse: keypoints: 'sigma' is missing for left_ear, right_ear, tail",
        ),
        ({"keypoints": 3}, "mouse: keypoints: a list of names expected, got 3"),
        ({"keypoints": "abc"}, "mouse: keypoints: a list of names expected, got 'abc'"),
        (
            {"keypoints": ["a", 7], "links": []},
            "mouse: keypoints.1: a name, or a mapping with 'name', expected, got 7",
        ),
        (
            {"keypoints": ["a", {"nam": "b"}], "links": []},
            "mouse: keypoints.1: a name, or a mapping with 'name', expected, got {'nam': 'b'}",
        ),
        ({"links": 5}, "mouse: links: a list of pairs of keypoints expected, got 5"),
        ({"links": [{"lnk": [0, 1]}]}, "mouse: links.0: two keypoint names, got {'lnk': [0, 1]}"),
        (
            {"links": [{"link": ["snout", "tail"], "color": 3}]},
            "mouse: links.0.color: three numbers from 0 to 255 expected, got 3",
        ),
        (
            {"keypoints": [{"name": "a", "color": "red"}], "links": []},
            "mouse: keypoints.0.color: three numbers from 0 to 255 expected, got 'red'",
        ),
        (
            {"keypoints": [{"name": "a", "sigma": "x"}], "links": []},
            "mouse: keypoints.0.sigma: a number above 0 expected, got 'x'",
        ),
        ({"sigmas": [1, 2, "x", 4]}, "mouse: sigmas.2: a number above 0 expected, got 'x'"),
        ({"sigmas": 0}, "mouse: sigmas: a number above 0 expected, got 0"),
        ({"weights": [1, 1, -1, 0]}, "mouse: weights.2: a number from 0 expected, got -1"),
        ({"links": [["snout", "snout"]]}, "mouse: links.0: it leads from 'snout' to itself"),
        (
            {"links": [["snout", "tail"], ["tail", "snout"]]},
            "mouse: links.1: it is there twice, first as links.0",
        ),
        ({"weights": "heavy"}, "mouse: weights: 4 numbers expected, got 'heavy'"),
    ],
)
def test_a_mistake_says_where_it_is(changes: dict[str, Any], message: str) -> None:
    assert problems(**changes) == [message]


def test_all_mistakes_at_once() -> None:
    found = problems(linkz=[], links=[["snout", "tial"], ["snout"]], sigmas=[1, 2])
    assert [re.sub(r"^mouse: ", "", line).split(":")[0] for line in found] == [
        "linkz",
        "links.0",
        "links.1",
        "sigmas",
    ]


def test_one_number_for_all_keypoints() -> None:
    mouse = Skeleton.load({**MOUSE, "sigmas": 0.05, "weights": [1, 2, 2, 1]})
    assert mouse.sigmas == (0.05,) * 4
    assert mouse.keypoint_weights == (1.0, 2.0, 2.0, 1.0)


def test_the_category_of_a_coco_file() -> None:
    category = {"name": "mouse", "keypoints": MOUSE["keypoints"], "skeleton": [[1, 2], [1, 4]]}
    mouse = Skeleton.from_coco_category(category)
    assert mouse.links == ((0, 1), (0, 3))
    assert mouse.flip_indices == (0, 2, 1, 3)
    swapped = Skeleton.from_coco_category(
        {**category, "flip_indices": [3, 1, 2, 0], "sigmas": [0.1, 0.2, 0.2, 0.1]}
    )
    assert swapped.flip_indices == (3, 1, 2, 0)
    assert swapped.sigmas == (0.1, 0.2, 0.2, 0.1)


def test_a_link_that_a_category_has_twice_is_one() -> None:
    links = [[1, 2], [1, 4], [2, 1], [3, 3]]
    category = {"name": "mouse", "keypoints": MOUSE["keypoints"], "skeleton": links}
    assert Skeleton.from_coco_category(category).links == ((0, 1), (0, 3))


def test_a_category_that_contradicts_itself() -> None:
    with pytest.raises(ConfigError) as caught:
        Skeleton.from_coco_category(
            {"name": "m", "keypoints": ["a", "b"], "skeleton": [[0, 1]], "flip_indices": [0, 0]}
        )
    assert caught.value.problems == [
        "category 'm': skeleton.0: two numbers from 1 to 2 expected, got [0, 1]",
        "category 'm': flip_indices: each number from 0 to 1 once, got [0, 0]",
    ]


FILE = """\
name: mouse
keypoints:
  - snout
  - {name: left_ear, swap: snout}
  - right_ear
  - {name: tail,
     typo: 1, color: red}
links:
  - [snout, left_ear]
  - [snout,
     tial]
  - link: [tail, tail]
sigmas: [0.1, 0.1, 0.1]
"""


def problems_of_file(tmp_path: Path, text: str) -> list[str]:
    file = tmp_path / "mouse.yaml"
    file.write_text(text)
    with pytest.raises(ConfigError) as caught:
        Skeleton.load(file)
    again = pickle.loads(pickle.dumps(caught.value))
    assert again.problems == caught.value.problems
    return [line.removeprefix(f"{tmp_path}/") for line in caught.value.problems]


def test_a_mistake_in_a_file_says_its_line(tmp_path: Path) -> None:
    assert problems_of_file(tmp_path, FILE) == [
        "mouse.yaml:7: keypoints.3.typo: unknown key. Did you mean 'type'?",
        "mouse.yaml:7: keypoints.3.color: three numbers from 0 to 255 expected, got 'red'",
        "mouse.yaml:10: links.1: no keypoint is called 'tial'. Did you mean 'tail'?",
        "mouse.yaml:12: links.2: it leads from 'tail' to itself",
        "mouse.yaml:13: sigmas: 4 numbers expected, one for each keypoint, got 3",
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "mouse.yaml: a skeleton needs 'keypoints', a list of names"),
        ("name: mouse", "mouse.yaml:1: a skeleton needs 'keypoints', a list of names"),
        ("keypoints: [a]\nlinks: []\nlinks: []", "mouse.yaml:2: links: the key is there twice"),
        ("keypoints:\n  - a\n  - [b", "mouse.yaml:3: not valid YAML: while parsing a flow"),
        (
            "keypoints:\n  - {name: a, swap: b}\n  - b",
            "mouse.yaml:2: keypoints.0.swap: 'a' mirrors 'b', but 'b' mirrors 'b'",
        ),
        (
            "keypoints:\n  - {name: a, sigma: 1}\n  - {name: b,\n     sigma: -1}",
            "mouse.yaml:4: keypoints.1.sigma: a number above 0 expected, got -1",
        ),
    ],
)
def test_a_file_that_is_no_skeleton(tmp_path: Path, text: str, message: str) -> None:
    (problem,) = problems_of_file(tmp_path, text)
    assert problem.startswith(message)
