"""Answers come back from their file as they went in."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from raypose.errors import DataError
from raypose.structures import Poses
from raypose.training.answers import Answer, read_answers, write_answers


def test_answers_survive_their_file(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    first = Poses(
        keypoints=rng.normal(size=(2, 3, 2)).astype(np.float32),
        keypoint_scores=rng.random((2, 3)).astype(np.float32),
        bboxes=rng.random((2, 4)).astype(np.float32),
        track_ids=np.array([2**40, 3], np.int64),
        extras={"heatmaps": np.zeros((2, 900, 900), np.float32)},
    )
    answers = [
        Answer(index=4, poses=first, bbox_scale=[[1.0, 2.0], [3.0, 4.0]]),
        Answer(index=5, poses=Poses.empty(3)),
    ]
    path = tmp_path / "deep" / "answers.parquet"
    write_answers(answers, path)
    assert path.stat().st_size < 20_000  # what belongs to a paradigm alone is left out
    assert [item.name for item in path.parent.iterdir()] == ["answers.parquet"]
    one, two = read_answers(path)
    assert (one.index, one.bbox_scale) == (4, [[1.0, 2.0], [3.0, 4.0]])
    np.testing.assert_array_equal(one.poses.keypoints, first.keypoints)
    np.testing.assert_array_equal(one.poses.keypoint_scores, first.keypoint_scores)
    assert one.poses.bboxes is not None
    np.testing.assert_array_equal(one.poses.bboxes, first.bboxes)
    assert one.poses.track_ids is not None
    assert one.poses.track_ids.tolist() == [2**40, 3]
    assert one.poses.keypoints_visible is None
    assert (two.index, two.bbox_scale, len(two.poses)) == (5, None, 0)
    assert two.poses.keypoints.shape == (0, 3, 2)


def test_no_file_of_answers(tmp_path: Path) -> None:
    (tmp_path / "x.parquet").write_text("no")
    with pytest.raises(DataError, match=r"x\.parquet: no file of predictions"):
        read_answers(tmp_path / "x.parquet")
