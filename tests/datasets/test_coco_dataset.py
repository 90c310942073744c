from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from raypose.datasets import CocoDataset, CocoWholeBodyDataset
from raypose.errors import ConfigError, DataError
from raypose.registry import DATASETS
from raypose.structures import PoseSample

NAMES = ["nose", "left_eye", "right_eye"]
Write = Callable[..., str]


def annotation(number: int, image: int, **changes: Any) -> dict[str, Any]:
    return {
        "id": number,
        "image_id": image,
        "category_id": 1,
        "bbox": [10, 20, 30, 40],
        "area": 700,
        "iscrowd": 0,
        "num_keypoints": 2,
        "keypoints": [12, 22, 2, 30, 40, 1, 0, 0, 0],
        **changes,
    }


def image(number: int) -> dict[str, Any]:
    return {"id": number, "file_name": f"{number}.jpg", "width": 100, "height": 80}


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write_file(annotations: list[dict[str, Any]], **changes: Any) -> str:
        content = {
            "images": [image(7), image(3), image(4)],
            "annotations": annotations,
            "categories": [
                {
                    "id": 1,
                    "name": "person",
                    "keypoints": NAMES,
                    "skeleton": [[1, 2]],
                    "flip_indices": [0, 2, 1],
                    "sigmas": [0.1, 0.2, 0.2],
                }
            ],
            **changes,
        }
        (tmp_path / "ann.json").write_text(json.dumps(content))
        return str(tmp_path)

    return write_file


def test_topdown_sample_holds_what_the_file_says(write: Write) -> None:
    root = write([annotation(1, 3)])
    dataset = CocoDataset("ann.json", data_root=root, data_prefix={"img": "pictures"})
    assert len(dataset) == 1
    sample = dataset[0]
    assert sample.id == "1"
    assert (sample.index, sample.img_id, sample.img_shape) == (0, 3, (80, 100))
    assert sample.img_path == f"{root}/pictures/3.jpg"
    np.testing.assert_array_equal(sample.bboxes, [[10, 20, 40, 60]])
    np.testing.assert_array_equal(sample.bbox_scores, [1])
    np.testing.assert_array_equal(sample.keypoints, [[[12, 22], [30, 40], [0, 0]]])
    np.testing.assert_array_equal(sample.keypoints_visible, [[1, 1, 0]])
    np.testing.assert_array_equal(sample.areas, [700])
    assert sample.keypoints is not None
    assert sample.keypoints.dtype == np.float32
    assert sample.meta == {"id": 1, "category_id": 1, "iscrowd": 0}
    assert sample.flip_indices == (0, 2, 1)


def test_skeleton_comes_from_the_categories_or_the_argument(write: Write) -> None:
    root = write([annotation(1, 3)])
    dataset = CocoDataset("ann.json", data_root=root)
    assert dataset.skeleton.keypoint_names == tuple(NAMES)
    assert dataset.skeleton.links == ((0, 1),)
    assert dataset.skeleton.sigmas == (0.1, 0.2, 0.2)
    own = {"name": "own", "keypoints": [{"name": n, "type": "upper"} for n in NAMES]}
    dataset = CocoDataset("ann.json", data_root=root, skeleton=own)
    assert dataset.skeleton.name == "own"
    assert dataset[0].upper_body_ids == (0, 1, 2)


def test_order_is_that_of_images_then_of_annotations(write: Write) -> None:
    root = write([annotation(5, 4), annotation(2, 7), annotation(1, 7), annotation(9, 3)])
    assert [s.id for s in CocoDataset("ann.json", data_root=root)] == ["2", "1", "9", "5"]


def test_boxes_are_clipped_and_missing_areas_estimated(write: Write) -> None:
    odd = annotation(1, 3, bbox=[-10, 30, 300, 100])
    del odd["area"]
    sample = CocoDataset("ann.json", data_root=write([odd]))[0]
    np.testing.assert_array_equal(sample.bboxes, [[0, 30, 99, 79]])
    np.testing.assert_allclose(sample.areas, [0.53 * 99 * 49])


