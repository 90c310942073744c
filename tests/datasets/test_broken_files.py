"""A broken annotation file gets an error with its name, the key and the reason."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from raypose.errors import DataError
from raypose.registry import DATASETS

PERSON = {
    "id": 7,
    "image_id": 1,
    "category_id": 1,
    "iscrowd": 0,
    "area": 500.0,
    "num_keypoints": 17,
    "bbox": [1, 2, 30, 40],
    "keypoints": [10, 12, 2] * 17,
    "foot_kpts": [10, 12, 2] * 6,
    "face_kpts": [10, 12, 2] * 68,
    "face_box": [1, 2, 30, 40],
    "face_valid": True,
    "lefthand_kpts": [10, 12, 2] * 21,
    "lefthand_box": [1, 2, 30, 40],
    "lefthand_valid": True,
    "righthand_kpts": [10, 12, 2] * 21,
    "righthand_box": [1, 2, 30, 40],
    "righthand_valid": True,
}
CENTERED = {"center": [20, 30], "scale": 0.5, "box_size": 100, "headbox": [[1, 2], [3, 4]]}
# Layout of the file -> number of keypoints where it is not a whole body's.
LAYOUTS = {
    "CocoWholeBodyDataset": None,
    "CocoWholeBodyFaceDataset": None,
    "CocoWholeBodyHandDataset": None,
    "JhmdbDataset": 15,
    "FreiHandDataset": 21,
    "AFLWDataset": 19,
    "MpiiTrbDataset": 40,
    "Rhd2DDataset": 21,
    "HalpeHandDataset": 136,
}
WRONG = [None, "x", -1.5, [], {}, [None], ["a"], [[1, 2], [3]], math.nan]


def read(name: str, content: Any, folder: Path, raw: str | None = None) -> None:
    (folder / "ann.json").write_text(json.dumps(content) if raw is None else raw)
    dataset = DATASETS.build({"type": name, "ann_file": "ann.json", "data_root": str(folder)})
    for sample in dataset:
        assert sample.img_id == 1


def content_of(name: str) -> dict[str, Any]:
    person: dict[str, Any] = {**PERSON, **CENTERED}
    if LAYOUTS[name] is not None:
        person["keypoints"] = [10, 12, 2] * (LAYOUTS[name] or 0)
    return {
        "images": [{"id": 1, "file_name": "1.jpg", "width": 100, "height": 80}],
        "annotations": [person],
        "categories": [{"id": 1, "name": "person"}],
    }


@pytest.mark.parametrize("name", LAYOUTS)
@pytest.mark.parametrize("part", ["images", "annotations", "categories"])
def test_no_value_of_a_wrong_type_gets_past_the_messages(
    name: str, part: str, tmp_path: Path
) -> None:
    content = content_of(name)
    read(name, content, tmp_path)
    entry = content[part][0]
    broken = [{**entry, key: value} for key in entry for value in WRONG]
    broken += [{k: v for k, v in entry.items() if k != key} for key in entry]
    for changed in [*broken, *WRONG]:
        try:
            read(name, {**content, part: [changed]}, tmp_path)
        except DataError as error:
            assert "ann.json: " in str(error)  # noqa: PT017


@pytest.mark.parametrize(
    ("part", "change", "message"),
    [
        ("annotations", {"bbox": None}, "annotation 7: 'bbox' is a list of numbers, got None"),
        ("annotations", {"bbox": [1, 2]}, "annotation 7: 'bbox' is x, y, width and height, got 2"),
        ("annotations", {"area": "big"}, "annotation 7: 'area' is a number, got 'big'"),
        ("annotations", {"id": "7"}, "annotations.0: 'id' is a whole number, got '7'"),
        ("annotations", {"face_kpts": ["a"]}, "annotation 7: 'face_kpts' is a list of numbers"),
        ("annotations", {"keypoints": [1, 2, 2]}, "'keypoints' are 133 times x, y, visibility"),
        ("annotations", {"image_id": 5}, "annotation 7: no image has the id 5"),
        ("images", {"height": 0}, "image 1: 'height' is a number of pixels above 0, got 0"),
        ("categories", {"keypoints": 3}, "category 1: 'keypoints' is a list of names, got 3"),
    ],
)
def test_what_the_message_says(
    part: str, change: dict[str, Any], message: str, tmp_path: Path
) -> None:
    content = content_of("CocoWholeBodyDataset")
    with pytest.raises(DataError) as caught:
        read("CocoWholeBodyDataset", {**content, part: [{**content[part][0], **change}]}, tmp_path)
    assert message in str(caught.value)


def test_a_file_that_ends_too_early(tmp_path: Path) -> None:
    whole = json.dumps(content_of("JhmdbDataset"))
    with pytest.raises(DataError, match=r"ann\.json: not a JSON file: .*line 1 column"):
        read("JhmdbDataset", None, tmp_path, raw=whole[:-40])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"S": np.zeros((2, 17, 3))}, "'S' has the shape 2 x 17 x 3, expected 2 x 17 x 4"),
        ({"S": np.full((2, 17, 4), "a")}, "'S' holds <U1, numbers expected"),
        ({"part": np.full((2, 17, 3), np.nan)}, "'part' holds NaN or infinity in 2 of 2 rows"),
        ({"part": None}, "no array part"),
        ({"imgname": np.array(3)}, "'imgname' has the shape "),
    ],
)
def test_arrays_that_are_not_what_they_should_be(
    change: dict[str, Any], message: str, tmp_path: Path
) -> None:
    arrays: dict[str, Any] = {
        "imgname": np.array(["S1_Seq1_Cam0_000001.jpg", "S1_Seq1_Cam0_000002.jpg"]),
        "part": np.zeros((2, 17, 3)),
        "S": np.zeros((2, 17, 4)),
        **change,
    }
    kept = {name: array for name, array in arrays.items() if array is not None}
    np.savez(tmp_path / "a.npz", **kept)
    cfg = {"type": "MpiInf3dhpDataset", "ann_file": "a.npz", "data_root": str(tmp_path)}
    with pytest.raises(DataError, match=r"a\.npz: ") as caught:
        DATASETS.build(cfg)
    assert message in str(caught.value)
    (tmp_path / "a.npz").write_bytes((tmp_path / "a.npz").read_bytes()[:-30])
    with pytest.raises(DataError, match=r"a\.npz: not an npz file"):
        DATASETS.build(cfg)


VIDEO = {"type": "PoseTrack18VideoDataset", "frame_sampler_mode": "random", "frame_range": 2}


def test_supporting_frames_of_a_sample_are_the_same_again(tmp_path: Path) -> None:
    content = content_of("CocoWholeBodyDataset")
    content["images"][0].update(file_name="v/000001.jpg", nframes=3)
    (tmp_path / "ann.json").write_text(json.dumps(content))
    cfg = {**VIDEO, "num_sampled_frame": 4, "frame_weights": [0.2] * 5, "ann_file": "ann.json"}
    first, again = (DATASETS.build({**cfg, "data_root": str(tmp_path)})[0] for _ in range(2))
    names = [Path(path).name for path in first.meta["frame_paths"]]
    assert names[0] == "000001.jpg"
    assert set(names) <= {"000000.jpg", "000001.jpg", "000002.jpg"}
    assert len(names) == 5
    assert again.meta["frame_paths"] == first.meta["frame_paths"]
    content["images"][0].pop("nframes")
    (tmp_path / "ann.json").write_text(json.dumps(content))
    with pytest.raises(DataError, match=r"ann\.json: image 1: 'nframes' and a 'file_name'"):
        DATASETS.build({**cfg, "data_root": str(tmp_path)})
