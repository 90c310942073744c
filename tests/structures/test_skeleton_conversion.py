"""Keypoints of one skeleton as those of another."""

from __future__ import annotations

from importlib import resources
from typing import Any

import numpy as np
import pytest
import yaml

from raypose.errors import ConfigError
from raypose.structures import Skeleton, SkeletonConversion

H36M = Skeleton.load("h36m")
CONVERSIONS = resources.files("raypose") / "datasets" / "skeletons" / "conversions"
LSP = [
    *("right_ankle", "right_knee", "right_hip", "left_hip", "left_knee", "left_ankle"),
    *("right_wrist", "right_elbow", "right_shoulder", "left_shoulder", "left_elbow", "left_wrist"),
    *("neck", "head_top"),
]


def lsp(names: list[str] = LSP) -> Skeleton:
    return Skeleton.load({"name": "lsp", "keypoints": names})


def to_h36m(source: Skeleton | str, **options: Any) -> SkeletonConversion:
    return SkeletonConversion.between(Skeleton.load(source), H36M, **options)


def standing(skeleton: Skeleton, middle: dict[str, float]) -> np.ndarray:
    """Return a person (1, K, 2) facing us, y down; `middle` are heights of keypoints at x = 0."""
    x = {"left": 1.0, "right": -1.0}
    y = {"ankle": 4.0, "knee": 3.0, "hip": 2.0, "wrist": 2.0, "elbow": 1.5, "shoulder": 1.0}
    points = []
    for name in skeleton.keypoint_names:
        side, _, part = name.partition("_")
        points.append((0.0, middle[name]) if name in middle else (x[side], y[part]))
    return np.array([points])


LIMBS = {
    0: (0, 2),
    **{1: (-1, 2), 2: (-1, 3), 3: (-1, 4), 4: (1, 2), 5: (1, 3), 6: (1, 4)},
    **{7: (0, 1.5), 8: (0, 1)},
    **{11: (1, 1), 12: (1, 1.5), 13: (1, 2), 14: (-1, 1), 15: (-1, 1.5), 16: (-1, 2)},
}


@pytest.mark.parametrize(
    ("source", "middle", "neck_base", "head"),
    [
        (lsp(), {"neck": 0.6, "head_top": 0.0}, 0.45, 0.25),
        ("aic", {"neck": 0.6, "head_top": 0.0}, 0.45, 0.25),
        ("crowdpose", {"neck": 0.6, "top_head": 0.0}, 0.45, 0.25),
        ("mpii", {"pelvis": 2, "thorax": 0.9, "upper_neck": 0.5, "head_top": 0}, 0.5, 0.25),
        ("campus", {"bottom_head": 0.5, "top_head": 0}, 0.5, 0.25),
        (
            "mpi_inf_3dhp",
            {"root": 2, "spine": 1.5, "neck": 1, "head": 0.5, "head_top": 0},
            *(0.5, 0),
        ),
        (
            "posetrack18",
            {"nose": 0.3, "head_bottom": 0.6, "head_top": 0, "left_ear": 0.2, "right_ear": 0.2},
            *(0.3, 0.3),
        ),
        (
            "panoptic_body3d",
            {
                **{"nose": 0.3, "neck": 0.8, "mid_hip": 2.0, "left_eye": 0.2, "right_eye": 0.2},
                **{"left_ear": 0.25, "right_ear": 0.25},
            },
            *(0.3, 0.2),
        ),
    ],
)
def test_joints_of_a_standing_person(
    source: Skeleton | str, middle: dict[str, float], neck_base: float, head: float
) -> None:
    skeleton = Skeleton.load(source)
    joints = to_h36m(skeleton).keypoints(standing(skeleton, middle))[0]
    expected = {**LIMBS, 9: (0, neck_base), 10: (0, head)}
    for index, place in expected.items():
        np.testing.assert_allclose(joints[index], place, atol=1e-12, err_msg=f"joint {index}")


def test_whole_bodies_halpe_and_openpose_give_what_coco_gives() -> None:
    coco = Skeleton.load("coco")
    points = np.random.default_rng(0).normal(0, 100, (3, 17, 2)).astype(np.float32)
    expected = to_h36m(coco).keypoints(points)
    for name in ("coco_wholebody", "halpe", "halpe26", "h3wb", "coco_openpose", "humanart21"):
        other = Skeleton.load(name)
        more = np.full((3, other.num_keypoints, 2), 1e6, np.float32)
        for index, keypoint in enumerate(coco.keypoint_names):
            more[:, other.keypoint_names.index(keypoint)] = points[:, index]
        np.testing.assert_array_equal(to_h36m(other).keypoints(more), expected, err_msg=name)


def test_openpose_and_back() -> None:
    coco, openpose = Skeleton.load("coco"), Skeleton.load("coco_openpose")
    points = np.random.default_rng(0).normal(0, 100, (2, 17, 2))
    scores = np.random.default_rng(1).uniform(0, 1, (2, 17))
    there = SkeletonConversion.between(coco, openpose)
    converted, converted_scores = there.keypoints(points), there.scores(scores)
    np.testing.assert_allclose(converted[:, 1], (points[:, 5] + points[:, 6]) / 2)
    np.testing.assert_array_equal(converted_scores[:, 1], scores[:, 5:7].min(axis=1))
    back = SkeletonConversion.between(openpose, coco)
    np.testing.assert_array_equal(back.keypoints(converted), points)
    np.testing.assert_array_equal(back.scores(converted_scores), scores)