INVALID = [
    {"iscrowd": 1},
    {"num_keypoints": 0},
    {"bbox": [120, 20, 30, 40]},
    {"bbox": [10, 20, 0, 40]},
    {"keypoints": [0, 0, 0] * 3},
]


@pytest.mark.parametrize("change", INVALID, ids=str)
def test_invalid_instances_are_left_out_of_topdown(write: Write, change: dict[str, Any]) -> None:
    root = write([annotation(1, 3, **change), annotation(2, 3)])
    assert [s.id for s in CocoDataset("ann.json", data_root=root)] == ["2"]


def test_without_num_keypoints_those_off_the_origin_count(write: Write) -> None:
    nobody, somebody = annotation(1, 3, keypoints=[0, 0, 2] * 3), annotation(2, 3)
    del nobody["num_keypoints"], somebody["num_keypoints"]
    root = write([nobody, somebody])
    assert [s.id for s in CocoDataset("ann.json", data_root=root)] == ["2"]


def test_annotations_without_box_or_keypoints_are_passed_over(write: Write) -> None:
    bare = {"id": 1, "image_id": 3, "category_id": 1}
    assert len(CocoDataset("ann.json", data_root=write([bare, annotation(2, 3)]))) == 1


def test_bottomup_sample_holds_all_instances_of_an_image(write: Write) -> None:
    outline = [[0, 0, 10, 0, 10, 10]]
    crowd = annotation(1, 7, iscrowd=1, segmentation=outline)
    root = write([crowd, annotation(2, 7, segmentation=[[1, 1, 2, 2, 3, 1]]), annotation(3, 4)])
    dataset = CocoDataset("ann.json", data_root=root, data_mode="bottomup")
    assert [s.id for s in dataset] == ["7", "4"]
    sample = dataset[0]
    assert sample.keypoints is not None
    assert sample.keypoints.shape == (2, 3, 2)
    np.testing.assert_array_equal(sample.meta["id"], [1, 2])
    np.testing.assert_array_equal(sample.meta["iscrowd"], [1, 0])
    assert sample.meta["invalid_segs"] == [outline]


def test_bottomup_evaluation_keeps_images_without_instances(write: Write) -> None:
    root = write([annotation(3, 4)])
    dataset = CocoDataset("ann.json", data_root=root, data_mode="bottomup", test_mode=True)
    assert [s.id for s in dataset] == ["4", "7", "3"]
    empty = dataset[1]
    assert empty.keypoints is not None
    assert empty.keypoints.shape == (0, 3, 2)


def test_track_ids_and_crowd_index(write: Write) -> None:
    root = write([annotation(1, 3, track_id=8)], images=[{**image(3), "crowdIndex": 0.25}])
    meta = CocoDataset("ann.json", data_root=root)[0].meta
    assert meta["track_id"] == 8
    assert meta["crowd_index"] == 0.25


def test_indices_interval_slices_and_negative_index(write: Write) -> None:
    root = write([annotation(i, number) for i, number in enumerate([7, 3, 4])])
    assert [s.id for s in CocoDataset("ann.json", data_root=root, indices=2)] == ["0", "1"]
    some = CocoDataset("ann.json", data_root=root, indices=[2, 0])
    assert [s.id for s in some] == ["2", "0"]
    assert some[-1].id == "0"
    assert some[-1].index == 1
    assert [s.id for s in some[1:]] == ["0"]
    with pytest.raises(IndexError):
        some[2]
    assert [s.img_id for s in CocoDataset("ann.json", data_root=root, sample_interval=2)] == [4]
    with pytest.raises(ValueError, match="indices: 3 is out of range"):
        CocoDataset("ann.json", data_root=root, indices=[3])


def test_changing_a_sample_does_not_change_the_dataset(write: Write) -> None:
    dataset = CocoDataset("ann.json", data_root=write([annotation(1, 3)]))
    for value in (dataset[0].keypoints, dataset[0].bboxes, dataset[0].areas):
        assert value is not None
        value[...] = -1
    assert dataset[0].keypoints is not None
    assert dataset[0].keypoints.min() >= 0


