"""Data sets that MMPose has classes for: their skeletons, and what lies in fields of their own."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.io import savemat

from raypose.codecs import Hand3DHeatmap
from raypose.datasets import SKELETON_OF, MpiiDataset
from raypose.errors import ConfigError, DataError
from raypose.registry import DATASETS
from raypose.structures import PoseBatch, Skeleton
from raypose.transforms import GetBBoxCenterScale, HandRandomFlip, TopdownAffine

Build = Callable[..., Any]


@pytest.fixture
def build(tmp_path: Path) -> Build:
    """Build a dataset by name from annotations of one image of 100 x 80."""

    def function(name: str, *annotations: dict[str, Any], **arguments: Any) -> Any:
        content = {
            "images": [{"id": 1, "file_name": "1.jpg", "width": 100, "height": 80}],
            "annotations": [
                {"id": i, "image_id": 1, "category_id": 1, "iscrowd": 0, **entry}
                for i, entry in enumerate(annotations)
            ],
        }
        (tmp_path / "ann.json").write_text(json.dumps(content))
        cfg = {"type": name, "ann_file": "ann.json", "data_root": str(tmp_path), **arguments}
        return DATASETS.build(cfg)

    return function


def points(count: int, x: float = 30, y: float = 40) -> list[float]:
    return [x, y, 2] * count


@pytest.mark.parametrize("name", SKELETON_OF)
def test_a_name_stands_for_a_skeleton(name: str, build: Build) -> None:
    skeleton = Skeleton.load(SKELETON_OF[name])
    entry = {"bbox": [10, 20, 30, 40], "keypoints": points(skeleton.num_keypoints)}
    dataset = build(name, entry)
    assert type(dataset).__name__ == name
    assert dataset.skeleton == skeleton
    assert dataset[0].keypoints.shape == (1, skeleton.num_keypoints, 2)
    # Loader processes get datasets by pickling.
    copy = pickle.loads(pickle.dumps(dataset))
    assert type(copy) is type(dataset)
    assert copy[0].id == "0"


@pytest.mark.parametrize(
    ("name", "count"), [("WFLWDataset", 98), ("Face300WDataset", 68), ("AFLWDataset", 19)]
)
def test_faces_by_center_and_scale_reach_beyond_the_image(
    name: str, count: int, build: Build
) -> None:
    entry = {"center": [20, 30], "scale": 0.5, "bbox": [0, 0, 9, 9], "keypoints": points(count)}
    sample = build(name, entry)[0]
    np.testing.assert_allclose(sample.bboxes, [[-30, -20, 70, 80]])


def test_faces_of_whole_bodies(build: Build) -> None:
    face = {"face_box": [90, 10, 20, 20], "face_kpts": points(68), "face_valid": True}
    person = {"bbox": [0, 0, 50, 60], "keypoints": points(17), "num_keypoints": 0}
    dataset = build(
        "CocoWholeBodyFaceDataset",
        {**person, **face},
        {**person, **face, "face_valid": False},
        {**person, **face, "face_kpts": [0] * 204},
    )
    assert len(dataset) == 1
    np.testing.assert_allclose(dataset[0].bboxes, [[90, 10, 99, 30]])
    assert dataset[0].keypoints.shape == (1, 68, 2)


def test_hands_of_whole_bodies_are_samples_of_their_own(build: Build) -> None:
    left = {"lefthand_box": [1, 2, 3, 4], "lefthand_kpts": points(21), "lefthand_valid": True}
    right = {
        "righthand_box": [90, 10, 20, 20],
        "righthand_kpts": points(21, 95, 15),
        "righthand_valid": True,
    }
    dataset = build("CocoWholeBodyHandDataset", {**left, **right}, {**right, "id": 9}, {})
    assert [sample.id for sample in dataset] == ["0", "1", "2"]
    np.testing.assert_allclose(dataset[0].bboxes, [[1, 2, 4, 6]])
    np.testing.assert_allclose(dataset[1].bboxes, [[90, 10, 110, 30]])
    np.testing.assert_allclose(dataset[2].keypoints[0, 0], [95, 15])


def test_hands_of_halpe_have_boxes_around_their_points(build: Build) -> None:
    body, left = points(94), [*points(20, 10, 20), 40, 30, 1]
    seen = {"bbox": [1, 2, 3, 4], "area": 9, "keypoints": [*body, *left, *([0] * 60), 5, 6, 0]}
    right = {"keypoints": [*([0] * 345), *points(20, 95, 15), 90, 10, 2]}
    single = {"keypoints": [*([0] * 345), *points(21, 95, 15)]}
    dataset = build("HalpeHandDataset", seen, right, single)

    assert [sample.id for sample in dataset] == ["0", "1"]
    np.testing.assert_allclose(dataset[0].bboxes, [[10, 20, 40, 30]])
    assert dataset[0].keypoints.shape == (1, 21, 2)
    np.testing.assert_allclose(dataset[0].keypoints[0, -1], [40, 30])
    assert dataset[0].keypoints_visible.sum() == 21
    np.testing.assert_allclose(dataset[1].bboxes, [[90, 10, 95, 15]])
    assert dataset.skeleton.name == "coco_wholebody_hand"


def test_the_hands_in_a_file_of_halpe(shared_data: Path) -> None:
    file = shared_data / "formats" / "halpe" / "test_halpe.json"
    people = json.loads(file.read_text())["annotations"]
    dataset = DATASETS.build({"type": "HalpeHandDataset", "ann_file": str(file)})

    hands = [np.reshape(p["keypoints"], (136, 3))[94:].reshape(2, 21, 3) for p in people]
    labelled = [hand for both in hands for hand in both if hand[:, 2].any()]
    assert len(dataset) == len(labelled) > 0
    for sample, hand in zip(dataset, labelled, strict=True):
        np.testing.assert_allclose(sample.keypoints[0], hand[:, :2], rtol=1e-6)


def test_freihand_takes_the_whole_image(build: Build) -> None:
    sample = build("FreiHandDataset", {"bbox": [3, 3, 9, 9], "keypoints": points(21)})[0]
    np.testing.assert_allclose(sample.bboxes, [[0, 0, 224, 224]])


def test_jhmdb_counts_pixels_from_one(build: Build) -> None:
    entry = {"bbox": [10, 20, 30, 40], "keypoints": points(15), "num_keypoints": 15}
    sample = build("JhmdbDataset", entry)[0]
    np.testing.assert_allclose(sample.bboxes, [[9, 19, 39, 59]])
    np.testing.assert_allclose(sample.keypoints[0, 0], [29, 39])
    np.testing.assert_allclose(sample.keypoints_visible, np.ones((1, 15)))


def test_a_broken_box_of_jhmdb_is_reported(build: Build) -> None:
    with pytest.raises(DataError, match=r"annotation 0: 'bbox' is x, y, width and height"):
        build("JhmdbDataset", {"bbox": [10], "keypoints": points(15)})


@pytest.mark.parametrize(("subset", "count"), [("full", 8), ("upper", 6), ("lower", 4)])
def test_deepfashion_by_subset(subset: str, count: int, build: Build) -> None:
    entry = {"bbox": [10, 20, 30, 40], "keypoints": points(count)}
    dataset = build("DeepFashionDataset", entry, subset=subset)
    assert dataset.skeleton.name == f"deepfashion_{subset}"


def test_deepfashion_has_three_subsets(build: Build) -> None:
    with pytest.raises(ConfigError, match=r"got 'uper'\. Did you mean 'upper'\?"):
        build("DeepFashionDataset", subset="uper")


def test_humanart_with_fingers_and_toes(build: Build) -> None:
    entry = {
        "bbox": [10, 20, 30, 40],
        "keypoints": points(17),
        "keypoints_21": points(21, 50, 60),
    }
    np.testing.assert_allclose(build("HumanArt21Dataset", entry)[0].keypoints[0, 20], [50, 60])


@pytest.fixture
def mpii(tmp_path: Path) -> Callable[..., MpiiDataset]:
    def function(*people: dict[str, Any], **arguments: Any) -> MpiiDataset:
        defaults = {
            "image": "000000041.jpg",
            "center": [101, 51],
            "scale": 2,
            "joints": [[30, 40]] * 16,
            "joints_vis": [1] * 15 + [0],
        }
        (tmp_path / "mpii.json").write_text(json.dumps([{**defaults, **p} for p in people]))
        return MpiiDataset("mpii.json", data_root=str(tmp_path), **arguments)

    return function


def test_mpii_people(mpii: Callable[..., MpiiDataset]) -> None:
    dataset = mpii({}, {"center": [-1, 11], "image": "000000042.jpg"})
    sample = dataset[0]
    assert (sample.img_id, sample.img_shape) == (41, None)
    assert sample.img_path is not None
    assert sample.img_path.endswith("000000041.jpg")
    # The center is moved down by 15 pixels a unit of scale and counted from 0.
    np.testing.assert_allclose(sample.bboxes, [[-100, -120, 300, 280]])
    np.testing.assert_allclose(sample.keypoints_visible, [[1] * 15 + [0]])
    np.testing.assert_allclose(dataset[1].bboxes, [[-202, -190, 198, 210]])


def test_mpii_images_with_all_their_people(mpii: Callable[..., MpiiDataset]) -> None:
    dataset = mpii({}, {"image": "000000042.jpg"}, {}, data_mode="bottomup")
    assert [len(sample.keypoints) for sample in dataset if sample.keypoints is not None] == [2, 1]


def test_mpii_heads(mpii: Callable[..., MpiiDataset], tmp_path: Path) -> None:
    boxes = np.zeros((2, 2, 2))
    boxes[1] = [[3, 30], [4, 40]]  # far corners of two heads
    savemat(tmp_path / "heads.mat", {"headboxes_src": boxes})
    dataset = mpii({}, {}, headbox_file="heads.mat", test_mode=True)
    sizes = [sample.meta["head_size"] for sample in dataset]
    np.testing.assert_allclose(sizes, [0.6 * 5, 0.6 * 50])
    with pytest.raises(DataError, match=r"has 2 heads, .* has 1 people"):
        mpii({}, headbox_file="heads.mat", test_mode=True)
    with pytest.raises(ConfigError, match="headbox_file is for data_mode 'topdown' and test_mode"):
        mpii({}, headbox_file="heads.mat")


def test_files_that_are_not_mpiis(mpii: Callable[..., MpiiDataset], tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"person 1 has no 'image', .*ValueError"):
        mpii({}, {"joints": [[1, 2]]})
    (tmp_path / "mpii.json").write_text("{}")
    with pytest.raises(DataError, match="MPII's list of people expected"):
        MpiiDataset("mpii.json", data_root=str(tmp_path))


@pytest.fixture
def interhand(build: Build, tmp_path: Path) -> Build:
    """Two images of one capture; the camera looks along x, joint k is at (2, k / 10, 1)."""

    def function(
        change: dict[str, Any] | None = None, depths: Sequence[float] = (2,) * 42, **arguments: Any
    ) -> Any:
        rotation = [[0, 1, 0], [0, 0, 1], [1, 0, 0]]
        camera = {"campos": [1, 0, 0], "camrot": rotation, "focal": [50, 60], "princpt": [7, 8]}
        cameras = {"3": {key: {"cam1": value} for key, value in camera.items()}}
        world = [[depth, k / 10, 1] for k, depth in enumerate(depths)]
        (tmp_path / "cameras.json").write_text(json.dumps(cameras))
        (tmp_path / "joints.json").write_text(json.dumps({"3": {"5": {"world_coord": world}}}))
        images = [
            {"id": i, "file_name": f"{i}.jpg", "capture": 3, "camera": "cam1", "frame_idx": 5}
            for i in (1, 2)
        ]
        annotation = {
            "bbox": [-5, 0, 300, 90],
            "joint_valid": [[1]] * 40 + [[1]] + [[0]],
            "hand_type": "interacting",
            "hand_type_valid": 1,
        }
        content = {
            "images": [{**image, **(change or {})} for image in images],
            "annotations": [{"id": i, "image_id": i, **annotation} for i in (1, 2)],
        }
        (tmp_path / "hands.json").write_text(json.dumps(content))
        return DATASETS.build(
            {
                "type": "InterHand2DDoubleDataset",
                "ann_file": "hands.json",
                "camera_param_file": "cameras.json",
                "joint_file": "joints.json",
                "data_root": str(tmp_path),
                **arguments,
            }
        )

    return function


def test_both_hands_are_projected_from_the_world(interhand: Build) -> None:
    dataset = interhand()
    assert len(dataset) == 2
    sample = dataset[0]
    assert sample.keypoints.shape == (1, 42, 2)
    # In the camera joint k is at (k / 10, 1, 1).
    np.testing.assert_allclose(sample.keypoints[0, [0, 10]], [[7, 68], [57, 68]], rtol=1e-5)
    np.testing.assert_allclose(sample.bboxes, [[-5, 0, 295, 90]])
    # The wrist of the left hand is not annotated, so neither is the hand.
    np.testing.assert_allclose(sample.keypoints_visible, [[1] * 21 + [0] * 21])
    assert [sample.img_id for sample in interhand(sample_interval=2)] == [1]


def test_hands_in_3d(interhand: Build, tmp_path: Path) -> None:
    depths = [2.0] * 20 + [3.0] + [6.0] * 21
    sample = interhand(depths=depths, type="InterHand3DDataset")[1]
    assert sample.keypoints.shape == (1, 42, 3)
    np.testing.assert_allclose(sample.keypoints[0, [0, 20, 30], 2], [-1, 0, 0])
    np.testing.assert_allclose(sample.keypoints[0, 30, :2], [7 + 50 * 3 / 5, 8 + 60 / 5], rtol=1e-5)
    meta = sample.meta
    np.testing.assert_allclose(meta["keypoints_cam"][0, 30], [3, 1, 5])
    np.testing.assert_array_equal(meta["hand_type"], [[1, 1]])
    np.testing.assert_array_equal(meta["hand_type_valid"], [1])
    assert (meta["rel_root_depth"], meta["rel_root_valid"]) == (3, 0)
    for name, expected in (("abs_depth", [2, 5]), ("focal", [50, 60]), ("principal_pt", [7, 8])):
        np.testing.assert_allclose(meta[name], expected)
    found = [{"annot_id": i, "bbox": [1, 2, 30, 40], "abs_depth": [7, 9]} for i in (1, 2)]
    (tmp_path / "roots.json").write_text(json.dumps(found))
    estimated = interhand(
        type="InterHand3DDataset", use_gt_root_depth=False, rootnet_result_file="roots.json"
    )[0]
    np.testing.assert_allclose(estimated.meta["abs_depth"], [7, 9])
    np.testing.assert_allclose(estimated.bboxes, [[1, 2, 31, 42]])
    with pytest.raises(ConfigError, match="rootnet_result_file is where depths come from"):
        interhand(type="InterHand3DDataset", use_gt_root_depth=False)


def test_a_batch_of_hands_is_what_the_codec_takes(interhand: Build) -> None:
    dataset = interhand(type="InterHand3DDataset")
    samples = [
        TopdownAffine((64, 64))(GetBBoxCenterScale()(HandRandomFlip(flip)(sample)))
        for sample, flip in zip(_with_images(dataset), (0.0, 1.0), strict=True)
    ]
    batch = Hand3DHeatmap(heatmap_size=(16, 16, 16)).encode_batch(PoseBatch.collate(samples))
    assert batch.targets["heatmaps"].shape == (2, 42 * 16, 16, 16)
    assert batch.targets["type"].shape == (2, 1, 2)


def test_mirrored_hands_have_changed_sides(interhand: Build) -> None:
    sample = next(
        _with_images(interhand(depths=[2.0] * 21 + [6.0] * 21, type="InterHand3DDataset"))
    )
    before = sample.keypoints.copy()
    sample.meta["hand_type"] = np.array([[1.0, 0.0]], np.float32)
    flipped = HandRandomFlip(1.0)(sample)
    np.testing.assert_array_equal(flipped.meta["hand_type"], [[0, 1]])
    assert flipped.meta["rel_root_depth"] == -4
    np.testing.assert_allclose(flipped.meta["abs_depth"], [5, 1])
    np.testing.assert_allclose(flipped.keypoints[0, :21, 0], 299 - before[0, 21:, 0], rtol=1e-5)
    del sample.meta["rel_root_depth"]
    with pytest.raises(DataError, match="HandRandomFlip needs rel_root_depth"):
        HandRandomFlip(1.0)(sample)


def _with_images(dataset: Any) -> Iterator[Any]:
    for sample in dataset:
        sample.image = np.zeros((90, 300, 3), np.uint8)
        sample.img_shape = (90, 300)
        yield sample


def test_hands_without_a_camera(interhand: Build) -> None:
    with pytest.raises(DataError, match="image 1: no camera or joints for it"):
        interhand(change={"camera": "cam9"})


@pytest.mark.parametrize("name", ["WFLWDataset", "CocoWholeBodyHandDataset", "JhmdbDataset"])
def test_files_that_are_none(name: str, tmp_path: Path) -> None:
    (tmp_path / "ann.json").write_text("[]")
    with pytest.raises(DataError, match="not a COCO-keypoints file"):
        DATASETS.build({"type": name, "ann_file": "ann.json", "data_root": str(tmp_path)})
