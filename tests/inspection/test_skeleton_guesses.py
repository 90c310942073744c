"""What names of keypoints tell: halves, sides, and skeletons that have the same names."""

from __future__ import annotations

import pytest

from raypose.inspection.skeleton_guesses import complete_skeleton
from raypose.structures import Skeleton

GREEN, ORANGE, BLUE = (0, 255, 0), (255, 128, 0), (51, 153, 255)


def of_names(*names: str, **more: object) -> Skeleton:
    return Skeleton.load({"name": "own", "keypoints": list(names), **more})


def halves(skeleton: Skeleton) -> dict[str, str]:
    found, _ = complete_skeleton(skeleton)
    names = found.keypoint_names
    upper = {names[i]: "upper" for i in found.upper_body_ids}
    return {**upper, **{names[i]: "lower" for i in found.lower_body_ids}}


@pytest.mark.parametrize("name", ["coco", "mpii", "aic", "crowdpose", "jhmdb"])
def test_halves_of_people_are_those_of_the_built_in_skeletons(name: str) -> None:
    built_in = Skeleton.load(name)
    guessed = halves(of_names(*built_in.keypoint_names))
    kinds = dict.fromkeys(built_in.upper_body_ids, "upper")
    kinds |= dict.fromkeys(built_in.lower_body_ids, "lower")
    expected = {built_in.keypoint_names[index]: kind for index, kind in kinds.items()}
    assert {each: guessed[each] for each in guessed if each in expected} == {
        each: expected[each] for each in guessed if each in expected
    }
    assert len(guessed) >= len(expected) - 2


def test_halves_of_animals() -> None:
    assert halves(
        of_names("forelegL4", "hindlegL4", "front_paw", "rear_paw", "spine", "wingL")
    ) == {
        "forelegL4": "upper",
        "hindlegL4": "lower",
        "front_paw": "upper",
        "rear_paw": "lower",
        "wingL": "upper",
    }


def test_one_half_alone_is_none() -> None:
    assert halves(of_names("nose", "left_eye", "right_eye")) == {}


def test_what_a_skeleton_says_is_kept() -> None:
    own = Skeleton.load(
        {
            "name": "own",
            "keypoints": [
                {"name": "nose", "type": "lower"},
                {"name": "left_knee", "type": "upper"},
            ],
            "links": [["nose", "left_knee"]],
            "sigmas": 0.3,
        }
    )
    found, notes = complete_skeleton(own)
    assert (found.lower_body_ids, found.upper_body_ids) == ((0,), (1,))
    assert found.links == ((0, 1),)
    assert found.sigmas == (0.3, 0.3)
    assert notes == ["no mirror pairs: flips keep all names"]


def test_sides_have_colours() -> None:
    skeleton = of_names(
        *("nose", "eyeL", "eyeR", "left_hip", "right_hip"),
        links=[["nose", "eyeL"], ["eyeR", "right_hip"], ["left_hip", "right_hip"]],
    )
    found, notes = complete_skeleton(skeleton)
    assert found.keypoint_colors == (BLUE, GREEN, ORANGE, GREEN, ORANGE)
    assert found.link_colors == (GREEN, ORANGE, BLUE)
    assert notes[0] == "2 mirror pairs"


def test_without_sides_colours_stay() -> None:
    skeleton = of_names("a", "b", links=[["a", "b"]])
    found, notes = complete_skeleton(skeleton)
    assert found == skeleton
    assert notes == [
        "no mirror pairs: flips keep all names",
        "no sigmas: OKS, and with it CocoMetric, is not defined",
    ]


def test_limbs_and_sigmas_of_a_built_in_skeleton_of_these_names() -> None:
    coco = Skeleton.load("coco")
    names = [coco.keypoint_names[index] for index in (5, 7, 9, 0)]
    found, notes = complete_skeleton(of_names(*names))
    assert coco.sigmas is not None
    assert found.sigmas == tuple(coco.sigmas[index] for index in (5, 7, 9, 0))
    assert {frozenset((names[i], names[j])) for i, j in found.links} == {
        frozenset(("left_shoulder", "left_elbow")),
        frozenset(("left_elbow", "left_wrist")),
    }
    assert "limbs of 'coco', whose keypoints have these names" in notes
    assert "sigmas of 'coco', whose keypoints have these names" in notes


def test_names_of_nobody_have_no_limbs() -> None:
    _, notes = complete_skeleton(of_names("antenna", "abdomen"))
    assert "no limbs: keypoints are drawn without lines between them" in notes
