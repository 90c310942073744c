"""What annotations are also written as: numbers of hand-made rows, read by those they are for."""

from __future__ import annotations

import json
import typing
from pathlib import Path
from xml.etree import ElementTree

import pytest
from hotcoco import COCO

from raypose.config.sections.annotate import Sink
from raypose.datasets import CocoDataset
from raypose.errors import ConfigError, RayposeError
from raypose.inference.annotation import storage
from raypose.inference.annotation.sinks import (
    FILES,
    FOLDERS,
    OVERLAY,
    Answers,
    check_sinks,
    write_sinks,
)
from raypose.inference.annotation.table import Row
from raypose.structures import Skeleton

SKELETON = Skeleton.load(
    {"name": "mouse", "keypoints": ["snout", "tail & co"], "links": [["snout", "tail & co"]]}
)


def instance(x: float, y: float, track: int | None = None, low: float = 0.9) -> dict[str, object]:
    return {
        "category": None,
        "bbox": [x - 5, y - 5, x + 5, y + 5],
        "bbox_score": 0.8,
        "score": None,
        "keypoints": [[x, y], [x + 1, y + 2]],
        "keypoint_scores": [0.9, low],
        "keypoints_visible": None,
        "track_id": track,
        "keypoints_3d": None,
        "interpolated": None,
    }


def row(source: str, *instances: dict[str, object], frame: int | None = None) -> Row:
    return {
        "source": source,
        "frame": frame or 0,
        "time": None if frame is None else frame / 10,
        "width": 200,
        "height": 100,
        "instances": list(instances),
        "error": None,
    }


IMAGES = [
    row("a.jpg", instance(10, 20, low=0.1), instance(50, 60)),
    {**row("b.jpg"), "width": None, "height": None, "error": "empty"},
    row("below/c.jpg"),
]
FRAMES = [
    row("v.avi", instance(10, 10, 0), instance(50, 50), frame=0),
    row("v.avi", instance(11, 10, 0), frame=2),
    row("v.avi", frame=4),
    row("v.avi", instance(15, 10, 0), instance(80, 10, 1), frame=6),
]


def answers(*rows: Row) -> Answers:
    return Answers(read=lambda: rows, skeleton=SKELETON, category="mouse")


def test_the_config_knows_every_sink() -> None:
    assert set(typing.get_args(Sink)) == {*FILES, *FOLDERS, OVERLAY}


def test_a_coco_dataset_is_one_of_raypose_and_of_evaluators(tmp_path: Path) -> None:
    write_sinks(["coco"], answers(*IMAGES, *FRAMES), tmp_path)
    coco = COCO(str(tmp_path / "coco.json"))
    content = json.loads((tmp_path / "coco.json").read_text())
    assert [(image["id"], image["file_name"]) for image in content["images"]] == [
        (1, "a.jpg"),
        (2, "below/c.jpg"),
        (3, "v.avi/000000.jpg"),
        (4, "v.avi/000002.jpg"),
        (5, "v.avi/000004.jpg"),
        (6, "v.avi/000006.jpg"),
    ]
    assert content["images"][3]["frame_id"] == 2
    assert sorted(coco.get_ann_ids()) == list(range(1, 8))
    first = content["annotations"][0]
    assert first["bbox"] == [5, 15, 10, 10]
    assert first["area"] == 100
    assert first["keypoints"] == [10, 20, 2, 11, 22, 1]
    assert (first["score"], first["num_keypoints"], first["iscrowd"]) == (0.8, 2, 0)
    assert [entry.get("track_id") for entry in content["annotations"]] == [
        *(None, None, 0, None, 0, 0, 1)
    ]
    assert content["categories"][0]["skeleton"] == [[1, 2]]

    dataset = CocoDataset(ann_file=str(tmp_path / "coco.json"), data_prefix={"img": "pictures/"})
    assert len(dataset) == 7
    assert dataset[0].keypoints is not None
    assert dataset[0].keypoints[0].tolist() == [[10, 20], [11, 22]]
    assert dataset[0].img_path.endswith("pictures/a.jpg")


def test_coco_results_are_evaluated(tmp_path: Path) -> None:
    write_sinks(["coco", "coco-results"], answers(*IMAGES), tmp_path)
    truth = COCO(str(tmp_path / "coco.json"))
    results = json.loads((tmp_path / "coco_results.json").read_text())
    assert results[0]["keypoints"] == [10, 20, 0.9, 11, 22, 0.1]
    assert [result["image_id"] for result in results] == [1, 1]
    assert sorted(truth.load_res(str(tmp_path / "coco_results.json")).get_ann_ids()) == [1, 2]


def test_one_json_for_each_image_and_video(tmp_path: Path) -> None:
    write_sinks(["json"], answers(*IMAGES, *FRAMES), tmp_path)
    assert storage.list_files(tmp_path) == [
        "json/a.jpg.json",
        "json/b.jpg.json",
        "json/below/c.jpg.json",
        "json/v.avi.json",
    ]
    video = json.loads((tmp_path / "json" / "v.avi.json").read_text())
    assert [frame["frame_id"] for frame in video["instance_info"]] == [0, 2, 4, 6]
    assert video["instance_info"][1]["instances"][0]["keypoints"] == [[11, 10], [12, 12]]
    assert video["meta_info"]["keypoint_id2name"] == {"0": "snout", "1": "tail & co"}
    broken = json.loads((tmp_path / "json" / "b.jpg.json").read_text())
    assert broken["instance_info"] == [{"frame_id": 0, "instances": [], "error": "empty"}]


