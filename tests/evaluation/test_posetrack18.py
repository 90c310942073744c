"""Precision of joints against annotations of videos, by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from raypose.errors import ConfigError, DataError
from raypose.evaluation import PoseTrack18Metric
from raypose.structures import Poses, PoseSample, Skeleton

SKELETON = Skeleton.load("posetrack18")
K = SKELETON.num_keypoints
# Keypoints of a person 10 pixels apart; the head's size is 0.6 * 50 = 30, so 15 is near enough.
PERSON = np.column_stack([np.arange(K) * 10.0 + 20, np.full(K, 50.0)])
HEAD = [0, 0, 30, 40]


def annotated(image_id: int, points: np.ndarray, **more: Any) -> dict[str, Any]:
    keypoints = np.column_stack([points, np.ones(K)])
    keypoints[3:5] = 0  # ears
    return {
        "image_id": image_id,
        "keypoints": keypoints.ravel().tolist(),
        "bbox_head": HEAD,
        **more,
    }


def write(folder: Path, annotations: list[dict[str, Any]], **image: Any) -> str:
    (folder / "val").mkdir()
    content = {
        "categories": [{"keypoints": list(SKELETON.keypoint_names)}],
        "images": [{"id": 1, **image}, {"id": 2}, {"id": 3}],
        "annotations": annotations,
    }
    (folder / "val" / "000001.json").write_text(json.dumps(content), encoding="utf-8")
    return str(folder / "posetrack18_val.json")


def numbers(
    ann_file: str, predicted: list[tuple[int, np.ndarray, float]], **options: Any
) -> dict[str, float]:
    metric = PoseTrack18Metric(ann_file, nms_mode="none", skeleton=SKELETON, **options)
    for index, (image_id, points, score) in enumerate(predicted):
        poses = Poses(
            keypoints=points[None].astype(np.float32),
            keypoint_scores=np.full((1, K), score, np.float32),
        )
        metric.update(PoseSample(id=str(index), index=index, img_id=image_id), poses)
    return metric.compute()


def test_near_is_within_half_of_the_head(tmp_path: Path) -> None:
    ann_file = write(tmp_path, [annotated(1, PERSON)])
    points = PERSON.copy()
    points[SKELETON.keypoint_names.index("left_ankle"), 1] += 15.5
    points[SKELETON.keypoint_names.index("right_ankle"), 1] += 14.5
    result = numbers(ann_file, [(1, points, 0.9)])
    assert result["posetrack18/Ankl AP"] == pytest.approx(50)
    assert result["posetrack18/Head AP"] == pytest.approx(100)
    assert result["posetrack18/Total AP"] == pytest.approx(100 * 14 / 15)


def test_every_other_person_is_a_mistake_that_weighs_by_its_rank(tmp_path: Path) -> None:
    ann_file = write(tmp_path, [annotated(1, PERSON), annotated(2, PERSON)])
    far = PERSON + 200
    sure_mistake = numbers(ann_file, [(1, PERSON, 0.5), (1, far, 0.9), (3, far, 0.95)])
    # Image 3 has no annotations and does not count: one of two is found, at the second rank.
    assert sure_mistake["posetrack18/Total AP"] == pytest.approx(100 * 0.5 * 0.5)
    unsure = numbers(ann_file, [(1, PERSON, 0.5), (1, far, 0.2), (2, PERSON, 0.4)])
    assert unsure["posetrack18/Total AP"] == pytest.approx(100)
    twice = numbers(ann_file, [(1, PERSON + 1, 0.9), (1, PERSON, 0.8), (2, PERSON, 0.7)])
    assert twice["posetrack18/Total AP"] == pytest.approx(100 * (0.5 + 0.5 * 2 / 3))


def test_ignored_regions_do_not_count(tmp_path: Path) -> None:
    region = {"ignore_regions_x": [[0, 500, 500, 0]], "ignore_regions_y": [[150, 150, 400, 400]]}
    ann_file = write(tmp_path, [annotated(1, PERSON), annotated(1, PERSON + 150)], **region)
    found = [(1, PERSON, 0.5), (1, PERSON + np.array([0, 200]), 0.9)]
    assert numbers(ann_file, found)["posetrack18/Total AP"] == pytest.approx(100)


def test_a_joint_that_nobody_annotated_has_no_precision(tmp_path: Path) -> None:
    one = annotated(1, PERSON)
    keypoints = np.reshape(one["keypoints"], (K, 3))
    keypoints[-2:] = 0
    ann_file = write(tmp_path, [{**one, "keypoints": keypoints.ravel().tolist()}])
    result = numbers(ann_file, [(1, PERSON, 0.5)])
    assert np.isnan(result["posetrack18/Ankl AP"])
    assert result["posetrack18/Total AP"] == pytest.approx(100)


def test_mistakes(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no annotations of videos in .*val"):
        numbers(str(tmp_path / "posetrack18_val.json"), [(1, PERSON, 0.5)])
    one = annotated(1, PERSON)
    del one["bbox_head"]
    ann_file = write(tmp_path, [one])
    with pytest.raises(DataError, match=r"000001\.json: not as PoseTrack18 has it.*bbox_head"):
        numbers(ann_file, [(1, PERSON, 0.5)])
    metric = PoseTrack18Metric(ann_file, nms_mode="none", skeleton="coco")
    poses = Poses(
        keypoints=np.zeros((1, 17, 2), np.float32), keypoint_scores=np.ones((1, 17), np.float32)
    )
    metric.update(PoseSample(id="a", img_id=1), poses)
    with pytest.raises(ConfigError, match="the skeleton has no head_top, head_bottom"):
        metric.compute()


def test_results_are_written_without_annotations(tmp_path: Path) -> None:
    prefix = str(tmp_path / "out" / "results")
    found = [(1, PERSON, 0.5)]
    assert numbers("none_val.json", found, format_only=True, outfile_prefix=prefix) == {}
    written = json.loads(Path(f"{prefix}.keypoints.json").read_text(encoding="utf-8"))
    assert written[0]["image_id"] == 1
