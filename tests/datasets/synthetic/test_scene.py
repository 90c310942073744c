"""Whole pictures: who is seen where, and annotations that follow from the pixels."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from raypose.datasets.synthetic import Scene, render_scene


@pytest.fixture(scope="module")
def scenes() -> list[Scene]:
    return [render_scene(1, index) for index in range(30)]


def decode(counts: list[int], size: list[int]) -> np.ndarray:
    """Decode COCO run lengths the plain way: alternate runs of 0 and 1, column by column."""
    values = [value for run, count in enumerate(counts) for value in [run % 2] * count]
    return np.array(values, bool).reshape(size[1], size[0]).T


def test_boxes_areas_and_masks_are_those_of_the_silhouette(scenes: list[Scene]) -> None:
    for scene in scenes[:8]:
        for person in scene.people:
            annotation = person.to_coco()
            mask = decode(**annotation["segmentation"])
            np.testing.assert_array_equal(mask, person.silhouette)
            assert mask.shape == scene.image.shape[:2]
            x, y, w, h = annotation["bbox"]
            inside = np.zeros_like(mask)
            inside[y : y + h, x : x + w] = True
            assert not mask[~inside].any()
            assert mask[y].any()
            assert mask[y + h - 1].any()
            assert mask[:, x].any()
            assert mask[:, x + w - 1].any()
            assert annotation["area"] == mask.sum() > 0


def test_visibility_says_inside_hidden_or_seen(scenes: list[Scene]) -> None:
    seen = set()
    for scene in scenes:
        height, width = scene.image.shape[:2]
        for person in scene.people:
            x, y = np.round(person.keypoints).astype(int).T
            inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
            np.testing.assert_array_equal(person.visibility > 0, inside)
            visible = person.visibility == 2
            assert person.silhouette[y[visible], x[visible]].all()
            seen |= set(person.visibility.tolist())
    assert seen == {0, 1, 2}


def test_nobody_is_mostly_hidden(scenes: list[Scene]) -> None:
    for scene in scenes:
        for person, *nearer in (scene.people[i:] for i in range(len(scene.people))):
            covered = np.zeros_like(person.silhouette)
            for other in nearer:
                covered |= other.silhouette
            assert (person.silhouette & ~covered).sum() >= 0.5 * person.silhouette.sum()


def test_annotation_marks_keypoints_outside_by_zeros(scenes: list[Scene]) -> None:
    outside = [
        (person, index)
        for scene in scenes
        for person in scene.people
        for index in np.flatnonzero(person.visibility == 0)
    ]
    assert outside
    for person, index in outside:
        annotation = person.to_coco()
        assert annotation["keypoints"][3 * index : 3 * index + 3] == [0, 0, 0]
        assert annotation["num_keypoints"] == np.count_nonzero(person.visibility)


def test_a_picture_is_its_seed_split_and_index() -> None:
    first, again = render_scene(5, 9, "val"), render_scene(5, 9, "val")
    np.testing.assert_array_equal(first.image, again.image)
    for one, two in zip(first.people, again.people, strict=True):
        np.testing.assert_array_equal(one.keypoints, two.keypoints)
    others = [render_scene(6, 9, "val"), render_scene(5, 9, "train"), render_scene(5, 10, "val")]
    for one, two in pairwise([first, *others]):
        same_size = one.image.shape == two.image.shape
        assert not same_size or not np.array_equal(one.image, two.image)


def test_pictures_are_varied_and_have_people(scenes: list[Scene]) -> None:
    counts = [len(scene.people) for scene in scenes]
    assert min(counts) >= 1
    assert max(counts) >= 3
    assert len({scene.image.shape for scene in scenes}) >= 4
    assert len({person.activity for scene in scenes for person in scene.people}) >= 10
    assert all(scene.image.std() > 8 for scene in scenes)
