"""Errors on a validation set, whatever a sample is: a crop, a whole image, a detection, a pose."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from raypose.config import Config, build_dataset
from raypose.structures import Poses
from raypose.training.answers import Answer
from raypose.training.reports.error_parts import error_charts, error_table, worst_cases
from raypose.training.reports.validation_errors import ValidationErrors
from raypose.visualization import Histogram
from tests.tiny_runs import load_experiment


def poses(keypoints: np.ndarray) -> Poses:
    return Poses(
        keypoints=keypoints.astype(np.float32),
        keypoint_scores=np.ones(keypoints.shape[:2], np.float32),
    )


def measured(config: Config, answers: list[Answer]) -> ValidationErrors:
    found = ValidationErrors.measure(config, build_dataset(config, "val"), answers)
    assert found is not None
    return found


def test_crops_are_compared_one_by_one(synthetic_people: Path, tmp_path: Path) -> None:
    config = load_experiment(tmp_path, synthetic_people)
    dataset = build_dataset(config, "val")
    answers = []
    for index in range(len(dataset)):
        keypoints = dataset[index].keypoints
        assert keypoints is not None
        answers.append(
            Answer(index=index, poses=poses(np.add(keypoints, (0, index))), bbox_scale=[[9.0, 9.0]])
        )
    found = measured(config, answers)
    assert (found.unit, found.spatial, found.has_oks) == ("px", False, True)
    np.testing.assert_allclose(found.errors.means, np.arange(len(dataset)), rtol=1e-4, atol=1e-4)
    gallery = worst_cases(found, 2)
    assert len(gallery.examples) == 2
    assert [name for name, _ in gallery.examples[0].views] == ["prediction", "truth"]
    oks = found.errors.oks
    worst = int(np.argmin(oks))
    assert gallery.examples[0].caption.startswith(f"{dataset[worst].id} (")
    assert f"mean {worst} px, most at " in gallery.examples[0].caption
    assert gallery.examples[0].badge is not None
    assert gallery.examples[0].badge.text == f"OKS {oks[worst]:.2f}"
    table = error_table(found)
    assert table.columns[:3] == ["keypoint", "labels", "mean px"]
    assert table.columns[-1] == "OKS part"
    name, row = table.rows[-1]
    assert name == "all"
    assert row[0] == found.errors.labelled.sum()
    assert row[1] == pytest.approx(np.nanmean(found.errors.distances))
    histogram, _, curve = error_charts(found)
    assert isinstance(histogram, Histogram)
    assert len(histogram.values) == found.errors.labelled.sum()
    assert list(curve.series) == ["share of keypoints"]  # type: ignore[union-attr]


def test_whole_images_pair_who_is_alike(synthetic_people: Path, tmp_path: Path) -> None:
    config = load_experiment(tmp_path, synthetic_people, data__val__dataset__data_mode="bottomup")
    dataset = build_dataset(config, "val")
    crowd = max(range(len(dataset)), key=lambda i: len(dataset[i].keypoints))  # type: ignore[arg-type]
    keypoints = dataset[crowd].keypoints
    assert keypoints is not None
    assert len(keypoints) > 1
    found = measured(config, [Answer(index=crowd, poses=poses(keypoints[::-1] + 1.0))])
    assert found.errors.matches.tolist() == list(range(len(keypoints)))[::-1]
    np.testing.assert_allclose(found.errors.means, 2**0.5, rtol=1e-3)
    one = measured(config, [Answer(index=crowd, poses=poses(keypoints[:1]))])
    assert one.errors.matches.tolist() == [0] + [-1] * (len(keypoints) - 1)
    assert worst_cases(one, 1).examples[0].caption.endswith("not found")
    assert f"{len(keypoints) - 1} of them were not found" in error_table(one).about


def test_detections_are_held_against_the_labels_of_their_image(
    synthetic_people: Path, tmp_path: Path
) -> None:
    content = json.loads((synthetic_people / "val.json").read_text())
    label = content["annotations"][0]
    boxes = [
        {"image_id": label["image_id"], "category_id": 1, "bbox": [0, 0, 9, 9], "score": 0.5},
        {"image_id": label["image_id"], "category_id": 1, "bbox": label["bbox"], "score": 0.9},
    ]
    (tmp_path / "boxes.json").write_text(json.dumps(boxes))
    config = load_experiment(
        tmp_path,
        synthetic_people,
        data__val__dataset__bbox_file=str(tmp_path / "boxes.json"),
        data__val__dataset__test_mode=True,
    )
    right = np.array(label["keypoints"], float).reshape(1, 17, 3)[..., :2]
    answers = [
        Answer(index=0, poses=poses(np.full((1, 17, 2), -500.0)), bbox_scale=[[9.0, 9.0]]),
        Answer(index=1, poses=poses(np.add(right, (0, 2))), bbox_scale=[[9.0, 9.0]]),
    ]
    found = measured(config, answers)
    assert len(found.errors) == len(
        [a for a in content["annotations"] if a["num_keypoints"] and not a["iscrowd"]]
    )
    hits = found.errors.matches >= 0
    assert hits.sum() == 1
    assert found.errors.matches[hits].tolist() == [1]
    assert found.errors.means[hits].tolist() == pytest.approx([2.0])


def mocap(folder: Path) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    poses_3d = rng.normal(size=(3, 17, 3)).astype(np.float32)
    rotation = np.eye(3, dtype=np.float32)[None, None]
    np.savez(
        folder / "val.npz",
        pose=poses_3d,
        clip=np.zeros(3, np.int64),
        cam_R=rotation,
        cam_t=np.array([[[0, 0, 5]]], np.float32),
        cam_f=np.full((1, 1), 1000, np.float32),
        image_size=np.array([1000, 1000]),
        clip_names=np.array(["jump"]),
    )
    return {
        "type": "MocapDataset",
        "ann_file": "val.npz",
        "data_root": str(folder),
        "test_mode": True,
    }


def test_poses_in_space_are_in_the_unit_of_the_metric(
    synthetic_people: Path, tmp_path: Path
) -> None:
    config = load_experiment(
        tmp_path,
        synthetic_people,
        skeleton="h36m",
        model__head__out_channels=17,
        data__val={"dataset": mocap(tmp_path), "pipeline": []},
        metrics=[{"type": "MPJPE", "scale": 1000}],
    )
    dataset = build_dataset(config, "val")
    answers = [
        Answer(index=i, poses=poses(dataset[i].meta["lifting_target"] + (0, 0, 0.001 * (i + 1))))
        for i in range(len(dataset))
    ]
    found = measured(config, answers)
    assert (found.unit, found.spatial, found.has_oks) == ("mm", True, False)
    np.testing.assert_allclose(found.errors.means, [1, 2, 3], rtol=1e-3)
    gallery = worst_cases(found, 1)
    assert dataset[2].id in gallery.examples[0].caption
    assert gallery.examples[0].badge is not None
    assert gallery.examples[0].badge.text == "3 mm"
    assert error_table(found).columns == [
        "keypoint",
        "labels",
        "mean mm",
        "median mm",
        "90 % below mm",
    ]
    assert len(error_charts(found)) == 2


def test_a_picture_that_is_gone_leaves_its_case(synthetic_people: Path, tmp_path: Path) -> None:
    config = load_experiment(
        tmp_path, synthetic_people, data__val__dataset__data_prefix={"img": "elsewhere/"}
    )
    answers = [Answer(index=0, poses=poses(np.zeros((1, 17, 2))), bbox_scale=[[9.0, 9.0]])]
    (example,) = worst_cases(measured(config, answers), 3).examples
    assert example.views == []
    assert "elsewhere" in example.caption


def test_nothing_to_compare(synthetic_people: Path, tmp_path: Path) -> None:
    config = load_experiment(tmp_path, synthetic_people)
    assert ValidationErrors.measure(config, build_dataset(config, "val"), []) is None


def test_keypoints_of_another_skeleton(synthetic_people: Path, tmp_path: Path) -> None:
    config = load_experiment(tmp_path, synthetic_people)
    other = [Answer(index=0, poses=poses(np.zeros((1, 14, 2))), bbox_scale=[[9.0, 9.0]])]
    assert ValidationErrors.measure(config, build_dataset(config, "val"), other) is None
