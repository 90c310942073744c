from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from raypose.errors import ConfigError
from raypose.structures import Skeleton

GOLDENS = Path(__file__).parents[1] / "goldens" / "datasets" / "skeletons.json.gz"
with gzip.open(GOLDENS, "rt") as file:
    EXPECTED: dict[str, dict[str, Any]] = json.load(file)


@pytest.mark.parametrize("name", EXPECTED)
def test_built_in_skeleton_is_mmposes(name: str) -> None:
    skeleton, expected = Skeleton.load(name), EXPECTED[name]
    assert skeleton.name == expected["dataset_name"]
    assert list(skeleton.keypoint_names) == expected["keypoint_names"]
    assert list(skeleton.flip_indices) == expected["flip_indices"]
    assert list(skeleton.upper_body_ids) == expected["upper_body_ids"]
    assert list(skeleton.lower_body_ids) == expected["lower_body_ids"]
    assert [list(link) for link in skeleton.links] == expected["skeleton_links"]
    assert [list(color) for color in skeleton.keypoint_colors] == expected["keypoint_colors"]
    assert [list(color) for color in skeleton.link_colors] == expected["skeleton_link_colors"]
    np.testing.assert_allclose(skeleton.sigmas or (), expected["sigmas"], atol=1e-7)
    # Two of MMPose's lists are one number short.
    weights = expected["keypoint_weights"]
    np.testing.assert_allclose(skeleton.keypoint_weights[: len(weights)], weights, atol=1e-6)


@pytest.mark.parametrize("name", Skeleton.available())
def test_every_built_in_skeleton_survives_a_round_trip(name: str) -> None:
    skeleton = Skeleton.load(name)
    assert Skeleton.load(skeleton.to_dict()) == skeleton
    flips = np.array(skeleton.flip_indices)
    one_way = np.flatnonzero(flips[flips] != np.arange(skeleton.num_keypoints))
    # MMPose mirrors one point of a vest onto another that stays where it is.
    expected = ["vest_kpt9"] if name == "deepfashion2" else []
    assert [skeleton.keypoint_names[i] for i in one_way] == expected


def test_every_skeleton_of_mmpose_is_built_in() -> None:
    assert set(EXPECTED) == set(Skeleton.available())


def test_a_category_with_wrong_flip_indices() -> None:
    category = {"name": "fish", "keypoints": ["head", "tail"], "flip_indices": [0, 0]}
    with pytest.raises(ConfigError, match="flip_indices: each number from 0 to 1 once"):
        Skeleton.from_coco_category(category)