def test_samples_survive_a_trip_as_rows(write: Write) -> None:
    sample = CocoDataset("ann.json", data_root=write([annotation(1, 3)]), data_mode="bottomup")[0]
    back = PoseSample.from_row(sample.to_row())
    np.testing.assert_array_equal(back.meta["id"], [1])
    assert back.meta["id"].dtype == np.int64
    assert back.flip_indices == sample.flip_indices
    assert back.upper_body_ids == sample.upper_body_ids == ()


def test_detections_replace_annotated_boxes(write: Write, tmp_path: Path) -> None:
    root = write([annotation(1, 3)])
    found = [
        {"image_id": 3, "category_id": 1, "bbox": [1, 2, 3, 4], "score": 0.9},
        {"image_id": 3, "category_id": 1, "bbox": [5, 6, 7, 8], "score": 0.1},
        {"image_id": 7, "category_id": 2, "bbox": [5, 6, 7, 8], "score": 0.9},
    ]
    (tmp_path / "boxes.json").write_text(json.dumps(found))
    dataset = CocoDataset(
        "ann.json",
        bbox_file="boxes.json",
        data_root=root,
        test_mode=True,
        filter_cfg={"bbox_score_thr": 0.5},
    )
    assert len(dataset) == 1
    sample = dataset[0]
    np.testing.assert_array_equal(sample.bboxes, [[1, 2, 4, 6]])
    np.testing.assert_allclose(sample.bbox_scores, [0.9], rtol=1e-6)
    assert sample.keypoints is None
    assert sample.img_path == f"{root}/3.jpg"


def test_a_coco_file_is_a_file_of_detections(write: Write, tmp_path: Path) -> None:
    # As another tool writes it, with ids of its own; images are known by their names.
    root = write([annotation(1, 3)])
    found = {
        "images": [{"id": 1, "file_name": "7.jpg"}, {"id": 2, "file_name": "3.jpg"}],
        "annotations": [
            {"image_id": 2, "category_id": 1, "bbox": [1, 2, 3, 4], "score": 0.25},
            {"image_id": 1, "category_id": 1, "bbox": [5, 6, 7, 8]},
        ],
    }
    (tmp_path / "boxes.json").write_text(json.dumps(found))
    dataset = CocoDataset("ann.json", bbox_file="boxes.json", data_root=root, test_mode=True)
    assert [sample.img_id for sample in dataset] == [3, 7]
    assert [float(sample.bbox_scores[0]) for sample in dataset] == [0.25, 1.0]  # type: ignore[index]


@pytest.mark.parametrize(
    ("found", "message"),
    [
        ({"annotations": []}, "a list of detections or a COCO file with 'images' and"),
        ("x", "expected, got str"),
        ([3], "detection 0: a mapping expected, got 3"),
        (
            {"images": [{"id": 1, "file_name": "new.jpg"}], "annotations": []},
            r"no image of .*ann\.json is called new\.jpg",
        ),
        (
            {"images": [{"id": 1, "file_name": "3.jpg"}], "annotations": [{"image_id": 3}]},
            "annotation 0: no image of the file has the id 3",
        ),
        (
            [{"image_id": 3, "category_id": 8, "bbox": [1, 2, 3, 4], "score": 1}],
            r"all detections are of the categories 8, .*ann\.json has poses of 1",
        ),
    ],
)
def test_files_that_hold_no_detections(
    write: Write, tmp_path: Path, found: Any, message: str
) -> None:
    root = write([annotation(1, 3)])
    (tmp_path / "boxes.json").write_text(json.dumps(found))
    with pytest.raises(DataError, match=message) as caught:
        CocoDataset("ann.json", bbox_file="boxes.json", data_root=root, test_mode=True)
    assert "boxes.json" in str(caught.value)


