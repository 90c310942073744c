from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from raypose.evaluation import CocoMetric
from raypose.structures import Poses, Skeleton


def _computed(metric: CocoMetric, pairs: list[Any]) -> dict[str, float]:
    for sample, poses in pairs:
        metric.update(sample, poses)
    return metric.compute()


def _annotation_file(pairs: list[Any], path: Path) -> str:
    """The samples' annotations as a COCO file."""
    annotations = [
        {
            "id": number,
            "image_id": sample.img_id,
            "category_id": 1,
            "iscrowd": 0,
            "bbox": [*sample.bboxes[0, :2].tolist(), 80.0, 80.0],
            "area": 6400.0,
            "keypoints": [v for x, y in sample.keypoints[0].tolist() for v in (x, y, 2)],
        }
        for number, (sample, _) in enumerate(pairs, start=1)
    ]
    images = [{"id": image} for image in sorted({sample.img_id for sample, _ in pairs})]
    path.write_text(json.dumps({"images": images, "annotations": annotations}))
    return str(path)


def test_perfect_predictions(make_pairs: Callable[..., list[Any]], skeleton: Skeleton) -> None:
    numbers = _computed(CocoMetric(skeleton=skeleton), make_pairs(noise=0))
    assert numbers["coco/AP"] == pytest.approx(1)
    assert numbers["coco/AR"] == pytest.approx(1)
    assert numbers["coco/AP (M)"] == pytest.approx(1)
    assert numbers["coco/AP (L)"] == -1


def test_one_of_three_missed(make_pairs: Callable[..., list[Any]], skeleton: Skeleton) -> None:
    pairs = make_pairs(count=9, noise=0)
    pairs[4] = (pairs[4][0], Poses.empty(4))
    pairs[7] = (pairs[7][0], Poses.empty(4))
    pairs[8] = (pairs[8][0], Poses.empty(4))
    numbers = _computed(CocoMetric(skeleton=skeleton), pairs)
    assert numbers["coco/AR"] == pytest.approx(6 / 9)
    # Precision 1 up to recall 2/3: 67 of the 101 recall thresholds.
    assert numbers["coco/AP"] == pytest.approx(67 / 101)


def test_nobody_found(make_pairs: Callable[..., list[Any]], skeleton: Skeleton) -> None:
    pairs = [(sample, Poses.empty(4)) for sample, _ in make_pairs()]
    numbers = _computed(CocoMetric(skeleton=skeleton), pairs)
    assert numbers["coco/AP"] == numbers["coco/AR"] == 0


def test_annotations_of_samples_and_of_a_file_agree(
    make_pairs: Callable[..., list[Any]], skeleton: Skeleton, tmp_path: Path
) -> None:
    pairs = make_pairs(noise=6)
    file = _annotation_file(pairs, tmp_path / "gt.json")
    from_file = _computed(CocoMetric(ann_file=file, skeleton=skeleton), pairs)
    from_samples = _computed(CocoMetric(skeleton=skeleton), pairs)
    assert 0 < from_file["coco/AP"] < 1
    assert from_file == pytest.approx(from_samples)


def test_samples_may_hold_whole_images(
    make_pairs: Callable[..., list[Any]], skeleton: Skeleton
) -> None:
    pairs = make_pairs(noise=6)
    grouped = []
    for first in range(0, 9, 3):
        trio = pairs[first : first + 3]
        names = ("bboxes", "keypoints", "keypoints_visible", "areas")
        joined = {name: np.concatenate([getattr(s, name) for s, _ in trio]) for name in names}
        sample = replace(trio[0][0], meta={"category_id": [1, 1, 1]}, **joined)
        grouped.append((sample, Poses.concatenate([poses for _, poses in trio])))
    whole = _computed(CocoMetric(skeleton=skeleton), grouped)
    assert whole == pytest.approx(_computed(CocoMetric(skeleton=skeleton), pairs))


@pytest.mark.parametrize(
    ("mode", "want"),
    [
        ("bbox", 0.8),
        ("keypoint", (0.1 + 0.5 + 0.7 + 0.9) / 4),
        ("bbox_keypoint", 0.8 * (0.5 + 0.7 + 0.9) / 3),
        ("bbox_rle", 0.8 + (0.1 + 0.5 + 0.7 + 0.9) / 4 + 0.9),
    ],
)
def test_rank_of_an_instance(
    mode: str,
    want: float,
    make_pairs: Callable[..., list[Any]],
    skeleton: Skeleton,
    tmp_path: Path,
) -> None:
    sample, poses = make_pairs(1)[0]
    poses = poses.replace(
        keypoint_scores=np.array([[0.1, 0.5, 0.7, 0.9]], np.float32),
        bbox_scores=np.array([0.8], np.float32),
    )
    prefix = tmp_path / "deep" / "results"
    metric = CocoMetric(
        score_mode=mode, format_only=True, outfile_prefix=str(prefix), skeleton=skeleton
    )
    assert _computed(metric, [(sample, poses)]) == {}
    (entry,) = json.loads(prefix.with_suffix(".keypoints.json").read_text())
    assert entry["score"] == pytest.approx(want)
    assert entry["image_id"] == sample.img_id
    np.testing.assert_allclose(entry["keypoints"][:2], poses.keypoints[0, 0], rtol=1e-6)
    np.testing.assert_allclose(entry["bbox"], [0, 40, 80, 80])


