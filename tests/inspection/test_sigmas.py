"""OKS sigmas from labels that were drawn with a known spread."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from raypose.errors import DataError
from raypose.inspection.labels import Labels
from raypose.inspection.sigmas import LEAST_REPEATS, estimate_sigmas
from raypose.inspection.sources import read_file_labels
from tests.inspection.walkers import Content, points_of, set_points, walkers, write_labels

SPREAD = np.array([0.01, 0.02, 0.03, 0.03, 0.02, 0.02, 0.04, 0.01])


def relabelled(content: Content, seed: int, area: float = 900.0) -> Content:
    """Return labels of another person: those of `content`, off by SPREAD x sqrt(area)."""
    random = np.random.default_rng(seed)
    entries = []
    for entry in content["annotations"]:
        copy = {**entry}
        points = points_of(entry)
        points[:, :2] += random.normal(0, 1, (8, 2)) * SPREAD[:, None] * np.sqrt(area)
        set_points(copy, points)
        entries.append({**copy, "area": area, "id": entry["id"] + 1000 * seed})
    # Another order, so that instances are found by place.
    return {**content, "annotations": entries[::-1]}


def read(folder: Path, *contents: Content) -> list[Labels]:
    files = {f"person{number}": content for number, content in enumerate(contents)}
    return read_file_labels(write_labels(folder, **files)).labels


@pytest.mark.parametrize("people", [2, 3])
def test_a_known_spread_is_measured(people: int, tmp_path: Path) -> None:
    truth = walkers(600, seed=0, prefix="a")
    contents = [relabelled(truth, seed) for seed in range(1, people + 1)]
    found = estimate_sigmas(read(tmp_path, *contents))
    # Each axis has the spread, so their squares add up to twice its own.
    np.testing.assert_allclose(found.values, np.sqrt(2) * SPREAD, rtol=0.08)
    assert found.repeats.tolist() == [600] * 8
    assert found.boxes_as_areas == 0


def test_two_labels_by_hand(tmp_path: Path) -> None:
    truth = walkers(LEAST_REPEATS, seed=0, prefix="a")
    other = relabelled(truth, seed=0, area=0.0)
    for entry in (*truth["annotations"], *other["annotations"]):
        entry["area"] = 400.0
    for entry in other["annotations"]:
        points = points_of(entry)
        points[:, 0] += 2
        entry["keypoints"] = points.ravel().tolist()
    found = estimate_sigmas(read(tmp_path, truth, other))
    # Two labels 2 pixels apart: each is 1 from the middle, so d^2 = (1 + 1) / (2 - 1) = 2.
    np.testing.assert_allclose(found.values, np.sqrt(2 / 400))


def test_people_of_one_picture_are_told_apart_and_boxes_stand_for_areas(tmp_path: Path) -> None:
    truth = walkers(40, seed=0, prefix="a")
    for entry in truth["annotations"]:
        points = points_of(entry)
        points[:, 0] += 300 * (entry["id"] % 2)
        set_points(entry, points)
        entry["image_id"] = (entry["id"] + 1) // 2
    contents = [relabelled(truth, seed) for seed in (1, 2)]
    for content in contents:
        for entry in content["annotations"]:
            del entry["area"]
            entry["bbox"] = [0, 0, 30, 30 / 0.53]
    found = estimate_sigmas(read(tmp_path, *contents))
    assert found.repeats.tolist() == [40] * 8
    assert found.boxes_as_areas == 40
    np.testing.assert_allclose(found.values, np.sqrt(2) * SPREAD, rtol=0.3)


def test_what_is_not_labelled_twice_does_not_count(tmp_path: Path) -> None:
    truth = walkers(30, seed=0, prefix="a")
    one, other = relabelled(truth, 1), relabelled(truth, 2)
    for entry in one["annotations"][:5]:
        points = points_of(entry)
        points[3] = 0
        entry["keypoints"] = points.ravel().tolist()
    assert estimate_sigmas(read(tmp_path, one, other)).repeats.tolist() == [
        *(30, 30, 30, 25, 30, 30, 30, 30)
    ]


def test_one_file_tells_nothing(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"give two files or more, in which the same images"):
        estimate_sigmas(read(tmp_path, walkers(30, seed=0, prefix="a")))


def test_too_few_repeats(tmp_path: Path) -> None:
    truth = walkers(LEAST_REPEATS - 1, seed=0, prefix="a")
    message = r"at least 10 repeated labels of each keypoint; too few are of head \(9\), tail \(9\)"
    with pytest.raises(DataError, match=message):
        estimate_sigmas(read(tmp_path, relabelled(truth, 1), relabelled(truth, 2)))


def test_copies_tell_nothing(tmp_path: Path) -> None:
    truth = walkers(30, seed=0, prefix="a")
    with pytest.raises(DataError, match=r"all labels of head, tail, .* are the same in all files"):
        estimate_sigmas(read(tmp_path, truth, truth))


def test_pictures_of_other_names_are_other_pictures(tmp_path: Path) -> None:
    truth = walkers(30, seed=0, prefix="a")
    with pytest.raises(DataError, match=r"too few are of head \(0\)"):
        estimate_sigmas(read(tmp_path, truth, walkers(30, seed=0, prefix="b")))


def test_files_of_another_skeleton(tmp_path: Path) -> None:
    truth, other = walkers(30, seed=0, prefix="a"), walkers(30, seed=0, prefix="a")
    other["categories"][0]["keypoints"][0] = "nose"
    with pytest.raises(DataError, match=r"person1.json: its keypoints are not those of .*person0"):
        estimate_sigmas(read(tmp_path, truth, other))