def test_broken_detections_are_reported_together(write: Write, tmp_path: Path) -> None:
    root = write([annotation(1, 3)])
    found = [
        {"image_id": 99, "category_id": 1, "bbox": [1, 2, 3, 4], "score": 0.9},
        {"image_id": 3, "category_id": 1, "bbox": [1, 2], "score": 0.9},
        {"image_id": 3, "category_id": 1, "bbox": [1, 2, 3, 4]},
    ]
    (tmp_path / "boxes.json").write_text(json.dumps(found))
    with pytest.raises(DataError) as caught:
        CocoDataset("ann.json", bbox_file="boxes.json", data_root=root, test_mode=True)
    lines = str(caught.value).splitlines()
    assert len(lines) == 3
    assert "boxes.json: detection 0: no image of" in lines[0]
    assert "detection 1: 'bbox' is x, y, width and height, got [1, 2]" in lines[1]
    assert "detection 2: no score" in lines[2]


def test_all_broken_annotations_are_reported_together(write: Write) -> None:
    broken = [
        annotation(1, 99),
        annotation(2, 3, bbox=[1, 2, 3]),
        annotation(3, 3, keypoints=[1, 2, 2] * 4),
        annotation(4, 3, keypoints=[1, float("nan"), 2] * 3),
        annotation(6, 3, bbox=[1, 2, float("inf"), 4]),
        annotation(7, 3),
        annotation(7, 3),
    ]
    root = write(broken, images=[image(3), {"id": 8, "file_name": "8.jpg"}])
    with pytest.raises(DataError) as caught:
        CocoDataset("ann.json", data_root=root)
    assert str(caught.value).splitlines() == [
        f"{root}/ann.json: {problem}"
        for problem in (
            "image 8: no height and no width",
            "annotation 1: no image has the id 99",
            "annotation 2: 'bbox' is x, y, width and height, got 3 numbers",
            "annotation 3: 'keypoints' are 3 times x, y, visibility, so 9 numbers, got 12",
            "annotation 4: 'keypoints' holds NaN or infinity",
            "annotation 6: 'bbox' holds NaN or infinity",
            "annotation 7: the id is there twice",
        )
    ]


def test_a_long_list_of_problems_is_cut(write: Write) -> None:
    root = write([annotation(i, 99) for i in range(50)])
    with pytest.raises(DataError, match="and 30 more") as caught:
        CocoDataset("ann.json", data_root=root)
    assert len(str(caught.value).splitlines()) == 21


def test_files_that_are_none(write: Write, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"nowhere\.json: No such file"):
        CocoDataset("nowhere.json", data_root=str(tmp_path))
    (tmp_path / "bad.json").write_text('{"images": [}')
    with pytest.raises(DataError, match=r"bad\.json: not a JSON file: .*line 1"):
        CocoDataset("bad.json", data_root=str(tmp_path))
    (tmp_path / "list.json").write_text("[]")
    with pytest.raises(DataError, match="no list of images and of annotations"):
        CocoDataset("list.json", data_root=str(tmp_path))
    root = write([annotation(1, 3)], categories=[{"id": 1, "name": "person"}])
    with pytest.raises(DataError, match="its categories name no keypoints; give a skeleton"):
        CocoDataset("ann.json", data_root=root)
    root = write([{"id": 1, "image_id": 3, "category_id": 1}])
    with pytest.raises(DataError, match="none of its 1 annotations has 'bbox' and 'keypoints'"):
        CocoDataset("ann.json", data_root=root)


def test_keypoints_in_another_order_than_the_skeleton_are_refused(write: Write) -> None:
    root = write([annotation(1, 3)])
    own = {"name": "own", "keypoints": ["nose", "right_eye", "left_eye"]}
    with pytest.raises(DataError, match="another order: keypoint 1 is 'left_eye', not 'right_eye'"):
        CocoDataset("ann.json", data_root=root, skeleton=own)


def test_a_category_that_contradicts_itself(write: Write) -> None:
    category = {"id": 1, "name": "cat", "keypoints": NAMES, "skeleton": [[1, 4]]}
    with pytest.raises(ConfigError, match=r"skeleton\.0: two numbers from 1 to 3 expected"):
        CocoDataset("ann.json", data_root=write([annotation(1, 3)], categories=[category]))