def test_suppression_removes_the_second_of_two_like_poses(
    make_pairs: Callable[..., list[Any]], skeleton: Skeleton, tmp_path: Path
) -> None:
    (sample, poses) = make_pairs(1)[0]
    doubled = Poses.concatenate([poses, poses.replace(keypoints=poses.keypoints + 0.5)])
    written = {}
    for mode in ("none", "oks_nms", "soft_oks_nms"):
        metric = CocoMetric(
            nms_mode=mode,
            format_only=True,
            outfile_prefix=str(tmp_path / mode),
            skeleton=skeleton,
        )
        _computed(metric, [(sample, doubled)])
        written[mode] = len(json.loads((tmp_path / f"{mode}.keypoints.json").read_text()))
    assert written == {"none": 2, "oks_nms": 1, "soft_oks_nms": 2}


def test_areas_may_follow_from_boxes(
    make_pairs: Callable[..., list[Any]], skeleton: Skeleton
) -> None:
    pairs = make_pairs(noise=6)
    without = [(replace(sample, areas=None), poses) for sample, poses in pairs]
    smaller = [(replace(s, areas=np.array([6400 * 0.53], np.float32)), poses) for s, poses in pairs]
    numbers = _computed(CocoMetric(use_area=False, skeleton=skeleton), without)
    assert numbers == pytest.approx(_computed(CocoMetric(skeleton=skeleton), smaller))
    with pytest.raises(ValueError, match="has no area; with use_area: false"):
        _computed(CocoMetric(skeleton=skeleton), without)


def test_converters_bring_keypoints_to_the_metrics_order(
    make_pairs: Callable[..., list[Any]], skeleton: Skeleton
) -> None:
    pairs = make_pairs(noise=6)
    reverse = {"num_keypoints": 4, "mapping": [[0, 3], [1, 2], [2, 1], [3, 0]]}
    turned = [
        (
            sample,
            poses.replace(
                keypoints=poses.keypoints[:, ::-1], keypoint_scores=poses.keypoint_scores[:, ::-1]
            ),
        )
        for sample, poses in pairs
    ]
    want = _computed(CocoMetric(skeleton=skeleton), pairs)
    got = _computed(CocoMetric(pred_converter=reverse, skeleton=skeleton), turned)
    assert got == pytest.approx(want)
    got = _computed(CocoMetric(gt_converter=reverse, skeleton=skeleton), turned)
    assert got == pytest.approx(want)


def test_crowd_index_splits_the_images(
    make_pairs: Callable[..., list[Any]], skeleton: Skeleton
) -> None:
    pairs = make_pairs(noise=0, num_keypoints=4, crowd_index=0.1)
    for sample, _ in pairs[3:6]:
        sample.meta["crowd_index"] = 0.5
    pairs[4] = (pairs[4][0], Poses.empty(4))
    metric = CocoMetric(iou_type="keypoints_crowd", use_area=False, skeleton=skeleton)
    numbers = _computed(metric, pairs)
    assert numbers["coco/AP(E)"] == 1
    assert numbers["coco/AP(M)"] == pytest.approx(67 / 101, abs=1e-4)
    assert numbers["coco/AP(H)"] == -1


def test_mistakes_are_named(
    make_pairs: Callable[..., list[Any]], skeleton: Skeleton, tmp_path: Path
) -> None:
    pairs = make_pairs(3)
    with pytest.raises(ValueError, match=r"got 'bbox_keypoints'\. Did you mean 'bbox_keypoint'"):
        CocoMetric(score_mode="bbox_keypoints")
    with pytest.raises(ValueError, match="nms_mode is one of oks_nms, soft_oks_nms, none"):
        CocoMetric(nms_mode="nms")
    with pytest.raises(ValueError, match="format_only writes results, so it needs outfile_prefix"):
        CocoMetric(format_only=True)
    with pytest.raises(ValueError, match="needs the OKS sigmas of the skeleton 'blob'"):
        CocoMetric(skeleton={"name": "blob", "keypoints": ["a", "b"]})
    with pytest.raises(ValueError, match="CocoMetric needs a skeleton with sigmas"):
        _computed(CocoMetric(), pairs)
    with pytest.raises(ValueError, match="4 keypoints are predicted, the skeleton has 17"):
        _computed(CocoMetric(skeleton="coco"), pairs)
    with pytest.raises(ValueError, match=r"no annotation file at .*none\.json"):
        _computed(CocoMetric(ann_file=str(tmp_path / "none.json"), skeleton=skeleton), pairs)
    file = _annotation_file(pairs[:1], tmp_path / "gt.json")
    pairs[2][0].img_id = 99
    with pytest.raises(ValueError, match="not in the annotations, such as image 99"):
        _computed(CocoMetric(ann_file=file, skeleton=skeleton), pairs)
