"""The second pass over a video: what one pass says, wherever shards end and whoever does them."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from raypose.config.sections import TrackingSection
from raypose.inference import Predictor
from raypose.inference.annotation.annotator import Annotator
from raypose.inference.annotation.inputs import plan_shards
from raypose.inference.annotation.parts import read_annotations
from raypose.inference.annotation.shards import Shard
from raypose.inference.annotation.table import Row, poses_of
from raypose.inference.annotation.tasks import Plan, Task
from raypose.inference.annotation.video_pass import finish_video
from raypose.inference.pose_stage import PoseStage
from raypose.structures import Poses
from tests.inference.motion_lifter import motion_stage
from tests.inference.walking_spots import SpotDetector, picture, two_walkers, write_video

TRACKING = TrackingSection(max_gap=4, keypoint_thr=0.1, smoothing={"type": "one_euro"})  # type: ignore[arg-type]


@pytest.fixture
def video(tmp_path: Path) -> Path:
    """Forty frames of two walkers, of whom two frames show nobody."""
    images = two_walkers(40)
    images[15] = images[16] = picture()
    return write_video(tmp_path / "walk.avi", images)


@pytest.fixture
def predictor(spot_stage: PoseStage) -> Predictor[Poses]:
    return Predictor(
        spot_stage, detector=SpotDetector(), lifter=motion_stage(), tracker=TRACKING, device="cpu"
    )


def annotate(
    predictor: Predictor[Any], shards: Sequence[Shard], out: Path, seed: int | None = None
) -> list[Row]:
    annotator = Annotator(predictor, out, step=8)
    tasks = list(Plan.of(shards, follow=True).tasks(()))
    if seed is not None:
        random.Random(seed).shuffle(tasks)
    for task in tasks:
        annotator(Task.from_json(task.to_json()))
    return list(read_annotations(out))


def test_rows_do_not_depend_on_where_shards_end(
    predictor: Predictor[Poses], video: Path, tmp_path: Path
) -> None:
    whole = annotate(predictor, plan_shards(video, 1000), tmp_path / "whole")
    assert [row["frame"] for row in whole] == list(range(40))
    for size in (16, 7):
        rows = annotate(predictor, plan_shards(video, size), tmp_path / str(size), seed=size)
        assert rows == whole


def test_rows_are_what_one_pass_says(
    predictor: Predictor[Poses], video: Path, tmp_path: Path
) -> None:
    rows = annotate(predictor, plan_shards(video, 16), tmp_path)
    answers = list(predictor(video))
    assert len(rows) == len(answers) == 40
    for row, (frame, poses) in zip(rows, answers, strict=True):
        assert row["time"] == pytest.approx(frame.time)
        found = poses_of(row, 1)
        np.testing.assert_array_equal(found.keypoints, poses.keypoints)
        np.testing.assert_array_equal(found.keypoints_3d, poses.keypoints_3d)
        np.testing.assert_array_equal(found.track_ids, poses.track_ids)
        np.testing.assert_array_equal(found.extras["interpolated"], poses.extras["interpolated"])


def test_identities_and_gaps_reach_across_shards(
    predictor: Predictor[Poses], video: Path, tmp_path: Path
) -> None:
    rows = annotate(predictor, plan_shards(video, 16), tmp_path)
    upper = [
        instance
        for row in rows
        for instance in row["instances"]
        if instance["keypoints"][0][1] < 32
    ]
    assert len(upper) == 40
    assert len({instance["track_id"] for instance in upper}) == 1
    assert [instance["interpolated"] for instance in upper] == [i in (15, 16) for i in range(40)]


def test_each_video_has_identities_of_its_own(
    predictor: Predictor[Poses], video: Path, tmp_path: Path
) -> None:
    first = plan_shards(video, 16)
    folder = tmp_path / "other"
    folder.mkdir()
    second = plan_shards(write_video(folder / "other.avi", two_walkers(5)), 16)
    moved = [replace(shard, index=shard.index + len(first)) for shard in second]
    rows = annotate(predictor, [*first, *moved], tmp_path / "out")
    assert [row["source"] for row in rows] == ["walk.avi"] * 40 + ["other.avi"] * 5
    alone = annotate(predictor, second, tmp_path / "alone")
    assert rows[40:] == alone


def row(frame: int, time: float | None, *spots: tuple[float, float]) -> Row:
    instances = [
        {
            "category": None,
            "bbox": [x - 5, y - 5, x + 5, y + 5],
            "bbox_score": 1.0,
            "score": None,
            "keypoints": [[x, y]],
            "keypoint_scores": [1.0],
            "keypoints_visible": None,
            "track_id": None,
            "keypoints_3d": None,
            "interpolated": None,
        }
        for x, y in spots
    ]
    size = (None, None) if time is None else (96, 64)
    return {
        "source": "v.avi",
        "frame": frame,
        "time": time,
        "width": size[0],
        "height": size[1],
        "instances": instances,
        "error": "broken" if time is None else None,
    }


def test_frames_without_a_time_or_with_a_wrong_one(predictor: Predictor[Poses]) -> None:
    times = [None, None, 0.0, 0.1, 0.1, None, 0.2, None]
    rows = [row(i, time, *([] if time is None else [(20.0, 20.0)])) for i, time in enumerate(times)]
    finished = list(finish_video(rows, predictor.pipeline.branches))
    assert [each["frame"] for each in finished] == list(range(8))
    assert [each["time"] for each in finished] == times
    # Who was not there from the start is known by the second look.
    assert finished[2]["instances"][0]["track_id"] is None
    ids = {each["track_id"] for each_row in finished[3:7] for each in each_row["instances"]}
    assert len(ids) == 1
