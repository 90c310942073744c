"""Hidden keypoints are marked in samples, and the mark goes through transforms."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from raypose.datasets import CocoDataset
from raypose.inspection.sources import read_file_labels
from raypose.inspection.visibility import HIDDEN, MarkedDataset
from raypose.transforms import RandomFlip
from tests.inspection.walkers import Content, points_of, write_labels


def marked(folder: Path, content: Content, **arguments: object) -> MarkedDataset:
    (file,) = write_labels(folder, train=content)
    dataset = CocoDataset(ann_file=file, data_prefix={"img": str(folder)}, **arguments)  # type: ignore[arg-type]
    return MarkedDataset(dataset, read_file_labels([file]).labels)


def hide(entry: Content, *keypoints: int, visibility: int = 1) -> None:
    points = points_of(entry)
    points[list(keypoints), 2] = visibility
    entry["keypoints"] = points.ravel().tolist()


def test_hidden_keypoints_are_marked(train: Content, tmp_path: Path) -> None:
    hide(train["annotations"][3], 2, 5)
    hide(train["annotations"][3], 7, visibility=0)
    samples = marked(tmp_path, train)
    assert len(samples) == 40
    expected = np.ones((40, 8), np.float32)
    expected[3, [2, 5]], expected[3, 7] = HIDDEN, 0
    found = [samples[index].keypoints_visible for index in range(40)]
    np.testing.assert_array_equal(np.array(found)[:, 0], expected)


def test_people_of_one_image_are_told_apart(train: Content, tmp_path: Path) -> None:
    train["annotations"][1]["image_id"] = 1
    hide(train["annotations"][1], 0)
    visible = marked(tmp_path, train, data_mode="bottomup")[0].keypoints_visible
    assert visible is not None
    assert visible[:, 0].tolist() == [1, HIDDEN]


def test_a_flip_takes_the_mark_to_the_other_side(train: Content, tmp_path: Path) -> None:
    hide(train["annotations"][0], 2)
    sample = marked(tmp_path, train)[0]
    sample.img_shape = (120, 160)
    flipped = RandomFlip(prob=1.0, direction="horizontal")(sample)
    assert flipped is not None
    assert flipped.keypoints_visible is not None
    assert flipped.keypoints_visible[0].tolist() == [1, 1, 1, HIDDEN, 1, 1, 1, 1]


def test_files_that_call_everything_hidden_tell_nothing(train: Content, tmp_path: Path) -> None:
    for entry in train["annotations"]:
        hide(entry, *range(8))
    visible = marked(tmp_path, train)[0].keypoints_visible
    np.testing.assert_array_equal(visible, np.ones((1, 8)))