def test_names_decide_and_not_the_order() -> None:
    points = np.random.default_rng(1).normal(0, 100, (3, 14, 2))
    np.testing.assert_array_equal(
        to_h36m(lsp(LSP[::-1])).keypoints(points[:, ::-1]), to_h36m(lsp()).keypoints(points)
    )


def test_whole_sequences_and_three_dimensions() -> None:
    points = np.random.default_rng(1).normal(0, 100, (2, 5, 17, 3)).astype(np.float32)
    conversion = to_h36m("coco")
    converted = conversion.keypoints(points)
    assert converted.shape == (2, 5, 17, 3)
    assert converted.dtype == np.float32
    np.testing.assert_array_equal(converted[1, 3], conversion.keypoints(points[1, 3]))


def test_a_missing_keypoint_spoils_only_what_depends_on_it() -> None:
    points = np.ones((1, 17, 2))
    points[:, 16] = np.nan
    converted = to_h36m("coco").keypoints(points)
    assert np.isnan(converted[0, :, 0]).nonzero()[0].tolist() == [3]


def test_a_joint_is_as_sure_as_its_least_sure_part() -> None:
    scores = np.linspace(0.1, 0.9, 17, dtype=np.float32)[None]
    converted = to_h36m("coco").scores(scores)[0]
    assert converted[0] == scores[0, 11]  # pelvis: between the hips, 11 and 12
    assert converted[7] == scores[0, 5]  # spine: shoulders and hips
    assert converted[10] == scores[0, 1]  # head: between the eyes
    assert converted[3] == scores[0, 16]


def test_a_conversion_of_ones_own() -> None:
    mouse = Skeleton.load({"name": "mouse", "keypoints": ["snout", "left_ear", "right_ear"]})
    model = Skeleton.load({"name": "model", "keypoints": ["head", "nose", "left_ear"]})
    joints = {"head": {"left_ear": 0.25, "right_ear": 0.75}, "nose": "snout"}
    conversion = SkeletonConversion.between(mouse, model, joints)
    points = np.array([[[0.0, 0], [4, 8], [8, 0]]])
    np.testing.assert_allclose(conversion.keypoints(points), [[[7, 2], [0, 0], [4, 8]]])
    with pytest.raises(ConfigError) as error:
        SkeletonConversion.between(
            mouse, model, {"hed": "snout", "head": {"left_ear": 0.5}, "nose": 3}
        )
    assert error.value.problems == [
        "conversion to 'model': hed: no keypoint is called so. Did you mean 'head'?",
        "conversion to 'model': head: a keypoint, or keypoints with shares that add up to 1, "
        "expected, got {'left_ear': 0.5}",
        "conversion to 'model': nose: a keypoint, or keypoints with shares that add up to 1, "
        "expected, got 3",
    ]
    with pytest.raises(ConfigError, match=r"a mapping of keypoints expected, got 'head'"):
        SkeletonConversion.between(mouse, model, "head")  # type: ignore[arg-type]


def test_what_is_missing_is_named() -> None:
    names = [name for name in LSP if name != "left_hip"]
    with pytest.raises(ConfigError, match=r"of the skeleton 'lsp' .* missing: left_hip$"):
        to_h36m(lsp(names))
    with pytest.raises(ConfigError, match=r"missing: .*left_ankle, .*right_wrist$"):
        to_h36m("ap10k")
    with pytest.raises(ConfigError, match=r"those of 'coco'; missing: left_ear, .*right_eye$"):
        SkeletonConversion.between(Skeleton.load("mpii"), Skeleton.load("coco"))


@pytest.mark.parametrize("file", [file.name for file in CONVERSIONS.iterdir()])
def test_files_are_conversions_to_a_skeleton(file: str) -> None:
    targets = {Skeleton.load(name).name: Skeleton.load(name) for name in Skeleton.available()}
    target = targets[file.removesuffix(".yaml")]
    listed = yaml.safe_load(CONVERSIONS.joinpath(file).read_text(encoding="utf-8"))["conversions"]
    for item in listed:
        assert set(item) <= {"sources", "joints"}
        assert set(item.get("sources", [])) <= set(targets)
        parts: set[str] = {
            name
            for joint in target.keypoint_names
            for given in [item["joints"].get(joint, joint)]
            for name in ([given] if isinstance(given, str) else given)
        }
        everything = Skeleton.load({"name": "everything", "keypoints": sorted(parts)})
        conversion = SkeletonConversion.between(everything, target, item["joints"])
        points = np.random.default_rng(0).normal(0, 100, (2, len(parts), 2))
        moved = conversion.keypoints(points * 2 + 7)
        np.testing.assert_allclose(moved, conversion.keypoints(points) * 2 + 7)