def test_cvat_images(tmp_path: Path) -> None:
    write_sinks(["cvat"], answers(*IMAGES), tmp_path)
    root = ElementTree.parse(tmp_path / "cvat" / "images.xml").getroot()
    assert root.findtext("version") == "1.1"
    images = root.findall("image")
    assert [(image.get("id"), image.get("name")) for image in images] == [
        ("0", "a.jpg"),
        ("1", "below/c.jpg"),
    ]
    skeletons = images[0].findall("skeleton")
    assert [skeleton.get("label") for skeleton in skeletons] == ["mouse", "mouse"]
    points = skeletons[0].findall("points")
    assert [point.get("label") for point in points] == ["snout", "tail & co"]
    assert [point.get("points") for point in points] == ["10.00,20.00", "11.00,22.00"]
    assert [point.get("occluded") for point in points] == ["0", "1"]
    (label,) = json.loads((tmp_path / "cvat" / "labels.json").read_text())
    assert [part["name"] for part in label["sublabels"]] == ["snout", "tail & co"]
    picture = ElementTree.fromstring(f"<svg>{label['svg']}</svg>")
    named = [circle.get("data-label-name") for circle in picture.findall("circle")]
    assert named == ["snout", "tail & co"]
    ends = [(x.get("data-node-from"), x.get("data-node-to")) for x in picture.findall("line")]
    assert ends == [("1", "2")]


def test_cvat_videos_are_tracks_that_end(tmp_path: Path) -> None:
    write_sinks(["cvat"], answers(*FRAMES), tmp_path)
    assert not (tmp_path / "cvat" / "images.xml").exists()
    root = ElementTree.parse(tmp_path / "cvat" / "v.avi.xml").getroot()
    tracks = [
        [(shape.get("frame"), shape.get("outside")) for shape in track.findall("skeleton")]
        for track in root.findall("track")
    ]
    assert tracks == [
        [("0", "0"), ("2", "0"), ("4", "1"), ("6", "0")],
        [("0", "0"), ("2", "1")],
        [("6", "0")],
    ]
    shape = root.findall("track")[0].findall("skeleton")[1]
    assert [point.get("points") for point in shape] == ["11.00,10.00", "12.00,12.00"]
    # CVAT refuses points of a track that do not say this.
    assert {point.get("keyframe") for point in root.iter("points")} == {"1"}


def test_label_studio_in_per_cent(tmp_path: Path) -> None:
    write_sinks(["label-studio"], answers(*IMAGES), tmp_path)
    tasks = json.loads((tmp_path / "label_studio.json").read_text())
    assert [task["data"]["image"] for task in tasks] == ["a.jpg", "below/c.jpg"]
    (prediction,) = tasks[0]["predictions"]
    box, snout, tail = prediction["result"][:3]
    assert [box["value"][key] for key in ("x", "y", "width", "height")] == [2.5, 15, 5, 10]
    assert (snout["value"]["x"], snout["value"]["y"]) == (5, 20)
    assert tail["value"]["keypointlabels"] == ["tail & co"]
    assert {snout["parentID"], tail["parentID"]} == {box["id"]}
    assert len({region["id"] for region in prediction["result"]}) == 6
    interface = ElementTree.parse(tmp_path / "label_studio.xml").getroot()
    labels = [label.get("value") for label in interface.findall("KeyPointLabels/Label")]
    assert labels == ["snout", "tail & co"]
    assert interface.find("KeyPointLabels").get("name") == tail["from_name"]  # type: ignore[union-attr]
    with pytest.raises(ConfigError, match="Label Studio has no keypoints in videos; take cvat"):
        check_sinks(["label-studio"], has_videos=True)


def test_formats_that_there_are_not() -> None:
    with pytest.raises(ConfigError, match=r"no format 'cocco'; there are .*Did you mean 'coco'\?"):
        check_sinks(["cocco"], has_videos=False)


def test_sinks_write_the_same_again_and_go_when_asked(tmp_path: Path) -> None:
    formats = [*FILES, *FOLDERS]
    found = answers(*IMAGES, *FRAMES)
    write_sinks(formats, found, tmp_path)
    files = storage.list_files(tmp_path)
    before = {name: (tmp_path / name).read_bytes() for name in files}
    write_sinks(formats, found, tmp_path)
    assert {name: (tmp_path / name).read_bytes() for name in files} == before


def test_nobody_anywhere(tmp_path: Path) -> None:
    write_sinks([*FILES, *FOLDERS], answers(), tmp_path)
    content = json.loads((tmp_path / "coco.json").read_text())
    assert (content["images"], content["annotations"]) == ([], [])
    assert json.loads((tmp_path / "coco_results.json").read_text()) == []


def test_poses_of_another_skeleton(tmp_path: Path) -> None:
    wrong = {**instance(1, 2), "keypoints": [[1, 2]], "keypoint_scores": [1]}
    with pytest.raises(RayposeError, match=r"a.jpg: poses of 1 keypoints, but .*'mouse' has 2"):
        write_sinks(["coco"], answers(row("a.jpg", wrong)), tmp_path)
    assert storage.list_files(tmp_path) == []
