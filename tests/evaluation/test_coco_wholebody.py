from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from raypose.evaluation import CocoWholeBodyMetric
from raypose.structures import Poses, PoseSample


def _pair() -> tuple[PoseSample, Poses]:
    """One person whose left hand is predicted far away."""
    rng = np.random.default_rng(0)
    keypoints = rng.uniform(50, 150, (1, 133, 2)).astype(np.float32)
    found = keypoints.copy()
    found[:, 91:112] += 60
    sample = PoseSample(
        id="one",
        img_id=5,
        bboxes=np.array([[50, 50, 150, 150]], np.float32),
        keypoints=keypoints,
        keypoints_visible=np.ones((1, 133), np.float32),
        areas=np.array([8000], np.float32),
    )
    return sample, Poses(keypoints=found, keypoint_scores=np.ones((1, 133), np.float32))


def test_every_part_has_its_own_precision() -> None:
    metric = CocoWholeBodyMetric(skeleton="coco_wholebody")
    metric.update(*_pair())
    numbers = metric.compute()
    for part in ("body", "foot", "face", "righthand"):
        assert numbers[f"coco-wholebody/AP ({part})"] == pytest.approx(1)
    assert numbers["coco-wholebody/AR (lefthand)"] == 0
    # 112 of 133 keypoints are exact: an OKS of 0.842 passes 7 of the 10 thresholds.
    assert numbers["coco-wholebody/AR"] == pytest.approx(0.7)


def test_results_list_the_parts_by_themselves(tmp_path: Path) -> None:
    metric = CocoWholeBodyMetric(
        format_only=True, outfile_prefix=str(tmp_path / "r"), skeleton="coco_wholebody"
    )
    metric.update(*_pair())
    metric.compute()
    (entry,) = json.loads((tmp_path / "r.keypoints.json").read_text())
    lengths = {key: len(value) for key, value in entry.items() if isinstance(value, list)}
    assert lengths == {
        "keypoints": 51,
        "foot_kpts": 18,
        "face_kpts": 204,
        "lefthand_kpts": 63,
        "righthand_kpts": 63,
    }