def test_arguments_that_contradict_each_other(write: Write) -> None:
    root = write([annotation(1, 3)])
    with pytest.raises(ConfigError, match="Did you mean 'topdown'"):
        CocoDataset("ann.json", data_root=root, data_mode="top-down")
    with pytest.raises(ConfigError) as caught:
        CocoDataset("ann.json", "boxes.json", "bottomup", filter_cfg={"bbox_score": 1})
    assert len(caught.value.problems) == 3
    with pytest.raises(ConfigError, match="bbox_score_thr needs a bbox_file"):
        CocoDataset("ann.json", data_root=root, filter_cfg={"bbox_score_thr": 1})


def test_nested_keypoints_are_read(write: Write) -> None:
    nested = annotation(1, 3, keypoints=[[12, 22, 2], [30, 40, 1], [0, 0, 0]])
    sample = CocoDataset("ann.json", data_root=write([nested]))[0]
    np.testing.assert_array_equal(sample.keypoints, [[[12, 22], [30, 40], [0, 0]]])


def test_wholebody_joins_the_fields_and_counts_scores_as_visible(write: Write) -> None:
    parts = {"keypoints": 17, "foot_kpts": 6, "face_kpts": 68}
    parts |= {"lefthand_kpts": 21, "righthand_kpts": 21}
    fields = {name: [5, 6, 0.3] * count for name, count in parts.items()}
    fields["foot_kpts"] = [7, 8, 0] * 6
    root = write([annotation(1, 3, **fields)], categories=[])
    sample = CocoWholeBodyDataset("ann.json", data_root=root)[0]
    assert sample.keypoints is not None
    assert sample.keypoints.shape == (1, 133, 2)
    assert sample.keypoints_visible is not None
    np.testing.assert_array_equal(sample.keypoints[0, 17:23], [[7, 8]] * 6)
    np.testing.assert_array_equal(np.flatnonzero(sample.keypoints_visible[0] == 0), range(17, 23))


def test_built_by_name(write: Write) -> None:
    root = write([annotation(1, 3)])
    built = DATASETS.build({"type": "CocoDataset", "ann_file": "ann.json", "data_root": root})
    assert isinstance(built, CocoDataset)
    assert repr(built) == f"CocoDataset('{root}/ann.json', 1 samples, 3 keypoints)"


# How many samples MMPose's CocoDataset makes of these files: top-down, bottom-up in evaluation.
@pytest.mark.parametrize(
    ("path", "skeleton", "topdown", "bottomup"),
    [
        ("formats/coco/test_coco.json", "coco", 12, 4),
        ("formats/ap10k/test_ap10k.json", "ap10k", 2, 2),
        ("lspet/val.json", None, 250, 250),
        ("fly_pair/val.json", None, 88, 44),
    ],
)
def test_real_files(
    shared_data: Path, path: str, skeleton: str | None, topdown: int, bottomup: int
) -> None:
    file = str(shared_data / path)
    dataset = CocoDataset(file, skeleton=skeleton)
    assert len(dataset) == topdown
    assert all(s.keypoints is not None and np.isfinite(s.keypoints).all() for s in dataset)
    images = CocoDataset(file, skeleton=skeleton, data_mode="bottomup", test_mode=True)
    assert len(images) == bottomup


def test_real_detections_and_wholebody(shared_data: Path) -> None:
    root = str(shared_data / "formats" / "coco")
    boxes = "test_coco_det_AP_H_56.json"
    dataset = CocoDataset(
        "test_coco.json", bbox_file=boxes, data_root=root, skeleton="coco", test_mode=True
    )
    persons = [d for d in json.loads((Path(root) / boxes).read_text()) if d["category_id"] == 1]
    assert len(dataset) == len(persons) > 0
    assert len(CocoWholeBodyDataset("test_coco_wholebody.json", data_root=root)) == 12
