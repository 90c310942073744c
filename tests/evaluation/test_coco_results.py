"""COCO results: an evaluator of its own finds in them what the metric found."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hotcoco import COCO, COCOeval

from raypose.datasets import CocoDataset
from raypose.errors import DataError
from raypose.evaluation import EPE, CocoMetric
from raypose.evaluation.coco_results import coco_results
from raypose.structures import Poses, PoseSample


@pytest.fixture
def pairs(synthetic_people: Path) -> list[tuple[PoseSample, Poses]]:
    """People and predictions that are off by more and more."""
    dataset = CocoDataset("val.json", data_root=str(synthetic_people), skeleton="coco")
    rng = np.random.default_rng(0)
    found = []
    for number, sample in enumerate(dataset):
        assert sample.keypoints is not None
        noise = rng.normal(0, 1 + 0.6 * number, sample.keypoints.shape)
        scores = rng.uniform(0.3, 1, sample.keypoints.shape[:2]).astype(np.float32)
        poses = Poses(
            keypoints=(sample.keypoints + noise).astype(np.float32),
            keypoint_scores=scores,
            bboxes=sample.bboxes,
            bbox_scores=np.array([0.5], np.float32),
        )
        found.append((sample, poses))
    return found


def test_another_evaluator_agrees(
    pairs: list[tuple[PoseSample, Poses]], synthetic_people: Path, tmp_path: Path
) -> None:
    metric: Any = CocoMetric(skeleton="coco")
    entries = coco_results(pairs, [EPE(), metric])
    for sample, poses in pairs:
        metric.update(sample, poses)
    numbers = metric.compute()
    assert 0.2 < numbers["coco/AP"] < 0.95
    (tmp_path / "found.json").write_text(json.dumps(entries))
    truth = COCO(str(synthetic_people / "val.json"))
    judge = COCOeval(truth, truth.load_res(str(tmp_path / "found.json")), "keypoints")
    judge.evaluate()
    judge.accumulate()
    judge.summarize()
    names = ("AP", "AP .5", "AP .75", "AP (M)", "AP (L)", "AR")
    expected = [numbers[f"coco/{name}"] for name in names]
    assert list(judge.stats[:6]) == pytest.approx(expected, abs=1e-6)


def test_without_such_a_metric_everything_is_there(
    pairs: list[tuple[PoseSample, Poses]],
) -> None:
    entries = coco_results(pairs, [EPE()])
    assert len(entries) == len(pairs)
    sample, poses = pairs[3]
    assert entries[3]["image_id"] == sample.img_id
    assert entries[3]["score"] == pytest.approx(0.5 * float(poses.keypoint_scores.mean()))
    assert entries[3]["keypoints"][:2] == pytest.approx(poses.keypoints[0, 0].tolist())


@pytest.mark.parametrize(
    ("meta", "message"),
    [({"lifting_target": 1}, "has poses in space"), ({"dataset": 0}, "this one combines several")],
)
def test_what_coco_has_no_results_for(meta: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        coco_results([(PoseSample(id="a", meta=meta), Poses.empty(17))], [])
