"""What a run keeps of its validations: the best answers, and pictures of the same samples."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from raypose.config import build_dataset
from raypose.structures import Poses
from raypose.training.answers import Answer, read_answers
from raypose.training.logs.csv_log import CsvLog
from raypose.training.reports.validation_record import ValidationRecord
from tests.tiny_runs import load_experiment


class PictureLog(CsvLog):
    """Remembers pictures."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, 0)
        self.pictures: list[tuple[int, str, Any]] = []

    def show(self, step: int, name: str, image: Any) -> None:
        self.pictures.append((step, name, image.shape))


@pytest.fixture
def record(synthetic_people: Path, tmp_path: Path) -> ValidationRecord:
    config = load_experiment(tmp_path, synthetic_people, train__sample_pictures=3)
    return ValidationRecord(config, build_dataset(config, "val"), tmp_path / "run")


def answers(count: int, shift: float = 0.0) -> list[Answer]:
    keypoints = np.full((1, 17, 2), 50 + shift, np.float32)
    poses = Poses(keypoints=keypoints, keypoint_scores=np.ones((1, 17), np.float32))
    return [Answer(index=i, poses=poses, bbox_scale=[[10.0, 10.0]]) for i in range(count)]


def test_the_best_answers_are_kept(record: ValidationRecord, tmp_path: Path) -> None:
    kept = tmp_path / "run" / "val_predictions.parquet"
    record.note(answers(5), epoch=1, step=10, best=True)
    record.note(answers(5, shift=7), epoch=2, step=20, best=False)
    assert [a.poses.keypoints[0, 0, 0] for a in read_answers(kept)] == [50] * 5
    record.note(answers(5, shift=8), epoch=3, step=30, best=True)
    assert [a.poses.keypoints[0, 0, 0] for a in read_answers(kept)] == [58] * 5


def test_the_same_samples_are_drawn_every_time(record: ValidationRecord, tmp_path: Path) -> None:
    log = PictureLog(tmp_path)
    record.logs = [log]
    record.note(answers(30), epoch=1, step=10, best=False)
    record.note(answers(30, shift=7), epoch=2, step=20, best=False)
    files = sorted((tmp_path / "run" / "samples").iterdir())
    assert [file.name for file in files] == ["epoch_1.jpg", "epoch_2.jpg"]
    # Two columns of two rows: three samples, a prediction and labels side by side in each cell.
    sheets = [cv2.imread(str(file)) for file in files]
    assert [sheet.shape for sheet in sheets if sheet is not None] == [(534, 978, 3)] * 2
    assert log.pictures == [(10, "samples", (534, 978, 3)), (20, "samples", (534, 978, 3))]


def test_no_pictures_where_none_are_wanted_or_none_can_be_read(
    synthetic_people: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    config = load_experiment(tmp_path, synthetic_people, train__sample_pictures=0)
    val = build_dataset(config, "val")
    ValidationRecord(config, val, tmp_path / "run").note(answers(5), epoch=1, step=1, best=False)
    assert not (tmp_path / "run" / "samples").exists()
    config = load_experiment(
        tmp_path, synthetic_people, data__val__dataset__data_prefix={"img": "elsewhere/"}
    )
    val = build_dataset(config, "val")
    ValidationRecord(config, val, tmp_path / "run").note(answers(5), epoch=1, step=1, best=False)
    assert not (tmp_path / "run" / "samples").exists()
    assert "no picture of a sample: " in caplog.text
    assert "elsewhere" in caplog.text


def test_poses_of_another_skeleton_have_no_picture(
    record: ValidationRecord, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    poses = Poses(
        keypoints=np.zeros((1, 14, 2), np.float32), keypoint_scores=np.ones((1, 14), np.float32)
    )
    record.note([Answer(index=0, poses=poses)], epoch=1, step=1, best=False)
    assert not (tmp_path / "run" / "samples").exists()
    assert "14 keypoints are predicted, the skeleton 'coco' has 17" in caplog.text
